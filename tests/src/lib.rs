//! The harness of the privileged tests: networks of namespaces, hosts whose own kernels speak IGMP, and the built
//! `igmpd` and `igmpctl` between them.
//!
//! A test makes a [`Network`], adds [`Namespace`]s, links and [`Host`]s to it, starts an [`Igmpd`] in one of them and
//! waits for what the router should know with [`wait_for`]. Each test has namespaces, sockets, files and pins of its own
//! under a name with its process ID in it, so tests run side by side; dropping the guards removes them, also when the
//! test fails, and the first network of a process removes what killed processes left behind.
//!
//! Nothing here is skipped: without root, without the built programs or without FRR a test fails and says what is
//! missing.
//!
//! | module | holds |
//! |---|---|
//! | [`network`], [`namespace`], [`switch`], [`lan`], [`topology`] | namespaces, links between them, bridges, routers |
//! | [`host`], [`filter`] | real sockets that join, leave and filter sources |
//! | [`packet`], [`pim`], [`raw`], [`capture`], [`refusal`] | packets made by hand, sent, seen and refused |
//! | [`recording`] | what a router sends, judged by tshark |
//! | [`igmpd`], [`json`], [`monitor`] | the programs under test, and what they print, by the letter |
//! | [`stream`] | multicast data: senders, receivers, taps, and a network for them |
//! | [`frr`] | FRRouting's pimd as another router |
//! | [`process`], [`wait`] | child processes, and waiting for conditions |

#![forbid(unsafe_code)]

pub mod capture;
pub mod filter;
pub mod frr;
pub mod host;
pub mod igmpd;
pub mod json;
pub mod lan;
pub mod monitor;
pub mod namespace;
pub mod network;
pub mod packet;
pub mod pim;
pub mod process;
pub mod raw;
pub mod recording;
pub mod refusal;
pub mod stream;
pub mod switch;
pub mod topology;
pub mod wait;

pub use capture::Capture;
pub use frr::Frr;
pub use host::{Host, Membership};
pub use igmpd::Igmpd;
pub use lan::Lan;
pub use monitor::Monitor;
pub use namespace::Namespace;
pub use network::Network;
pub use packet::Packet;
pub use raw::RawSocket;
pub use recording::Recording;
pub use switch::Switch;
pub use topology::Topology;
pub use wait::{PATIENCE, wait_for};
