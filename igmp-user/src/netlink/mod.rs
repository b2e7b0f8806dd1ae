//! What the kernel knows of the network, and its changes.
//!
//! A notification of the kernel is only taken as a hint that something changed; what holds is what a dump says. That
//! costs a dump for each burst of changes, and in return a lost notification (`ENOBUFS`) needs no treatment of its own
//! and no state can drift away from the kernel's.

mod asker;
mod error;
mod follow;
mod hints;
mod local_groups;
mod netdev;
mod next_hop;
mod request;
mod routes;
mod snapshot;
mod watch;
mod watch_routes;

pub use asker::{NoAnswer, RouteAsker};
pub use error::NetlinkError;
pub use local_groups::{LocalGroups, watch_local_groups};
pub use next_hop::{NextHop, NextHops};
pub use routes::{Route, RouteTable, RouteVia};
pub use snapshot::{Link, Snapshot, VlanOf};
pub use watch::watch;
pub use watch_routes::watch_routes;
