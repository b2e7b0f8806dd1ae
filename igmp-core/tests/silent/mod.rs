//! A kernel that has seen nothing: every report is handed over.

use core::net::Ipv4Addr;

use igmp_core::{GroupTimes, InterfaceId, Liveness, SourceTime};

/// Knows of no report.
pub(crate) struct Silent;

impl Liveness for Silent {
    fn group(&mut self, _: InterfaceId, _: Ipv4Addr) -> GroupTimes {
        GroupTimes::default()
    }

    fn source(&mut self, _: InterfaceId, _: Ipv4Addr, _: Ipv4Addr) -> SourceTime {
        SourceTime::default()
    }
}
