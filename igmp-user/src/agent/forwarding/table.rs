//! The routes that the kernel was told, for operators and for what follows from a change.

use std::net::Ipv4Addr;

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
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// The number of its port set.
    pub(super) port_set: u32,
    /// Where its packets have to come in.
    pub(super) incoming: Incoming,
    /// Since when there is such a route.
    pub(super) since: Instant,
    /// What sources carried that are forgotten by now, which nearly always is nothing.
    past: Option<Box<Traffic>>,
}

impl Route {
    /// What sources carried that are forgotten by now.
    pub(super) fn past(&self) -> Traffic {
        self.past.as_deref().copied().unwrap_or_default()
    }

    /// Adds what a source carried that is forgotten from now on.
    pub(super) fn remember(&mut self, traffic: Traffic) {
        if traffic != Traffic::default() {
            self.past.get_or_insert_default().add(traffic);
        }
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
                incoming,
                since: now,
                past: None,
            }
        });
        route.incoming = incoming;
        let before = std::mem::replace(&mut route.port_set, port_set);
        (!is_new).then_some(before)
    }

    /// Takes a route out.
    pub(super) fn remove(&mut self, id: RouteId) -> Option<Route> {
        self.routes.remove(&id)
    }

    /// The route that is in force for a source.
    pub(super) fn governing(&mut self, (group, source): (Ipv4Addr, Ipv4Addr)) -> Option<&mut Route> {
        let own = (group, Some(source));
        let id = if self.routes.contains_key(&own) {
            own
        } else {
            (group, None)
        };
        self.routes.get_mut(&id)
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
        assert!(table.governing((G, S)).is_none());
        assert_eq!(table.set((G, None), 1, Incoming::Rpf, Instant::ZERO), None);
        assert_eq!(table.governing((G, S)).map(|route| route.port_set), Some(1));
        assert_eq!(table.set((G, Some(S)), 2, Incoming::Rpf, Instant::ZERO), None);
        assert_eq!(table.governing((G, S)).map(|route| route.port_set), Some(2));
        assert_eq!(table.set((G, None), 3, Incoming::Rpf, Instant::ZERO), Some(1));
        let order: Vec<RouteId> = table.from((G, None)).map(|(id, _)| id).collect();
        assert_eq!(order, [(G, None), (G, Some(S))]);
    }
}
