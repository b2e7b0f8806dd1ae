//! What is different for each port. Runs behind a redirect, once for each copy.

use aya_ebpf::{
    bindings::{
        xdp_action::{XDP_DROP, XDP_PASS},
        xdp_md,
    },
    helpers::{bpf_ktime_get_coarse_ns, bpf_xdp_adjust_head},
};
use igmp_wire::{
    Packet, Refusal,
    ethernet::{self, TAG_LEN},
};

use super::ports;
use crate::{count::Counters, packet::XdpPacket, receive::interface};

/// Makes a frame one of its port: source address, no tag, MTU, counters.
#[inline(always)]
pub(crate) fn egress(context: *mut xdp_md) -> u32 {
    let packet = XdpPacket::new(context);
    // SAFETY: the context is the one the kernel gave to the running program, valid for all of its run.
    let ifindex = unsafe { (*context).egress_ifindex };
    // Ports that are VLANs are not redirected to, so the port is the device itself.
    let Some(config) = interface(ifindex, 0) else {
        return XDP_DROP;
    };
    let slot = config.slot;
    let (Some(port), Some(counters)) = (ports::port(slot), Counters::of(slot)) else {
        return XDP_DROP;
    };
    // SAFETY: the helper takes no argument and always succeeds.
    if port.is_over(unsafe { bpf_ktime_get_coarse_ns() }) {
        return XDP_DROP;
    }
    let Some(link) = ethernet::parse(&packet) else {
        return XDP_DROP;
    };
    let tagged = link.payload != ethernet::HEADER_LEN;
    let Some(total_len) = packet.read_u16(packet.forget(link.payload) + 2) else {
        return XDP_DROP;
    };
    if u32::from(total_len) > port.mtu {
        counters.dropped(Refusal::Mtu);
        return XDP_DROP;
    }
    let Some(destination) = packet.read::<6>(0) else {
        return XDP_DROP;
    };
    // A frame with two tags is not forwarded, so there is one to take away.
    // SAFETY: the context is that of the running program.
    if tagged && unsafe { bpf_xdp_adjust_head(context, TAG_LEN as i32) } != 0 {
        return XDP_DROP;
    }
    let Some(place) = packet.at::<14>(0) else {
        return XDP_DROP;
    };
    let [a, b, c, d, e, f] = destination;
    let [g, h, i, j, k, l] = port.mac;
    let [m, n] = ethernet::ETHERTYPE_IPV4.to_be_bytes();
    // SAFETY: `at` has checked that the bytes are within the frame.
    unsafe { place.write_unaligned([a, b, c, d, e, f, g, h, i, j, k, l, m, n]) };
    counters.forwarded(1, u64::from(total_len));
    XDP_PASS
}
