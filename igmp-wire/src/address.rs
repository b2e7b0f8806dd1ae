//! Classes of IPv4 addresses that IGMP and PIM treat apart.

use core::net::Ipv4Addr;

/// 224.0.0.1, the destination of General Queries. Nobody reports membership of it (RFC 9776 §5).
pub const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
/// 224.0.0.2, the destination of version 2 Leave messages (RFC 2236 §9).
pub const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
/// 224.0.0.13, ALL-PIM-ROUTERS, the destination of PIM messages to all routers of a link (RFC 7761 §4.9).
pub const ALL_PIM_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 13);
/// 224.0.0.22, the destination of version 3 reports (RFC 9776 §4.2.15).
pub const IGMP_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);

/// Whether `address` is in 224.0.0.0/4.
#[inline(always)]
pub const fn is_multicast(address: Ipv4Addr) -> bool {
    address.to_bits() >> 28 == 0xe
}

/// Whether `group` is in 224.0.0.0/24, whose traffic never leaves its link whatever its TTL (RFC 5771 §4).
#[inline(always)]
pub const fn is_link_local_group(group: Ipv4Addr) -> bool {
    group.to_bits() >> 8 == 0x00e0_0000
}

/// Whether `group` is in 232.0.0.0/8, the source-specific range (RFC 4607 §1).
#[inline(always)]
pub const fn is_ssm(group: Ipv4Addr) -> bool {
    group.to_bits() >> 24 == 232
}

/// Whether `address` can be the address of one host: not multicast or reserved (224.0.0.0 and up, the limited broadcast
/// address included), not in 0.0.0.0/8, not loopback.
#[inline(always)]
pub const fn is_unicast(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    let first = bits >> 24;
    first != 0 && first != 127 && first < 224
}
