//! For how long packets are forwarded without an agent.

use igmp_core::{Duration, InterfaceId};

use crate::agent::Agent;

impl Agent {
    /// For how long neighbours will know this router if they hear no more of it: when the time is over, another one takes its
    /// place (RFC 7761 §4.3.2). `None` where there are no neighbours.
    ///
    /// They forget a router after 3.5 Hello intervals without a Hello, the last of which may have been sent one interval ago.
    pub(in crate::agent) fn known_to_neighbors_for(&self) -> Option<Duration> {
        let running = self.pim.running.as_ref()?;
        let has_neighbors = |slot: &u32| {
            let view = running.core.interface(InterfaceId(*slot));
            view.is_some_and(|view| view.neighbors_count > 0)
        };
        let links = running.links.iter().filter(|(slot, _)| has_neighbors(slot));
        let shortest = links.filter_map(|(_, link)| link.hello_interval()).min()?;
        Some(shortest * 5 / 2)
    }
}
