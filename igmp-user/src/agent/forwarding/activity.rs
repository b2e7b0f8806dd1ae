//! When sources were last active, for the Keepalive Timers of PIM.

use std::net::Ipv4Addr;

use igmp_core::Instant;
use igmp_wire::abi::RouteKey;

use super::mrouting::KernelForwarding;
use crate::{agent::clock, kernel::Flows};

/// Who knows.
pub(in crate::agent) enum Activity<'a> {
    /// Nobody: nothing is forwarded.
    Unknown,
    /// The programs in the kernel.
    Xdp(Flows),
    /// The kernel's multicast routing.
    Kernel(&'a mut KernelForwarding),
}

impl Activity<'_> {
    /// When the last packet of a source to a group came in where it should. `None` where there was none for long.
    pub(in crate::agent) fn last_packet(&mut self, group: Ipv4Addr, source: Ipv4Addr) -> Option<Instant> {
        match self {
            Self::Unknown => None,
            Self::Xdp(flows) => {
                let key = RouteKey {
                    group: group.to_bits(),
                    source: source.to_bits(),
                };
                let flow = flows.get(key)?;
                Some(Instant::from_nanos(flow.last_packet))
            }
            Self::Kernel(kernel) => kernel.last_packet(clock::now(), group, source),
        }
    }
}
