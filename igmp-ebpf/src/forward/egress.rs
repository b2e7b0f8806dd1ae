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
use crate::{count::Counters, packet::XdpPacket, receive::slot};

/// Makes a frame one of its port: source address, no tag, MTU, counters.
#[inline(always)]
pub(crate) fn egress(context: *mut xdp_md) -> u32 {
    let packet = XdpPacket::new(context);
    // SAFETY: the context is the one the kernel gave to the running program, valid for all of its run.
    let ifindex = unsafe { (*context).egress_ifindex };
    // Ports that are VLANs are not redirected to, so the port is the device itself.
    let slot = slot(ifindex, 0);
    let (Some(port), Some(counters)) = (ports::port(slot), Counters::of(slot)) else {
        return XDP_DROP;
    };
    // Most ports are good for ever, and then nobody has to know the time.
    // SAFETY: the helper takes no argument and always succeeds.
    if port.valid_until != 0 && port.is_over(unsafe { bpf_ktime_get_coarse_ns() }) {
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
    if tagged && !untag(&packet) {
        return XDP_DROP;
    }
    let Some(place) = packet.at::<6>(6) else {
        return XDP_DROP;
    };
    // SAFETY: `at` has checked that the bytes are within the frame.
    unsafe { place.write_unaligned(port.mac) };
    counters.forwarded(1, u64::from(total_len));
    XDP_PASS
}

/// Takes the tag off a frame and leaves the place of the source address as it is. A frame with two tags is not forwarded, so
/// there is one.
#[inline(always)]
fn untag(packet: &XdpPacket) -> bool {
    let Some([a, b, c, d, e, f]) = packet.read::<6>(0) else {
        return false;
    };
    // SAFETY: the context is that of the running program.
    if unsafe { bpf_xdp_adjust_head(packet.context(), TAG_LEN as i32) } != 0 {
        return false;
    }
    let (Some(destination), Some(ethertype)) = (packet.at::<6>(0), packet.at::<2>(12)) else {
        return false;
    };
    // SAFETY: `at` has checked that the bytes are within the frame.
    unsafe {
        destination.write_unaligned([a, b, c, d, e, f]);
        ethertype.write_unaligned(ethernet::ETHERTYPE_IPV4.to_be_bytes());
    }
    true
}
