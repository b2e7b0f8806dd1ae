//! What PIM asks the router for: ways to sources and RPs, and whether sources are still active.

use std::{collections::HashSet, net::Ipv4Addr};

use igmp_core::{
    Instant, InterfaceId,
    pim::{Surroundings, Towards, Way},
};

use crate::{
    agent::forwarding::{Activity, Ways},
    netlink::{Route, RouteTable},
};

/// The addresses of this machine, and which of its interfaces are the router's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// All addresses, those of the loopback interface included.
    pub(super) own: HashSet<Ipv4Addr>,
    /// The router's interfaces, as routes name them.
    pub(super) ways: Ways,
}

impl Places {
    /// The way to an address by the kernel's routes.
    pub(super) fn towards(&self, table: &RouteTable, address: Ipv4Addr) -> Towards {
        if self.own.contains(&address) {
            return Towards::Here;
        }
        let route = table.towards(address);
        let network = self
            .ways
            .networks
            .iter()
            .filter(|(network, _)| network.contains(&address))
            .max_by_key(|(network, _)| network.prefix_len());
        if let Some((network, &slot)) = network
            && route.is_none_or(|route| route.prefix.prefix_len() <= network.prefix_len())
        {
            // The network of a VLAN of which the kernel knows nothing.
            let way = Way {
                interface: InterfaceId(slot),
                next_hop: None,
                preference: 0,
                metric: 0,
            };
            return Towards::Ways([way].into());
        }
        route.map_or(Towards::Nowhere, |route| self.along(route))
    }

    /// The ways of a route that are the router's.
    fn along(&self, route: &Route) -> Towards {
        let ways = route.next_hops.iter().filter_map(|hop| {
            Some(Way {
                interface: InterfaceId(*self.ways.slots.get(&hop.ifindex)?),
                next_hop: hop.gateway,
                preference: route.preference,
                metric: route.metric,
            })
        });
        let ways: smallvec::SmallVec<[Way; 1]> = ways.collect();
        if ways.is_empty() {
            Towards::Nowhere
        } else {
            Towards::Ways(ways)
        }
    }
}

/// The router around PIM, for one call.
pub(super) struct Around<'a> {
    /// Where things are.
    pub(super) places: &'a Places,
    /// The kernel's routes.
    pub(super) table: &'a RouteTable,
    /// When sources were last active.
    pub(super) activity: Activity<'a>,
}

impl Surroundings for Around<'_> {
    fn towards(&mut self, address: Ipv4Addr) -> Towards {
        self.places.towards(self.table, address)
    }

    fn last_packet(&mut self, group: Ipv4Addr, source: Ipv4Addr) -> Option<Instant> {
        self.activity.last_packet(group, source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::{NextHop, RouteVia};

    const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    fn route(prefix: &str, hops: &[(u32, Option<Ipv4Addr>)]) -> Route {
        Route {
            prefix: prefix.parse().expect("a prefix"),
            via: RouteVia::Several,
            next_hops: hops
                .iter()
                .map(|&(ifindex, gateway)| NextHop { ifindex, gateway })
                .collect(),
            preference: 110,
            metric: 20,
        }
    }

    /// Interfaces 2 and 3 have slots 0 and 1; 9 is none of the router's.
    fn places() -> Places {
        Places {
            own: [Ipv4Addr::new(10, 9, 9, 9), Ipv4Addr::new(10, 0, 0, 2)].into(),
            ways: Ways {
                slots: [(2, 0), (3, 1)].into(),
                networks: [("10.7.0.1/24".parse().expect("a network"), 5)].into(),
            },
        }
    }

    fn table() -> RouteTable {
        RouteTable {
            routes: vec![
                route("0.0.0.0/0", &[(9, Some(GATEWAY))]),
                route("10.0.0.0/8", &[(2, Some(GATEWAY)), (9, None), (3, None)]),
                route("10.0.0.0/24", &[(2, None)]),
                route("10.7.0.0/25", &[(3, None)]),
            ],
            ask_always: false,
        }
    }

    fn way(slot: u32, next_hop: Option<Ipv4Addr>) -> Way {
        Way {
            interface: InterfaceId(slot),
            next_hop,
            preference: 110,
            metric: 20,
        }
    }

    fn towards(address: [u8; 4]) -> Towards {
        places().towards(&table(), Ipv4Addr::from(address))
    }

    #[test]
    fn ways_of_other_interfaces_do_not_count() {
        let both = Towards::Ways([way(0, Some(GATEWAY)), way(1, None)].into_iter().collect());
        assert_eq!(towards([10, 99, 0, 5]), both);
        assert_eq!(towards([10, 0, 0, 5]), Towards::Ways([way(0, None)].into()));
        assert_eq!(towards([192, 0, 2, 1]), Towards::Nowhere);
        assert_eq!(
            places().towards(&RouteTable::default(), GATEWAY),
            Towards::Nowhere
        );
    }

    #[test]
    fn addresses_of_this_machine_are_here() {
        assert_eq!(towards([10, 9, 9, 9]), Towards::Here);
        assert_eq!(towards([10, 0, 0, 2]), Towards::Here, "not on its network");
    }

    #[test]
    fn a_network_that_the_kernel_does_not_know_is_a_prefix_like_others() {
        let network = Way {
            preference: 0,
            metric: 0,
            ..way(5, None)
        };
        assert_eq!(towards([10, 7, 0, 200]), Towards::Ways([network].into()));
        assert_eq!(towards([10, 7, 0, 9]), Towards::Ways([way(1, None)].into()));
    }
}
