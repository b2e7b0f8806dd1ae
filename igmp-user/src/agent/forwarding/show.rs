//! Routes for operators.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use igmp_core::Instant;
use igmp_wire::abi::{FlowDecision, FlowEntry, INCOMING_NONE, RouteKey};

use super::{
    Engine,
    table::{RouteId, Traffic},
};
use crate::{
    agent::{Agent, clock},
    api::{self, Seconds},
    control::{Filter, RoutePage, RoutePosition},
};

/// How many routes are delivered before the loop serves something else.
const PAGE: usize = 512;

/// What the kernel knows of sources, by route.
type Flows = BTreeMap<RouteId, FlowEntry>;

impl Agent {
    /// A part of the table of routes.
    pub(in crate::agent) fn show_routes(&self, filter: &Filter, from: Option<RoutePosition>) -> RoutePage {
        let Engine::Xdp(xdp) = &self.forwarding.engine else {
            return RoutePage::default();
        };
        let now = clock::now();
        let first = match (from, filter.group) {
            (Some(position), _) => (position.group, position.source),
            (None, Some(group)) => (group, None),
            (None, None) => (Ipv4Addr::UNSPECIFIED, None),
        };
        let flows = self.flows();
        let routes = xdp.table.from(first).map(|(id, _)| id);
        // Both are in order; a source with a route of its own is in both.
        let ids: BTreeSet<RouteId> = routes
            .take(PAGE + 1)
            .chain(flows.range(first..).map(|(&id, _)| id).take(PAGE + 1))
            .filter(|(group, _)| filter.group.is_none_or(|only| only == *group))
            .collect();
        let mut page = RoutePage::default();
        for (count, id) in ids.into_iter().enumerate() {
            if count == PAGE {
                page.next = Some(RoutePosition {
                    group: id.0,
                    source: id.1,
                });
                break;
            }
            let Some(route) = self.show_route(now, id, &flows) else {
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

    fn flows(&self) -> Flows {
        let id = |key: RouteKey| {
            (
                Ipv4Addr::from_bits(key.group),
                Some(Ipv4Addr::from_bits(key.source)),
            )
        };
        let flows = self.kernel.flows().into_iter();
        flows.map(|(key, entry)| (id(key), entry)).collect()
    }

    fn show_route(&self, now: Instant, id: RouteId, flows: &Flows) -> Option<api::Route> {
        let Engine::Xdp(xdp) = &self.forwarding.engine else {
            return None;
        };
        let (group, source) = id;
        let route = xdp.table.get(id);
        let flow = flows.get(&id);
        // A source without a route of its own goes where its group goes.
        let port_set = match (route, flow) {
            (Some(route), _) => route.port_set,
            (None, Some(flow)) => FlowDecision::from_bits(flow.decision).port_set,
            (None, None) => return None,
        };
        let mut traffic = route.map(|route| route.past).unwrap_or_default();
        let mut since = route.map(|route| route.since);
        let mut incoming: BTreeSet<u32> = BTreeSet::new();
        let mut count = |flow: &FlowEntry| {
            traffic.add(Traffic {
                packets: flow.packets,
                bytes: flow.bytes,
            });
            incoming.insert(FlowDecision::from_bits(flow.decision).incoming);
        };
        if let Some(flow) = flow {
            count(flow);
            since = since.or(Some(Instant::from_nanos(flow.since)));
        }
        if source.is_none() {
            // The route of a group carries the sources that have none of their own.
            flows
                .range((group, None)..)
                .take_while(|((of, _), _)| *of == group)
                .filter(|(id, _)| xdp.table.get(**id).is_none())
                .for_each(|(_, flow)| count(flow));
        }
        let incoming_interface = self.incoming_of(source).or_else(|| {
            let slot = incoming
                .first()
                .copied()
                .filter(|&slot| incoming.len() == 1 && slot < INCOMING_NONE)?;
            self.slots.owner(slot)
        });
        let mut outgoing: Vec<String> = xdp
            .outgoing(port_set)
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
            up_time: Seconds::from(now.since(since.unwrap_or(now))),
            engine: api::RouteEngine::Xdp,
        })
    }
}
