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
    ethernet::{ETHERTYPE_IPV4, TAG_LEN},
    plain,
};

use super::ports;
use crate::{count::Counters, packet::XdpPacket, receive::slot};

/// What is looked at of a frame without tag: up to the total length in the IPv4 header.
const HEAD: usize = plain::IP + 4;

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
    let Some(mut head) = packet.at::<HEAD>(0) else {
        return XDP_DROP;
    };
    // What igmp_router redirects is IPv4, so anything else is a tag.
    if half_word::<12>(head) != ETHERTYPE_IPV4 {
        if !untag(&packet) {
            return XDP_DROP;
        }
        let Some(untagged) = packet.at::<HEAD>(0) else {
            return XDP_DROP;
        };
        head = untagged;
    }
    let total_len = half_word::<{ plain::IP + 2 }>(head);
    if u32::from(total_len) > port.mtu {
        counters.dropped(Refusal::Mtu);
        return XDP_DROP;
    }
    let [a, b, c, d, e, f] = port.mac;
    let place = head.cast::<u8>();
    // An array of six bytes would be copied by a call of `memcpy`, byte by byte, which takes longer than all the rest.
    // SAFETY: the bytes are within the frame, as `at` has checked.
    unsafe {
        place
            .add(6)
            .cast::<u32>()
            .write_unaligned(u32::from_ne_bytes([a, b, c, d]));
        place
            .add(10)
            .cast::<u16>()
            .write_unaligned(u16::from_ne_bytes([e, f]));
    }
    counters.forwarded(1, u64::from(total_len));
    XDP_PASS
}

/// Two bytes of what [`XdpPacket::at`] has found.
#[inline(always)]
fn half_word<const OFFSET: usize>(head: *const [u8; HEAD]) -> u16 {
    const { assert!(OFFSET + 2 <= HEAD) };
    // SAFETY: the pointer is to that many bytes of the frame.
    u16::from_be(unsafe { head.cast::<u8>().add(OFFSET).cast::<u16>().read_unaligned() })
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
        ethertype.write_unaligned(ETHERTYPE_IPV4.to_be_bytes());
    }
    true
}
