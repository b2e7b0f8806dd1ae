//! Beginning where an earlier agent was killed.
//!
//! What neighbours had joined is lost, and comes back with their next joins: the Hello with a new Generation ID has them
//! send those at once (RFC 7761 §4.3.1). FRRouting's pimd (8.4) sends them when its period is over. Until then the routes of
//! the earlier agent hold, so that no packet is missed by anybody behind another router. Sources that were on their own trees
//! are active without being seen for the first time, so PIM is told of them.

use std::{collections::BTreeSet, net::Ipv4Addr};

use igmp_core::{Duration, Instant, Reason};
use igmp_wire::abi::{INCOMING_RPF, RouteKey};

use crate::agent::{Agent, clock, forwarding::Incoming, plan::Plan};

/// How long joins may take besides the period in which they are repeated: the Hello of this router (Triggered_Hello_Delay,
/// RFC 7761 §4.11, 5 s), and as much again.
const PATIENCE: Duration = Duration::from_secs(10);

impl Agent {
    /// Has the routes of an earlier agent hold for a while, if PIM is configured and there was one.
    pub(in crate::agent) fn await_joins(&mut self) {
        if !self.config.has_pim() || !self.kernel.adopted() {
            return;
        }
        let plan = Plan::new(&self.config, &self.snapshot);
        let now = clock::now().as_nanos();
        let slots: BTreeSet<u32> = plan
            .interfaces
            .iter()
            .filter(|(name, _)| {
                let interface = self.config.interfaces.get(*name);
                interface.is_some_and(|interface| interface.pim.is_some())
            })
            .filter_map(|(_, wanted)| self.adopted.get(&wanted.binding.as_ref()?.key()).copied())
            // Where neighbours have forgotten the earlier agent, another router serves the link.
            .filter(|&slot| !self.kernel.port(slot).is_ok_and(|port| port.is_over(now)))
            .collect();
        self.forwarding.await_slots(&self.kernel, slots);
        self.pim.adoption_ends = Some(clock::now() + self.config.pim.join_prune_interval + PATIENCE);
    }

    /// Whether routes of an earlier agent are kept for now.
    pub(in crate::agent) const fn awaits_joins(&self) -> bool {
        self.pim.adoption_ends.is_some()
    }

    /// Tells PIM of sources that have routes of their own by the earlier agent alone.
    pub(in crate::agent) fn tell_pim_of_earlier_flows(&mut self) {
        let now = clock::now();
        let period = self.config.pim.keepalive_period;
        let flows = self.kernel.flows();
        for (key, entry) in self.forwarding.unconfirmed_routes() {
            let flow = (key.source != 0).then(|| flows.get(key)).flatten();
            let is_active =
                flow.is_some_and(|flow| now.since(Instant::from_nanos(flow.last_packet)) < period);
            if !is_active {
                continue;
            }
            let RouteKey { group, source } = key;
            let (group, source) = (Ipv4Addr::from_bits(group), Ipv4Addr::from_bits(source));
            // On the shared tree first, where packets of a source have it join the source's own, and then on that.
            let shared = self.forwarding.incoming_slot((group, None));
            let own = Some(entry.incoming).filter(|&slot| slot < INCOMING_RPF);
            for slot in [shared, own].into_iter().flatten() {
                self.pim_packet(slot, source, group);
            }
        }
        self.run_pim();
    }

    /// Ends it: what nobody has joined by now is over.
    pub(super) fn stop_awaiting_joins(&mut self) {
        self.tell_pim_of_earlier_flows();
        self.pim.adoption_ends = None;
        let widened = self.end_adoption_of_routes();
        let Some(core) = self.pim.core() else { return };
        let narrow: Vec<_> = widened
            .into_iter()
            .filter_map(|id| {
                core.routes(id, 1)
                    .into_iter()
                    .find(|route| (route.group, route.source) == id)
            })
            .collect();
        let now = clock::now();
        for route in narrow {
            let incoming = Incoming::of(route.incoming);
            self.set_route(
                now,
                (route.group, route.source),
                incoming,
                &route.outgoing,
                Reason::Timeout,
            );
        }
        self.commit_routes();
    }
}
