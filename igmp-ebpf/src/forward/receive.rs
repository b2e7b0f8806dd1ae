//! The fast way: what XDP does with multicast data.

use aya_ebpf::{
    bindings::{
        BPF_F_BROADCAST, BPF_F_EXCLUDE_INGRESS,
        xdp_action::{XDP_DROP, XDP_PASS},
    },
    btf_maps::DevMapHash,
};
use igmp_wire::{
    Packet, Refusal,
    abi::{InterfaceConfig, InterfaceFlags, PortSet, PortSetFlags},
    address,
    admit::{Content, Envelope},
    data::{self, Header},
    ethernet::{self, Vlan},
};

use super::{ports, route};
use crate::{count::Counters, maps::PORT_MAPS, packet::XdpPacket, receive::interface};

/// Handles a frame whose destination is multicast, or whose IP header is unreadable.
#[inline(always)]
pub(crate) fn receive(packet: XdpPacket, content: &Content) -> u32 {
    let envelope = &content.envelope;
    // What is not sent to the group as such is for one station, and the stack knows whether that is this one. Of what has
    // no readable header, protocol 0 is told.
    let is_unreadable = content.destination.is_unspecified();
    if !is_for_multicast(&packet) || (is_unreadable && content.protocol != 0) {
        return XDP_PASS;
    }
    // What belongs to the link alone is for the network stack, whatever its TTL.
    if address::is_link_local_group(content.destination) {
        return XDP_PASS;
    }
    let vlan = match envelope.vlan {
        Vlan::Untagged => 0,
        Vlan::Tagged(vlan) => vlan,
        Vlan::Stacked(..) => return XDP_PASS,
    };
    let Some(config) = interface(packet.ifindex(), vlan) else {
        return XDP_PASS;
    };
    if !config.has(InterfaceFlags::FORWARD) {
        return XDP_PASS;
    }
    let Some(counters) = Counters::of(config.slot) else {
        return XDP_PASS;
    };
    match forward(&packet, envelope, vlan, config) {
        Ok(verdict) => verdict,
        Err(refusal) => {
            let is_nobodys = matches!(refusal, Refusal::NoMembers | Refusal::Ttl | Refusal::Rpf);
            let local = is_nobodys && route::is_local(config, content.destination);
            // What was only for the router itself is not lost.
            if !(local && refusal == Refusal::NoMembers) {
                counters.dropped(refusal);
            }
            if local { XDP_PASS } else { XDP_DROP }
        }
    }
}

/// Whether the frame is sent to the Ethernet address of an IPv4 group.
#[inline(always)]
fn is_for_multicast(packet: &XdpPacket) -> bool {
    // A number in either case, because the verifier does not accept one that is only sometimes there.
    packet.read_u32(0).unwrap_or(0) >> 8 == 0x0001_005e
}

#[inline(always)]
fn forward(
    packet: &XdpPacket,
    envelope: &Envelope,
    vlan: u16,
    config: &'static InterfaceConfig,
) -> Result<u32, Refusal> {
    let frame_len = packet.len();
    let header = data::judge(packet, envelope.ip, frame_len, config)?;
    // A header that is readable after all, of protocol 0 and to nobody.
    if !address::is_multicast(header.group) {
        return Err(Refusal::Malformed);
    }
    let way = route::find::<false>(config, header.source, header.group)?;
    if way.for_stack {
        return Ok(XDP_PASS);
    }
    if header.ttl <= 1 {
        return Err(Refusal::Ttl);
    }
    let needs_stack = config.has(InterfaceFlags::STACK)
        || way.set.flags & PortSetFlags::STACK != 0
        || route::is_local(config, header.group)
        || (config.has(InterfaceFlags::PARTIAL_CHECKSUMS)
            && !data::has_complete_checksum(packet, envelope.ip, &header));
    if needs_stack {
        return Ok(XDP_PASS);
    }
    let Some(map) = PORT_MAPS.get(way.port_set) else {
        return Err(Refusal::NoMembers);
    };
    if frame_len as u32 > way.set.max_frame_len {
        ports::count_skipped(way.set, config.slot, frame_len as u32);
    }
    rewrite(packet, envelope.ip, &header);
    way.count(1, header.total_len as u64);
    // The frame came from the device and not from a VLAN on it, so it must not go out there again. A set with a VLAN of the
    // device in it takes the other way, so what is tagged may leave there untagged.
    let exclude = if vlan == 0 { BPF_F_EXCLUDE_INGRESS } else { 0 };
    Ok(send(map, way.set, exclude))
}

/// Redirects the frame to the ports of a set, but for the one that it came in on where the flag says so.
#[inline(always)]
pub(super) fn send(map: &DevMapHash<1>, set: &PortSet, exclude: u32) -> u32 {
    // A set with one port, which is not the incoming one, needs no copies, and the kernel need not go through the map. The port
    // has the highest slot in the set.
    let verdict = if set.count == 1 {
        map.redirect(set.span.wrapping_sub(1), u64::from(XDP_DROP))
    } else {
        map.redirect(0, u64::from(BPF_F_BROADCAST | exclude))
    };
    verdict.unwrap_or_else(|fallback| fallback)
}

/// Changes what all copies have in common: TTL, checksum and destination address.
#[inline(always)]
pub(super) fn rewrite(packet: &XdpPacket, ip: usize, header: &Header) {
    if let Some(place) = packet.at::<4>(ip + 8) {
        // SAFETY: `at` has checked that the bytes are within the frame.
        unsafe {
            let [ttl, protocol, high, low] = place.read_unaligned();
            let checksum = data::checksum_after_hop(u16::from_be_bytes([high, low]), ttl, protocol);
            let [high, low] = checksum.to_be_bytes();
            place.write_unaligned([ttl - 1, protocol, high, low]);
        }
    }
    if let Some(place) = packet.at::<6>(0) {
        // SAFETY: as above.
        unsafe { place.write_unaligned(ethernet::multicast_mac(header.group)) };
    }
}
