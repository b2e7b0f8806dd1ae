//! How the core learns that a membership was refreshed in the kernel.

use core::net::Ipv4Addr;

use crate::{InterfaceId, time::Instant};

/// When reports last refreshed a group, as the kernel recorded it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupTimes {
    /// The last report of version 1, 2 and 3 that refreshed the group timer. `None` for never.
    pub last_report: [Option<Instant>; 3],
    /// The sender of the last of them.
    pub reporter: Option<Ipv4Addr>,
}

/// When a report last refreshed a source, as the kernel recorded it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceTime {
    /// The last record that refreshed the source timer. `None` for never.
    pub last_report: Option<Instant>,
}

/// Reads the times that the XDP program writes.
///
/// Timers are lazy: the core keeps a deadline, and when it comes it asks here whether reports have arrived since, which
/// nobody told it of. A group or source that the kernel does not know answers with the default, nothing.
pub trait Liveness {
    /// The times of a group.
    fn group(&mut self, interface: InterfaceId, group: Ipv4Addr) -> GroupTimes;

    /// The time of a source.
    fn source(&mut self, interface: InterfaceId, group: Ipv4Addr, source: Ipv4Addr) -> SourceTime;

    /// Says which groups (source `None`) and sources will be asked for next, so that they can be read together. An
    /// implementation that reads each one quickly need not do anything.
    fn prefetch(&mut self, _keys: &[(InterfaceId, Ipv4Addr, Option<Ipv4Addr>)]) {}
}
