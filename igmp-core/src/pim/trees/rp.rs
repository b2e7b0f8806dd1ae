//! Which groups there are trees of, and which RP serves them (RFC 7761 §4.7.1, §4.8).

use core::net::Ipv4Addr;

use igmp_wire::address::{is_link_local_group, is_multicast};

use crate::pim::PimConfig;

/// Whether there may be a tree of the group. Packets to 224.0.0.0/24 never leave their link (RFC 5771 §4).
pub(super) fn is_routable(group: Ipv4Addr) -> bool {
    is_multicast(group) && !is_link_local_group(group)
}

/// RP(G): of the prefixes that hold the group the longest, and of equally long ones the highest address. There is none for
/// source-specific groups.
pub(super) fn of(config: &PimConfig, group: Ipv4Addr) -> Option<Ipv4Addr> {
    if igmp_wire::address::is_ssm(group) {
        return None;
    }
    let holds = |prefix: Ipv4Addr, len: u8| {
        let mask = u32::MAX
            .checked_shl(32_u32.saturating_sub(len.into()))
            .unwrap_or(0);
        (prefix.to_bits() ^ group.to_bits()) & mask == 0
    };
    let serving = config.static_rp.iter().filter(|rp| holds(rp.group, rp.group_len));
    let best = serving.max_by_key(|rp| (rp.group_len, rp.address))?;
    Some(best.address)
}
