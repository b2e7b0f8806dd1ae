//! The forwarding plane of a router: the routes that it was told, and what the kernel makes of packets.
//!
//! The kernel keeps an entry for each source and group. It tells the agent of a packet that is forwarded by the route
//! of its group, with the first one after each change of routes. At packets that go nowhere it looks from time to time:
//! it tells of one that comes in where it should not if it would leave there or the source lies there, and one that
//! comes in where it should keeps the source alive although nobody else is there.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use igmp_core::{Duration, Instant, InterfaceId, PimAction};

const TOLD_SPACING: Duration = Duration::from_secs(5);
const SEEN_SPACING: Duration = Duration::from_secs(1);

/// A route's group and source.
pub(crate) type RouteKey = (Ipv4Addr, Option<Ipv4Addr>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) incoming: Option<InterfaceId>,
    pub(crate) outgoing: Vec<InterfaceId>,
}

#[derive(Clone, Debug, Default)]
struct Flow {
    last_packet: Option<Instant>,
    generation: Option<u64>,
    told: Option<Instant>,
    /// When a packet that goes nowhere was last looked at, and where it came in.
    seen: Option<(Instant, InterfaceId)>,
}

/// What becomes of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) outgoing: Vec<InterfaceId>,
    /// Whether the agent hears of it.
    pub(crate) is_told: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Plane {
    pub(crate) routes: BTreeMap<RouteKey, Route>,
    generation: u64,
    flows: BTreeMap<(Ipv4Addr, Ipv4Addr), Flow>,
}

impl Plane {
    /// Carries out what concerns routes. Says what is wrong with it by itself.
    pub(crate) fn follow(&mut self, action: &PimAction) -> Result<(), String> {
        let (key, route) = match action {
            PimAction::SetRoute {
                group,
                source,
                incoming,
                outgoing,
            } => {
                let route = Route {
                    incoming: *incoming,
                    outgoing: outgoing.clone(),
                };
                ((*group, *source), Some(route))
            }
            PimAction::RemoveRoute { group, source } => ((*group, *source), None),
            _ => return Ok(()),
        };
        self.generation += 1;
        if let Some(route) = &route
            && !route.outgoing.is_sorted_by(|one, other| one < other)
        {
            return Err(format!("{action:?} is not in order"));
        }
        if self.routes.get(&key) == route.as_ref() {
            return Err(format!("{action:?} is no news"));
        }
        match route {
            Some(route) => self.routes.insert(key, route),
            None => self.routes.remove(&key),
        };
        Ok(())
    }

    pub(crate) fn last_packet(&self, group: Ipv4Addr, source: Ipv4Addr) -> Option<Instant> {
        self.flows.get(&(group, source))?.last_packet
    }

    /// A packet comes in, perhaps on the interface towards its source.
    pub(crate) fn packet(
        &mut self,
        now: Instant,
        (group, source): (Ipv4Addr, Ipv4Addr),
        iif: InterfaceId,
        is_towards: bool,
    ) -> Fate {
        let key = (group, Some(source));
        let is_shared = !self.routes.contains_key(&key);
        let Some(route) = self.routes.get(&key).or_else(|| self.routes.get(&(group, None))) else {
            return Fate::default();
        };
        if route.outgoing.is_empty() {
            return Fate::default();
        }
        let is_accepted = route.incoming == Some(iif);
        let is_port = route.outgoing.contains(&iif);
        let mut outgoing = route.outgoing.clone();
        outgoing.retain(|&out| is_accepted && out != iif);

        let flow = self.flows.entry((group, source)).or_default();
        let is_first = flow.generation != Some(self.generation);
        flow.generation = Some(self.generation);
        let mut is_told = false;
        if outgoing.is_empty() {
            // Not always the packets of the same interface, where the same comes in on several.
            let is_time = flow.seen.is_none_or(|(at, last)| {
                now.since(at)
                    >= if last == iif {
                        SEEN_SPACING * 2
                    } else {
                        SEEN_SPACING
                    }
            });
            if !is_time {
                return Fate::default();
            }
            flow.seen = Some((now, iif));
            is_told = !is_accepted && (is_port || is_towards);
        }
        if is_accepted {
            flow.last_packet = Some(now);
            if is_shared && is_first && flow.told.is_none_or(|told| now.since(told) >= TOLD_SPACING) {
                flow.told = Some(now);
                is_told = true;
            }
        }
        Fate { outgoing, is_told }
    }
}
