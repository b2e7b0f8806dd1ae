//! The kernel's IPv4 routes at one moment.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use rtnetlink::packet_route::{
    route::{
        RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHopFlags, RouteType,
    },
    rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage},
};

use super::next_hop::{NextHop, NextHops, gateway, preference};

/// Which interface unicast packets to an address would leave through, as far as the table `main` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable {
    /// At most one for each prefix: the one that the kernel uses. In the order of address and prefix length.
    pub routes: Vec<Route>,
    /// Whether there are policy rules (`ip rule`) beyond those that every machine has. Only the kernel knows the way
    /// then, so it must be asked for each address.
    pub ask_always: bool,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub prefix: Ipv4Net,
    /// How.
    pub via: RouteVia,
    /// All its ways, in the kernel's order. Empty where it leads nowhere, or only the kernel knows.
    pub next_hops: NextHops,
    /// How good the protocol is that it was learned by (administrative distance). Less is better.
    pub preference: u32,
    /// Its metric (`RTA_PRIORITY`). Less is better.
    pub metric: u32,
}

/// The way that a route goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteVia {
    /// Through the interface of this index, directly or over a gateway.
    Interface(u32),
    /// Through one or another: the kernel must be asked for each address (ECMP, or a nexthop object of which the kernel
    /// does not show the interface).
    Several,
    /// Nowhere, or to this machine.
    None,
}

impl RouteTable {
    /// Takes what the dump of the table `main` delivered, in the kernel's order.
    pub(super) fn new(candidates: Vec<Candidate>, ask_always: bool) -> Self {
        let mut candidates = candidates;
        // Routes to one prefix that are equally good stay in the kernel's order, and it takes the first.
        candidates.sort_by_key(|Candidate(route)| (route.prefix, route.metric));
        candidates.dedup_by_key(|Candidate(route)| route.prefix);
        Self {
            routes: candidates.into_iter().map(|Candidate(route)| route).collect(),
            ask_always,
        }
    }

    /// The route with the longest prefix that an address is in.
    pub fn towards(&self, address: Ipv4Addr) -> Option<&Route> {
        (0..=32).rev().find_map(|len| {
            let prefix = Ipv4Net::new(address, len).ok()?.trunc();
            let found = self.routes.binary_search_by_key(&prefix, |route| route.prefix);
            self.routes.get(found.ok()?)
        })
    }
}

/// A route that the kernel uses where no other to the prefix has a lower metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate(Route);

impl Candidate {
    /// Reads a route. `None` if the kernel would not use it (`fib_table_lookup`): another table's, a dead one, or one
    /// for packets with a type of service.
    pub(super) fn of_message(message: &RouteMessage) -> Option<Self> {
        let header = &message.header;
        let mut prefix = Ipv4Net::default();
        let mut table = u32::from(header.table);
        let mut metric = 0;
        let mut single = None;
        let mut several = None;
        let mut is_object = false;
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(address)) => {
                    prefix = Ipv4Net::new(*address, header.destination_prefix_length).ok()?;
                }
                RouteAttribute::Table(id) => table = *id,
                RouteAttribute::Priority(priority) => metric = *priority,
                RouteAttribute::Oif(ifindex) => single = Some(*ifindex),
                RouteAttribute::MultiPath(nexthops) => several = Some(nexthops),
                RouteAttribute::NhId(_) => is_object = true,
                _ => {}
            }
        }
        let is_ours = table == u32::from(RouteHeader::RT_TABLE_MAIN)
            && header.tos == 0
            && !header.flags.contains(RouteFlags::Cloned);
        if !is_ours {
            return None;
        }
        let is_dead = header.flags.contains(RouteFlags::Dead);
        let mut next_hops = NextHops::new();
        let via = match header.kind {
            // These have no interface that could be dead.
            RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit => RouteVia::None,
            // The search goes on in the next table.
            RouteType::Throw => RouteVia::Several,
            _ if is_dead => return None,
            RouteType::Unicast => match (several, single) {
                (Some(nexthops), _) => {
                    let live = nexthops
                        .iter()
                        // A link without a carrier makes a route dead only if `ignore_routes_with_linkdown` says so, and
                        // then the kernel sets this flag besides RTNH_F_LINKDOWN (fib_nexthop_info).
                        .filter(|nexthop| !nexthop.flags.contains(RouteNextHopFlags::Dead))
                        .map(NextHop::of_several);
                    next_hops.extend(live);
                    let first = next_hops.first()?.ifindex;
                    if next_hops.iter().all(|other| other.ifindex == first) {
                        RouteVia::Interface(first)
                    } else {
                        RouteVia::Several
                    }
                }
                (None, Some(ifindex)) => {
                    next_hops.push(NextHop {
                        ifindex,
                        gateway: gateway(&message.attributes),
                    });
                    RouteVia::Interface(ifindex)
                }
                // With `nexthop_compat_mode` off the kernel shows nothing but the object's number.
                (None, None) if is_object => RouteVia::Several,
                (None, None) => RouteVia::None,
            },
            _ => RouteVia::None,
        };
        Some(Self(Route {
            prefix,
            via,
            next_hops,
            preference: preference(header),
            metric,
        }))
    }
}

/// Whether this is one of the rules that every machine has: `local`, `main` and `default`, for all packets
/// (`fib_default_rules_init`).
pub(super) fn is_default_rule(message: &RuleMessage) -> bool {
    let header = &message.header;
    let is_for_all = header.action == RuleAction::ToTable
        && (header.src_len, header.dst_len, header.tos) == (0, 0, 0)
        && !header.flags.contains(RuleFlags::Invert);
    let mut table = u32::from(header.table);
    let mut priority = 0;
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Table(id) => table = *id,
            RuleAttribute::Priority(number) => priority = *number,
            // What the kernel says of each rule: no prefix is too short, and who made it.
            RuleAttribute::SuppressPrefixLen(u32::MAX) | RuleAttribute::Protocol(_) => {}
            _ => return false,
        }
    }
    is_for_all && matches!((priority, table), (0, 255) | (32_766, 254) | (32_767, 253))
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use rtnetlink::packet_core::Parseable;

    use super::*;

    const DEAD: u8 = 1;
    const LINKDOWN: u8 = 16;
    const UNICAST: u8 = 1;

    /// An attribute as `<linux/rtnetlink.h>` lays it out. Its value is of whole words.
    fn attribute(kind: u8, value: &[u8]) -> Vec<u8> {
        let len = u8::try_from(4 + value.len()).expect("a short one");
        [&[len, 0, kind, 0], value].concat()
    }

    fn dst(address: [u8; 4]) -> Vec<u8> {
        attribute(1, &address)
    }

    fn rta_gateway(address: [u8; 4]) -> Vec<u8> {
        attribute(5, &address)
    }

    fn hop(ifindex: u32, gateway: Option<[u8; 4]>) -> NextHop {
        NextHop {
            ifindex,
            gateway: gateway.map(Ipv4Addr::from),
        }
    }

    fn oif(index: u8) -> Vec<u8> {
        attribute(4, &[index, 0, 0, 0])
    }

    fn priority(metric: u8) -> Vec<u8> {
        attribute(6, &[metric, 0, 0, 0])
    }

    /// `struct rtnexthop`: length, flags, hops, index.
    fn multipath(nexthops: &[(u8, u8)]) -> Vec<u8> {
        let nexthops: Vec<u8> = nexthops
            .iter()
            .flat_map(|&(flags, index)| [8, 0, flags, 0, index, 0, 0, 0])
            .collect();
        attribute(9, &nexthops)
    }

    /// `struct rtmsg` of the table `main` and attributes after it.
    fn candidate(prefix_len: u8, kind: u8, flags: u8, attributes: &[Vec<u8>]) -> Option<Candidate> {
        let header = [2, prefix_len, 0, 0, 254, 3, 0, kind, flags, 0, 0, 0];
        parse(&header, attributes)
    }

    fn parse(header: &[u8], attributes: &[Vec<u8>]) -> Option<Candidate> {
        let bytes = [header, &attributes.concat()].concat();
        Candidate::of_message(&RouteMessage::parse(bytes.as_slice()).expect("a route"))
    }

    fn via(kind: u8, flags: u8, attributes: &[Vec<u8>]) -> Option<RouteVia> {
        candidate(0, kind, flags, attributes).map(|Candidate(route)| route.via)
    }

    #[test]
    fn a_route_goes_through_its_interface() {
        let attributes = [
            dst([10, 1, 1, 0]),
            oif(4),
            rta_gateway([10, 0, 0, 2]),
            priority(20),
        ];
        let Candidate(found) = candidate(24, UNICAST, 0, &attributes).expect("a route");
        assert_eq!(
            found,
            Route {
                prefix: "10.1.1.0/24".parse().expect("a prefix"),
                via: RouteVia::Interface(4),
                next_hops: NextHops::from([hop(4, Some([10, 0, 0, 2]))]),
                preference: 1,
                metric: 20,
            }
        );
        let Candidate(default) = candidate(0, UNICAST, 0, &[oif(4)]).expect("a route");
        assert_eq!(default.prefix, Ipv4Net::default());
        assert_eq!(default.next_hops.as_slice(), [hop(4, None)]);
    }

    // AF_INET6 is 10, and RTA_VIA (18) has it in front of the address.
    #[test]
    fn a_gateway_without_an_ipv4_address_is_no_neighbour() {
        let mut value = vec![10, 0];
        value.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        let mut via = attribute(18, &value);
        via.extend([0, 0]);
        let Candidate(route) = candidate(0, UNICAST, 0, &[via, oif(4)]).expect("a route");
        assert_eq!(route.next_hops.as_slice(), [hop(4, Some([0, 0, 0, 0]))]);
    }

    // `rtm_protocol` and `rtm_scope` of <linux/rtnetlink.h>: a network of an interface is of the protocol "kernel" and has
    // the scope "link" (253). The distances are those that FRRouting documents.
    #[test]
    fn protocols_have_their_administrative_distance() {
        let learned = |protocol, scope| {
            let header = [2, 24, 0, 0, 254, protocol, scope, UNICAST, 0, 0, 0, 0];
            let Candidate(route) = parse(&header, &[dst([10, 1, 1, 0]), oif(4)]).expect("a route");
            route.preference
        };
        assert_eq!(learned(2, 253), 0, "connected");
        for (protocol, distance) in [
            (3, 1),
            (4, 1),
            (16, 1),
            (186, 20),
            (192, 90),
            (42, 100),
            (188, 110),
            (187, 115),
            (189, 120),
        ] {
            assert_eq!(learned(protocol, 0), distance, "protocol {protocol}");
        }
    }

    // `enum` of route types in <linux/rtnetlink.h>.
    #[test]
    fn only_unicast_routes_lead_elsewhere() {
        for local_or_nowhere in [2, 3, 4, 6, 7, 8] {
            assert_eq!(via(local_or_nowhere, 0, &[oif(1)]), Some(RouteVia::None));
        }
        assert_eq!(via(9, 0, &[]), Some(RouteVia::Several), "throw");
    }

    #[test]
    fn several_ways_are_the_kernels_choice() {
        assert_eq!(
            via(UNICAST, 0, &[multipath(&[(0, 4), (0, 5)])]),
            Some(RouteVia::Several)
        );
        assert_eq!(
            via(UNICAST, 0, &[multipath(&[(0, 4), (0, 4)])]),
            Some(RouteVia::Interface(4))
        );
        let Candidate(both) =
            candidate(0, UNICAST, 0, &[multipath(&[(0, 4), (DEAD, 6), (0, 5)])]).expect("a route");
        assert_eq!(both.next_hops.as_slice(), [hop(4, None), hop(5, None)]);
        let nexthop_object = [attribute(30, &[9, 0, 0, 0]), oif(4)];
        assert_eq!(via(UNICAST, 0, &nexthop_object[..1]), Some(RouteVia::Several));
        assert_eq!(via(UNICAST, 0, &nexthop_object), Some(RouteVia::Interface(4)));
    }

    #[test]
    fn dead_ways_do_not_count() {
        assert_eq!(via(UNICAST, DEAD | LINKDOWN, &[oif(4)]), None);
        assert_eq!(via(UNICAST, LINKDOWN, &[oif(4)]), Some(RouteVia::Interface(4)));
        assert_eq!(
            via(UNICAST, 0, &[multipath(&[(DEAD, 4), (0, 5)])]),
            Some(RouteVia::Interface(5))
        );
        assert_eq!(via(UNICAST, 0, &[multipath(&[(DEAD, 4), (DEAD, 5)])]), None);
    }

    #[test]
    fn other_tables_and_types_of_service_do_not_count() {
        let in_table = |table: u8| parse(&[2, 0, 0, 0, table, 3, 0, 1, 0, 0, 0, 0], &[oif(4)]);
        assert!(in_table(254).is_some());
        assert!(in_table(255).is_none());
        // RT_TABLE_COMPAT stands for a number that does not fit, which RTA_TABLE has.
        let table_1000 = attribute(15, &[0xe8, 3, 0, 0]);
        assert!(parse(&[2, 0, 0, 0, 252, 3, 0, 1, 0, 0, 0, 0], &[oif(4), table_1000]).is_none());
        assert!(parse(&[2, 0, 0, 0x10, 254, 3, 0, 1, 0, 0, 0, 0], &[oif(4)]).is_none());
    }

    #[test]
    fn the_lowest_metric_wins() {
        let to = |address, metric, index| {
            candidate(24, UNICAST, 0, &[dst(address), oif(index), priority(metric)]).expect("a route")
        };
        let table = RouteTable::new(
            vec![
                to([10, 2, 0, 0], 20, 1),
                to([10, 1, 0, 0], 20, 2),
                to([10, 1, 0, 0], 10, 3),
                to([10, 1, 0, 0], 10, 4),
            ],
            false,
        );
        let found: Vec<_> = table
            .routes
            .iter()
            .map(|route| (route.prefix.to_string(), route.via))
            .collect();
        assert_eq!(
            found,
            [
                ("10.1.0.0/24".to_owned(), RouteVia::Interface(3)),
                ("10.2.0.0/24".to_owned(), RouteVia::Interface(1)),
            ]
        );
    }

    #[test]
    fn the_longest_prefix_counts() {
        let to = |address, prefix_len, index| {
            candidate(prefix_len, UNICAST, 0, &[dst(address), oif(index)]).expect("a route")
        };
        let table = RouteTable::new(
            vec![
                to([10, 1, 0, 0], 16, 1),
                to([0, 0, 0, 0], 0, 2),
                to([10, 1, 2, 3], 32, 3),
                to([10, 0, 0, 0], 8, 4),
            ],
            false,
        );
        let way = |address: [u8; 4]| Some(table.towards(Ipv4Addr::from(address))?.next_hops[0].ifindex);
        assert_eq!(way([10, 1, 2, 3]), Some(3));
        assert_eq!(way([10, 1, 2, 4]), Some(1));
        assert_eq!(way([10, 2, 2, 4]), Some(4));
        assert_eq!(way([192, 0, 2, 1]), Some(2));
        assert_eq!(RouteTable::default().towards(Ipv4Addr::LOCALHOST), None);
    }

    /// `struct fib_rule_hdr` and attributes after it.
    fn is_default(header: [u8; 12], attributes: &[Vec<u8>]) -> bool {
        let bytes = [header.as_slice(), &attributes.concat()].concat();
        is_default_rule(&RuleMessage::parse(bytes.as_slice()).expect("a rule"))
    }

    #[test]
    fn the_default_rules_are_known() {
        let fra_priority = |bytes: [u8; 4]| attribute(6, &bytes);
        let fra_table = |table| attribute(15, &[table, 0, 0, 0]);
        let any_prefix = attribute(14, &[0xff; 4]);
        let main = [2, 0, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0];
        assert!(is_default(
            [2, 0, 0, 0, 255, 0, 0, 1, 0, 0, 0, 0],
            &[fra_table(255), any_prefix.clone()]
        ));
        let at_32766 = fra_priority([0xfe, 0x7f, 0, 0]);
        assert!(is_default(
            main,
            &[fra_table(254), any_prefix.clone(), at_32766.clone()]
        ));
        assert!(!is_default(
            main,
            &[fra_table(254), any_prefix, fra_priority([100, 0, 0, 0])]
        ));
        let marked = attribute(10, &[1, 0, 0, 0]);
        assert!(!is_default(main, &[fra_table(254), at_32766.clone(), marked]));
        let blackhole = [2, 0, 0, 0, 254, 0, 0, 6, 0, 0, 0, 0];
        assert!(!is_default(blackhole, &[fra_table(254), at_32766]));
    }
}
