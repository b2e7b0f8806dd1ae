//! igmpd, the agent of the IGMP router, and igmpctl, the operator's tool.
//!
//! | module | holds |
//! |---|---|
//! | [`daemon`] | igmpd from its command line to its end |
//! | [`agent`] | the loop between the kernel, the protocol core and operators |
//! | [`kernel`] | the BPF object, its maps and links |
//! | [`mroute`] | forwarding by the kernel's multicast routing |
//! | [`netlink`] | the kernel's interfaces, routes and joined groups |
//! | [`config`] | the configuration file |
//! | [`control`] | the control socket |
//! | [`api`] | the JSON that it speaks |
//! | [`privileges`] | what igmpd must be allowed to do |
//! | [`ctl`] | igmpctl |
//! | [`sys`] | the only module with `unsafe` |

#![deny(unsafe_code)]

pub mod agent;
pub mod api;
pub mod config;
pub mod control;
pub mod ctl;
pub mod daemon;
pub mod kernel;
pub mod mroute;
pub mod netlink;
pub mod privileges;
mod readiness;
pub mod sys;
