//! The forwarding plane of a router: the routes that it was told, and what the kernel makes of packets.
//!
//! The kernel keeps an entry for each source and group that it forwards. It tells the agent of a packet that is forwarded by the
//! route of its group, with the first one after each change of routes, and of one that comes in where it should not if it would
//! leave there or the source lies there.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use igmp_core::{Duration, Instant, InterfaceId, PimAction};

const TOLD_SPACING: Duration = Duration::from_secs(5);
const TOLD_WRONG_SPACING: Duration = Duration::from_secs(1);

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
    generation: u64,
    told: Option<Instant>,
    told_wrong: Option<Instant>,
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
        let known = self.flows.get(&(group, source));
        let is_first = known.is_none_or(|flow| flow.generation != self.generation);
        let may = |last: Option<Instant>, spacing| last.is_none_or(|last| now.since(last) >= spacing);
        if route.incoming != Some(iif) {
            if !route.outgoing.contains(&iif) && !is_towards {
                return Fate::default();
            }
            let flow = self.flows.entry((group, source)).or_default();
            flow.generation = self.generation;
            let is_told = may(flow.told_wrong, TOLD_WRONG_SPACING);
            if is_told {
                flow.told_wrong = Some(now);
            }
            return Fate {
                outgoing: Vec::new(),
                is_told,
            };
        }
        let mut outgoing = route.outgoing.clone();
        outgoing.retain(|&out| out != iif);
        if route.outgoing.is_empty() {
            if let Some(flow) = self.flows.get_mut(&(group, source)) {
                flow.generation = self.generation;
            }
            return Fate::default();
        }
        // Also where nobody else is there: this router may be the one that has asked for the packets of its members there.
        let flow = self.flows.entry((group, source)).or_default();
        flow.generation = self.generation;
        flow.last_packet = Some(now);
        let is_told = is_shared && is_first && may(flow.told, TOLD_SPACING);
        if is_told {
            flow.told = Some(now);
        }
        Fate { outgoing, is_told }
    }
}
