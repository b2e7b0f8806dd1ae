//! The ways that a route goes, and how good it is.

use std::net::Ipv4Addr;

use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteNextHop, RouteProtocol, RouteScope, RouteVia,
};
use smallvec::SmallVec;

/// The ways of a route.
pub type NextHops = SmallVec<[NextHop; 1]>;

/// One way of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// Index of the interface.
    pub ifindex: u32,
    /// The router that packets are handed to, `None` where the destination is on the interface's own network. 0.0.0.0 where
    /// the router has no IPv4 address (RFC 5549).
    pub gateway: Option<Ipv4Addr>,
}

impl NextHop {
    /// Reads one of several ways.
    pub(super) fn of_several(nexthop: &RouteNextHop) -> Self {
        Self {
            ifindex: nexthop.interface_index,
            gateway: gateway(&nexthop.attributes),
        }
    }
}

/// The gateway among the attributes of a route, or of one of its ways.
pub(super) fn gateway(attributes: &[RouteAttribute]) -> Option<Ipv4Addr> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(address)) => Some(*address),
        RouteAttribute::Via(RouteVia::Inet(address)) => Some(*address),
        RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => Some(Ipv4Addr::UNSPECIFIED),
        _ => None,
    })
}

/// How good the protocol is that a route was learned by: its administrative distance, less is better.
///
/// The kernel does not keep it, but the number of the protocol (`rtm_protocol`), which tells what the routing daemons use
/// for it by default: FRRouting's zebra (`doc/user/zebra.rst`, "Administrative Distance"), whose numbers BIRD and others
/// share. Of BGP the kernel does not know whether it is internal; it counts as external.
pub(super) fn preference(header: &RouteHeader) -> u32 {
    match header.protocol {
        // Routes of the interfaces' own networks (fib_magic).
        RouteProtocol::Kernel if header.scope == RouteScope::Link => 0,
        RouteProtocol::Bgp => 20,
        RouteProtocol::Eigrp => 90,
        RouteProtocol::Babel => 100,
        RouteProtocol::Ospf => 110,
        RouteProtocol::Isis => 115,
        RouteProtocol::Rip => 120,
        // Static routes, and what an operator or DHCP has put there.
        _ => 1,
    }
}
