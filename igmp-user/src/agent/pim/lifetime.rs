//! For how long packets are forwarded without an agent.

use igmp_core::{Duration, InterfaceId};

use crate::agent::Agent;

impl Agent {
    /// For how long neighbours will know this router if they hear no more of it, by slot: when the time is over, another one
    /// takes its place as the Designated Router (RFC 7761 §4.3.2). Only of interfaces with members and neighbours.
    ///
    /// They forget a router after 3.5 Hello intervals without a Hello, the last of which may have been sent one interval ago.
    pub(in crate::agent) fn known_to_neighbors_for(&self) -> Vec<(u32, Duration)> {
        let Some(running) = &self.pim.running else {
            return Vec::new();
        };
        let has_members = |name: &str| {
            let served = self.interfaces.get(name);
            served.is_some_and(|served| served.wanted.igmp.is_some())
        };
        let has_neighbors = |slot: u32| {
            let view = running.core.interface(InterfaceId(slot));
            view.is_some_and(|view| view.neighbors_count > 0)
        };
        let links = running.links.iter();
        links
            .filter(|(slot, link)| has_members(link.name()) && has_neighbors(**slot))
            .filter_map(|(&slot, link)| Some((slot, link.hello_interval()? * 5 / 2)))
            .collect()
    }
}
