use igmp_core::{Instant, InterfaceId, Reason};
use std::net::Ipv4Addr;
use crate::agent::Agent;
impl Agent {
    pub(super) fn set_pim_route(&mut self, now: Instant, group: Ipv4Addr, source: Option<Ipv4Addr>, _incoming: Option<InterfaceId>, outgoing: &[InterfaceId], reason: Reason) {
        self.set_route(now, group, source, outgoing, reason);
    }
}
