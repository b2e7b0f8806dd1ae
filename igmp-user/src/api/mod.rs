//! The JSON that igmpd serves and igmpctl reads.
//!
//! Field names are fixed: scripts rely on them. Durations are numbers of seconds, addresses dotted quads, and lists are
//! sorted by interface name, then group, then source, addresses as numbers. Routes and joins, which are of no one
//! interface, are sorted by group, then source.

mod any_source;
mod groups;
mod interfaces;
mod joins;
mod monitor;
mod neighbors;
mod operations;
mod pim_statistics;
mod routes;
mod seconds;
mod statistics;
#[cfg(test)]
mod tests;

pub use groups::{FilterMode, Group, Groups, Source};
pub use interfaces::{
    IgmpInterface, Interface, Interfaces, OperStatus, PimInterface, ProxyInterface, XdpModeName,
};
pub use joins::{Join, JoinProtocol, JoinState, Joins};
pub use monitor::{MonitorEvent, MonitorEventKind, MonitorReason};
pub use neighbors::{Neighbor, Neighbors};
pub use operations::{Cleared, ErrorBody, Reloaded, Version};
pub use pim_statistics::{PimDropped, PimMessages, PimStatistics};
pub use routes::{Route, RouteEngine, Routes};
pub use seconds::Seconds;
pub use statistics::{Dropped, InterfaceStatistics, Received, Sent, SentReports, Statistics};

/// The version of this interface, which is the first part of every path.
pub const PREFIX: &str = "/v1";
