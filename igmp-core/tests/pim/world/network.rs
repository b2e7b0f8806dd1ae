//! What is connected to what, and the unicast routes that follow.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use igmp_core::{
    InterfaceId,
    pim::{Towards, Way},
};

use crate::rng::Rng;

/// A link by its number.
pub(crate) type Lan = usize;
/// A router by its number.
pub(crate) type RouterId = usize;

/// The administrative distance of all routes that lead through other routers.
const PREFERENCE: u32 = 110;
/// What has no way has this many more than the longest one.
const UNREACHABLE: u32 = 1_000_000;

/// The plan of a network.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    /// The routers of each link.
    pub(crate) lans: Vec<Vec<RouterId>>,
    /// What a link costs.
    pub(crate) costs: Vec<u32>,
    pub(crate) routers: usize,
    /// Whether next hops are secondary addresses, as with routing protocols that know routers by other addresses.
    pub(crate) secondary_next_hops: bool,
}

impl Network {
    pub(crate) fn new(lans: &[&[RouterId]]) -> Self {
        let routers = lans
            .iter()
            .flat_map(|lan| lan.iter())
            .max()
            .map_or(0, |most| most + 1);
        Self {
            lans: lans.iter().map(|routers| routers.to_vec()).collect(),
            costs: vec![1; lans.len()],
            routers,
            secondary_next_hops: false,
        }
    }

    /// Routers in a row, with a stub at each end and at each router.
    pub(crate) fn line(routers: usize) -> Self {
        let mut lans = vec![vec![0]];
        for router in 1..routers {
            lans.push(vec![router - 1, router]);
        }
        lans.extend((1..routers).map(|router| vec![router]));
        Self::of(lans)
    }

    /// Two ways of the same length between router 0 and router 3, with a stub at each router.
    pub(crate) fn diamond() -> Self {
        Self::new(&[&[0], &[0, 1], &[0, 2], &[1, 3], &[2, 3], &[3], &[1], &[2]])
    }

    /// As many routers as this between two links, on one of which is router 0 and on the other one a last one with a
    /// stub.
    pub(crate) fn parallel(count: usize) -> Self {
        let between = 1..=count;
        let upper = core::iter::once(0).chain(between.clone()).collect();
        let lower = between.chain([count + 1]).collect();
        Self::of(vec![vec![0], upper, lower, vec![count + 1]])
    }

    /// A link with several routers, each with a way of its own to router 0.
    pub(crate) fn fan(count: usize) -> Self {
        let mut lans = vec![vec![0], (1..=count).collect()];
        lans.extend((1..=count).map(|router| vec![0, router]));
        lans.extend((1..=count).map(|router| vec![router]));
        Self::of(lans)
    }

    /// Routers in a circle, with a stub at each.
    pub(crate) fn ring(count: usize) -> Self {
        let mut lans: Vec<Vec<RouterId>> = (0..count)
            .map(|router| vec![router, (router + 1) % count])
            .collect();
        lans.extend((0..count).map(|router| vec![router]));
        Self::of(lans)
    }

    /// Five routers, each with a stub and with a link to one of those before it, and three links more between any of them.
    pub(crate) fn random(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut lans: Vec<Vec<RouterId>> = (0..5).map(|router| vec![router]).collect();
        lans.extend((1..5).map(|router| vec![rng.below(router as u64) as RouterId, router]));
        for _ in 0..3 {
            let one = rng.below(5) as RouterId;
            lans.push(
                (0..5)
                    .filter(|&router| router == one || rng.chance(500))
                    .collect(),
            );
        }
        Self::of(lans)
    }

    fn of(lans: Vec<Vec<RouterId>>) -> Self {
        let lans: Vec<&[RouterId]> = lans.iter().map(Vec::as_slice).collect();
        Self::new(&lans)
    }

    /// The interfaces of a router. Their number is that of the link and one.
    pub(crate) fn lans_of(&self, router: RouterId) -> impl Iterator<Item = Lan> {
        (0..self.lans.len()).filter(move |&lan| self.lans[lan].contains(&router))
    }
}

pub(crate) fn interface(lan: Lan) -> InterfaceId {
    InterfaceId(lan as u32 + 1)
}

pub(crate) fn lan(interface: InterfaceId) -> Lan {
    interface.0 as usize - 1
}

/// The primary address of a router on a link.
pub(crate) fn address(lan: Lan, router: RouterId) -> Ipv4Addr {
    Ipv4Addr::new(10, lan as u8 + 1, 0, router as u8 + 1)
}

/// Another address that it has there.
pub(crate) fn secondary(lan: Lan, router: RouterId) -> Ipv4Addr {
    Ipv4Addr::new(10, lan as u8 + 1, 1, router as u8 + 1)
}

/// The address of a router itself.
pub(crate) fn loopback(router: RouterId) -> Ipv4Addr {
    Ipv4Addr::new(10, 255, 0, router as u8 + 1)
}

/// A host of a link.
pub(crate) fn host(lan: Lan, number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, lan as u8 + 1, 0, 100 + number)
}

/// Where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Lan(Lan),
    Loopback(RouterId),
}

pub(crate) fn place(address: Ipv4Addr) -> Place {
    match address.octets() {
        [10, 255, 0, router] => Place::Loopback(router as RouterId - 1),
        [10, lan, ..] => Place::Lan(lan as Lan - 1),
        _ => panic!("{address} is nowhere"),
    }
}

/// The unicast routes of one router.
pub(crate) type Table = BTreeMap<Place, Vec<Way>>;

/// Which interfaces are up.
pub(crate) type UpInterfaces = BTreeSet<(RouterId, Lan)>;

/// The shortest ways from each router to each place over the interfaces that are up.
pub(crate) fn tables(network: &Network, up: &UpInterfaces) -> Vec<Table> {
    let mut tables = vec![Table::new(); network.routers];
    let is_up = |router, lan| up.contains(&(router, lan));
    let places = (0..network.lans.len()).map(Place::Lan);
    for place in places.chain((0..network.routers).map(Place::Loopback)) {
        let is_there = |router| match place {
            Place::Lan(lan) => is_up(router, lan),
            Place::Loopback(owner) => router == owner,
        };
        let mut distance: Vec<u32> = (0..network.routers)
            .map(|router| if is_there(router) { 0 } else { UNREACHABLE })
            .collect();
        let steps = |router: RouterId| {
            let lans = network.lans_of(router).filter(move |&lan| is_up(router, lan));
            lans.flat_map(move |lan| {
                let others = network.lans[lan].iter().copied();
                let others = others.filter(move |&other| other != router && is_up(other, lan));
                others.map(move |other| (lan, other))
            })
        };
        for _ in 0..network.routers {
            for router in 0..network.routers {
                for (lan, other) in steps(router) {
                    distance[router] = distance[router].min(distance[other] + network.costs[lan]);
                }
            }
        }
        for router in 0..network.routers {
            let ways = match place {
                Place::Lan(lan) if is_there(router) => vec![Way {
                    interface: interface(lan),
                    next_hop: None,
                    preference: 0,
                    metric: 0,
                }],
                _ if distance[router] == 0 || distance[router] >= UNREACHABLE => Vec::new(),
                _ => steps(router)
                    .filter(|&(lan, other)| distance[other] + network.costs[lan] == distance[router])
                    .map(|(lan, other)| Way {
                        interface: interface(lan),
                        next_hop: Some(if network.secondary_next_hops {
                            secondary(lan, other)
                        } else {
                            address(lan, other)
                        }),
                        preference: PREFERENCE,
                        metric: distance[router],
                    })
                    .collect(),
            };
            tables[router].insert(place, ways);
        }
    }
    tables
}

/// What a router's table says of an address.
pub(crate) fn towards(table: &Table, router: RouterId, wanted: Ipv4Addr) -> Towards {
    let place = place(wanted);
    let is_own = match place {
        Place::Loopback(owner) => owner == router,
        Place::Lan(lan) => wanted == address(lan, router) || wanted == secondary(lan, router),
    };
    if is_own {
        return Towards::Here;
    }
    match table.get(&place) {
        Some(ways) if !ways.is_empty() => Towards::Ways(ways.iter().copied().collect()),
        _ => Towards::Nowhere,
    }
}
