//! Routes for operators.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use igmp_core::Instant;
use igmp_wire::abi::{FlowDecision, FlowEntry, INCOMING_NONE, RouteKey};

use super::{
    Engine,
    table::{Incoming, RouteId, Traffic},
};
use crate::{
    agent::{Agent, clock},
    api::{self, RouteEngine, Seconds},
    control::{Filter, RoutePage, RoutePosition},
    mroute::RouteView,
};

/// How many routes are delivered before the loop serves something else.
const PAGE: usize = 512;

/// A route as an engine has it.
struct RouteOf {
    since: Instant,
    /// What sources carried that are forgotten by now.
    past: Traffic,
    outgoing: Vec<u32>,
}

/// A source of data as an engine has it.
#[derive(Debug)]
pub(super) struct SourceOf {
    since: Instant,
    traffic: Traffic,
    incoming: u32,
    outgoing: Vec<u32>,
}

/// The sources of data, by group and source.
pub(super) type Sources = BTreeMap<RouteId, SourceOf>;

impl Agent {
    /// A part of the table of routes.
    pub(super) fn show_routes(
        &self,
        filter: &Filter,
        from: Option<RoutePosition>,
        sources: &Sources,
    ) -> RoutePage {
        let now = clock::now();
        let first = match (from, filter.group) {
            (Some(position), _) => (position.group, position.source),
            (None, Some(group)) => (group, None),
            (None, None) => (Ipv4Addr::UNSPECIFIED, None),
        };
        // Both are in order; a source with a route of its own is in both.
        let ids: BTreeSet<RouteId> = self
            .route_ids(first)
            .into_iter()
            .chain(sources.range(first..).map(|(&id, _)| id).take(PAGE + 1))
            .filter(|(group, _)| filter.group.is_none_or(|only| only == *group))
            .collect();
        let mut page = RoutePage::default();
        for (count, id) in ids.into_iter().enumerate() {
            if count == PAGE {
                let (group, source) = id;
                page.next = Some(RoutePosition { group, source });
                break;
            }
            let Some(route) = self.show_route(now, id, sources) else {
                continue;
            };
            let wanted = filter.interface.as_ref().is_none_or(|name| {
                route.incoming_interface.as_ref() == Some(name) || route.outgoing_interface.contains(name)
            });
            if wanted {
                page.routes.push(route);
            }
        }
        page
    }

    /// The first routes from `first` on, one more than a page has.
    fn route_ids(&self, first: RouteId) -> Vec<RouteId> {
        match &self.forwarding.engine {
            Engine::None => Vec::new(),
            Engine::Xdp(xdp) => xdp.table.from(first).map(|(id, _)| id).take(PAGE + 1).collect(),
            Engine::Kernel(kernel) => {
                let routes = kernel.routes.range(first..);
                routes.map(|(&id, _)| id).take(PAGE + 1).collect()
            }
        }
    }

    fn route(&self, id: RouteId) -> Option<RouteOf> {
        match &self.forwarding.engine {
            Engine::None => None,
            Engine::Xdp(xdp) => xdp.table.get(id).map(|route| RouteOf {
                since: route.since,
                past: xdp.table.past(id),
                outgoing: xdp.outgoing(route.port_set).collect(),
            }),
            Engine::Kernel(kernel) => kernel.routes.get(&id).map(|told| RouteOf {
                since: told.since,
                past: Traffic::default(),
                outgoing: kernel.usable(&told.outgoing),
            }),
        }
    }

    /// The sources of data, as the kernel's multicast routing has them, or as they were read out of its maps.
    pub(super) fn sources_of_data(&mut self, now: Instant, flows: Vec<(RouteKey, FlowEntry)>) -> Sources {
        match &mut self.forwarding.engine {
            Engine::None => Sources::new(),
            Engine::Xdp(xdp) => {
                let outgoing = |entry: &FlowEntry| {
                    xdp.outgoing(FlowDecision::from_bits(entry.decision).port_set)
                        .collect()
                };
                let flows = flows.into_iter();
                flows
                    .map(|(key, entry)| (id(key), seen_by_xdp(&entry, outgoing(&entry))))
                    .collect()
            }
            Engine::Kernel(kernel) => {
                let entries = kernel.entries(now, None, usize::MAX).into_iter();
                // Entries that only keep the kernel from asking are no routes.
                entries
                    .filter(|entry| entry.refused.is_none())
                    .map(|entry| ((entry.group, Some(entry.source)), seen_by_kernel(entry)))
                    .collect()
            }
        }
    }

    fn show_route(&self, now: Instant, id: RouteId, sources: &Sources) -> Option<api::Route> {
        let (group, source) = id;
        let route = self.route(id);
        let own = sources.get(&id);
        let mut traffic = route.as_ref().map(|route| route.past).unwrap_or_default();
        let mut incoming: BTreeSet<u32> = BTreeSet::new();
        let mut count = |of: &SourceOf| {
            traffic.add(of.traffic);
            incoming.insert(of.incoming);
        };
        if let Some(own) = own {
            count(own);
        }
        if source.is_none() {
            // The route of a group carries the sources that have none of their own.
            sources
                .range((group, None)..)
                .take_while(|((of, _), _)| *of == group)
                .filter(|(id, _)| self.route(**id).is_none())
                .for_each(|(_, of)| count(of));
        }
        // What packets tell counts only where the route does not say it.
        let is_fixed = self.forwarding.incoming(id) != Incoming::Rpf;
        let incoming_interface = self.incoming_of(id).or_else(|| {
            if is_fixed {
                return None;
            }
            let only = incoming.first().copied().filter(|_| incoming.len() == 1)?;
            (only < INCOMING_NONE).then(|| self.slots.owner(only)).flatten()
        });
        let (since, outgoing) = match (route, own) {
            (Some(route), _) => (route.since, route.outgoing),
            // A source without a route of its own goes where its group goes, as far as there are members.
            (None, Some(own)) => match self.route((group, None)) {
                Some(of_group) => (own.since, of_group.outgoing),
                // Without members only a proxy has somewhere to send it.
                None if self.upstream().is_some() => (own.since, own.outgoing.clone()),
                None => return None,
            },
            (None, None) => return None,
        };
        let mut outgoing: Vec<String> = outgoing
            .into_iter()
            .filter_map(|slot| self.slots.owner(slot))
            .filter(|name| source.is_none() || incoming_interface != Some(*name))
            .map(str::to_owned)
            .collect();
        outgoing.sort_unstable();
        Some(api::Route {
            source_address: source,
            group_address: group,
            incoming_interface: incoming_interface.map(str::to_owned),
            outgoing_interface: outgoing,
            packets: traffic.packets,
            bytes: traffic.bytes,
            up_time: Seconds::since(now, since),
            engine: match self.forwarding.engine {
                Engine::Kernel(_) => RouteEngine::Kernel,
                Engine::Xdp(_) | Engine::None => RouteEngine::Xdp,
            },
        })
    }
}

fn id(key: RouteKey) -> RouteId {
    (
        Ipv4Addr::from_bits(key.group),
        Some(Ipv4Addr::from_bits(key.source)),
    )
}

fn seen_by_xdp(entry: &FlowEntry, outgoing: Vec<u32>) -> SourceOf {
    SourceOf {
        since: Instant::from_nanos(entry.since),
        traffic: Traffic {
            packets: entry.packets,
            bytes: entry.bytes,
        },
        incoming: FlowDecision::from_bits(entry.decision).incoming,
        outgoing,
    }
}

fn seen_by_kernel(entry: RouteView) -> SourceOf {
    SourceOf {
        since: entry.since,
        traffic: Traffic {
            packets: entry.forwarded.packets,
            bytes: entry.forwarded.bytes,
        },
        incoming: entry.incoming,
        outgoing: entry.outgoing,
    }
}
