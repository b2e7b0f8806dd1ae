//! The routes that the kernel was told, for operators and for what follows from a change.
//!
//! There may be a million, so each is kept in no more than what tells it.

use std::{collections::BTreeMap, net::Ipv4Addr};

use igmp_core::{Instant, InterfaceId, dense::DenseMap};
use igmp_wire::abi::{INCOMING_NONE, INCOMING_RPF};

/// A group, and a source or `None` for those without a route of their own.
pub(in crate::agent) type RouteId = (Ipv4Addr, Option<Ipv4Addr>);

/// Where packets of a route have to come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::agent) enum Incoming {
    /// On the interface towards their source.
    #[default]
    Rpf,
    /// On the interface with this slot.
    Slot(u32),
    /// Nowhere: no way leads to the source or the RP.
    Nowhere,
}

impl Incoming {
    /// On this interface, or nowhere.
    pub(in crate::agent) fn of(interface: Option<InterfaceId>) -> Self {
        interface.map_or(Self::Nowhere, |interface| Self::Slot(interface.0))
    }

    /// As the programs in the kernel are told, see [`RouteEntry`](igmp_wire::abi::RouteEntry).
    pub(super) fn in_kernel(self) -> u32 {
        match self {
            Self::Rpf => INCOMING_RPF,
            Self::Slot(slot) => slot,
            Self::Nowhere => INCOMING_NONE,
        }
    }

    /// What the programs in the kernel are told so.
    fn of_kernel(incoming: u32) -> Self {
        match incoming {
            INCOMING_RPF => Self::Rpf,
            INCOMING_NONE => Self::Nowhere,
            slot => Self::Slot(slot),
        }
    }
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// The number of its port set.
    pub(super) port_set: u32,
    /// Where its packets have to come in, as the kernel is told.
    incoming: u32,
    /// Since when there is such a route.
    pub(super) since: Instant,
}

impl Route {
    /// Where its packets have to come in.
    pub(super) fn incoming(&self) -> Incoming {
        Incoming::of_kernel(self.incoming)
    }
}

/// Packets and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

impl Traffic {
    pub(super) fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// The routes.
#[derive(Debug, Default)]
pub(super) struct Table {
    routes: DenseMap<RouteId, Route>,
    /// What sources carried on routes that they are forgotten on by now. Nearly all routes have nothing here.
    past: BTreeMap<RouteId, Traffic>,
}

impl Table {
    /// Gives a route another port set and other ways in. Returns the port set before, `None` for a new route.
    pub(super) fn set(
        &mut self,
        id: RouteId,
        port_set: u32,
        incoming: Incoming,
        now: Instant,
    ) -> Option<u32> {
        let mut is_new = false;
        let route = self.routes.get_or_insert_with(id, || {
            is_new = true;
            Route {
                port_set,
                incoming: incoming.in_kernel(),
                since: now,
            }
        });
        route.incoming = incoming.in_kernel();
        let before = std::mem::replace(&mut route.port_set, port_set);
        (!is_new).then_some(before)
    }

    /// Takes a route out.
    pub(super) fn remove(&mut self, id: RouteId) -> Option<Route> {
        self.past.remove(&id);
        self.routes.remove(&id)
    }

    /// The route that is in force for a source.
    fn governing(&self, (group, source): (Ipv4Addr, Ipv4Addr)) -> Option<RouteId> {
        let ids = [(group, Some(source)), (group, None)];
        ids.into_iter().find(|id| self.routes.contains_key(id))
    }

    /// Adds what a source carried that is forgotten from now on, to the route that is in force for it.
    pub(super) fn remember(&mut self, flow: (Ipv4Addr, Ipv4Addr), traffic: Traffic) {
        if traffic != Traffic::default()
            && let Some(id) = self.governing(flow)
        {
            self.past.entry(id).or_default().add(traffic);
        }
    }

    /// What sources carried on a route that are forgotten by now.
    pub(super) fn past(&self, id: RouteId) -> Traffic {
        self.past.get(&id).copied().unwrap_or_default()
    }

    /// One route.
    pub(super) fn get(&self, id: RouteId) -> Option<&Route> {
        self.routes.get(&id)
    }

    /// The routes from `from` on, ascending: that of a group before those of its sources.
    pub(super) fn from(&self, from: RouteId) -> impl Iterator<Item = (RouteId, &Route)> {
        self.routes.range(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const G: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
    const S: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    #[test]
    fn the_route_of_a_source_goes_before_that_of_its_group() {
        let mut table = Table::default();
        assert_eq!(table.governing((G, S)), None);
        assert_eq!(table.set((G, None), 1, Incoming::Rpf, Instant::ZERO), None);
        assert_eq!(table.governing((G, S)), Some((G, None)));
        assert_eq!(table.set((G, Some(S)), 2, Incoming::Rpf, Instant::ZERO), None);
        assert_eq!(table.governing((G, S)), Some((G, Some(S))));
        assert_eq!(table.set((G, None), 3, Incoming::Rpf, Instant::ZERO), Some(1));
        let order: Vec<RouteId> = table.from((G, None)).map(|(id, _)| id).collect();
        assert_eq!(order, [(G, None), (G, Some(S))]);
    }

    #[test]
    fn traffic_counts_for_the_route_that_was_in_force_and_ends_with_it() {
        let mut table = Table::default();
        let traffic = Traffic {
            packets: 2,
            bytes: 300,
        };
        table.remember((G, S), traffic);
        assert_eq!(table.past((G, None)), Traffic::default());
        table.set((G, None), 1, Incoming::Rpf, Instant::ZERO);
        table.remember((G, S), traffic);
        table.set((G, Some(S)), 2, Incoming::Rpf, Instant::ZERO);
        table.remember((G, S), traffic);
        table.remember((G, S), traffic);
        assert_eq!(table.past((G, None)), traffic);
        assert_eq!(table.past((G, Some(S))).packets, 4);
        table.remove((G, None));
        table.set((G, None), 1, Incoming::Rpf, Instant::ZERO);
        assert_eq!(table.past((G, None)), Traffic::default());
        assert_eq!(table.past((G, Some(S))).bytes, 600);
    }

    #[test]
    fn ways_in_are_kept_as_the_kernel_knows_them() {
        for incoming in [
            Incoming::Rpf,
            Incoming::Slot(0),
            Incoming::Slot(7),
            Incoming::Nowhere,
        ] {
            let mut table = Table::default();
            table.set((G, None), 1, incoming, Instant::ZERO);
            assert_eq!(table.get((G, None)).map(Route::incoming), Some(incoming));
        }
    }
}
