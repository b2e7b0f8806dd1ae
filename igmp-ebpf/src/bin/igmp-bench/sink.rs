//! Where packets end that a router has forwarded: they are looked at, counted and dropped.

use aya_ebpf::{
    bindings::{xdp_action::XDP_DROP, xdp_md},
    btf_maps::Array,
    macros::btf_map,
};
use igmp_wire::{ethernet, ipv4};

use crate::{frame::read, setting};

/// The kernel's index of the first sink. Those of the others follow without gaps.
#[unsafe(no_mangle)]
static SINK_FIRST: u32 = 0;
/// How many sinks there are, at most [`MAX_SINKS`].
#[unsafe(no_mangle)]
static SINK_COUNT: u32 = 0;
/// The TTL with which packets are to arrive.
#[unsafe(no_mangle)]
static SINK_TTL: u32 = 0;
/// Not 0 where packets are to keep the source address of their Ethernet frame.
#[unsafe(no_mangle)]
static SINK_SAME_MAC: u32 = 0;
/// The source address that packets had at first, in the upper six bytes, first byte uppermost.
#[unsafe(no_mangle)]
static SINK_MAC: u64 = 0;

/// Most sinks.
const MAX_SINKS: u32 = 64;

/// What has arrived, by sink: the words of [`Arrived`] in their order.
#[btf_map]
static ARRIVED: Array<Arrived, { MAX_SINKS as usize }> = Array::new();

/// What has arrived at a sink.
#[repr(C)]
#[derive(Clone, Copy)]
struct Arrived {
    /// Packets as they should be.
    packets: u64,
    /// Bytes of them.
    bytes: u64,
    /// Multicast packets of UDP with another TTL or source address than they should have.
    wrong: u64,
    /// Frames of anything else.
    other: u64,
    /// Packets that were given up. Written by whoever waits for them.
    lost: u64,
    /// A line of the cache for each sink.
    reserved: [u64; 3],
}

const _: () = assert!(size_of::<Arrived>() == 64);

/// Counts a frame and drops it.
#[inline(always)]
pub(crate) fn count(context: *mut xdp_md) -> u32 {
    // SAFETY: the context is the one the kernel gave to the running program, valid for all of its run.
    let (index, len) = unsafe {
        let len = (*context).data_end.wrapping_sub((*context).data);
        ((*context).ingress_ifindex.wrapping_sub(setting(&SINK_FIRST)), len)
    };
    let Some(arrived) = ARRIVED.get_ptr_mut(index) else {
        return XDP_DROP;
    };
    // SAFETY: the pointer is to a value of an array map, which lives as long as the program. A device has one queue, so
    // nobody else writes here.
    let arrived = unsafe { &mut *arrived };
    let Some(header) = read::<34>(context, 0) else {
        arrived.other += 1;
        return XDP_DROP;
    };
    let [high, low] = ethernet::ETHERTYPE_IPV4.to_be_bytes();
    if header[0] != 1 || header[12] != high || header[13] != low || header[23] != ipv4::PROTOCOL_UDP {
        arrived.other += 1;
        return XDP_DROP;
    }
    let mac = u64::from_be_bytes([
        header[6], header[7], header[8], header[9], header[10], header[11], 0, 0,
    ]);
    let same = mac == setting(&SINK_MAC);
    if u32::from(header[22]) == setting(&SINK_TTL) && same == (setting(&SINK_SAME_MAC) != 0) {
        arrived.packets += 1;
        arrived.bytes += u64::from(len);
    } else {
        arrived.wrong += 1;
    }
    XDP_DROP
}

/// How many packets have arrived at every sink, or were given up.
#[inline(always)]
pub(crate) fn arrived_everywhere() -> u64 {
    let mut least = u64::MAX;
    for index in 0..setting(&SINK_COUNT).min(MAX_SINKS) {
        let Some(arrived) = ARRIVED.get_ptr(index) else {
            break;
        };
        // SAFETY: the pointer is to a value of an array map, which lives as long as the program; each number is a single
        // aligned word.
        let seen = unsafe {
            (&raw const (*arrived).packets).read_volatile() + (&raw const (*arrived).lost).read_volatile()
        };
        least = least.min(seen);
    }
    least
}
