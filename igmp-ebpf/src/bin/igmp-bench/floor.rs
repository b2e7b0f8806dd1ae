//! Floors: the least work that could do what the router does with a packet.
//!
//! Each is a program that would do on a network where every packet is right: it reads what it cannot do without, looks up
//! one entry and writes one number. It judges nothing, counts nothing, and knows one interface. What the router costs above
//! it is the price of judging, counting and choosing.

use aya_ebpf::{
    bindings::{
        xdp_action::{XDP_DROP, XDP_PASS},
        xdp_md,
    },
    btf_maps::{DevMap, HashMap},
    helpers::{bpf_ktime_get_ns, bpf_redirect_map},
    macros::btf_map,
};
use igmp_wire::abi::{FlowEntry, GroupEntry, GroupKey, RouteKey};

/// Groups, in a map of the router's shape. The size is set at load time.
#[btf_map]
static FLOOR_GROUPS: HashMap<GroupKey, GroupEntry, 65_536> = HashMap::new();

/// Flows, in a map of the router's shape. The size is set at load time.
#[btf_map]
static FLOOR_FLOWS: HashMap<RouteKey, FlowEntry, 65_536> = HashMap::new();

/// The one device that packets are redirected to.
#[btf_map]
static FLOOR_PORTS: DevMap<1> = DevMap::new();

/// Where the IPv4 header is in an untagged frame.
const IP: usize = 14;
/// Where an IGMP message is behind an IPv4 header whose only option is Router Alert.
const IGMP: usize = IP + 24;
/// EtherType of IPv4.
const ETHERTYPE_IPV4: u16 = 0x0800;
/// Version and length of an IPv4 header without options.
const PLAIN: u8 = 0x45;
/// The same with Router Alert.
const WITH_ROUTER_ALERT: u8 = 0x46;
/// Protocol number of IGMP.
const PROTOCOL_IGMP: u8 = 2;
/// Message type of a version 2 report.
const TYPE_V2_REPORT: u8 = 0x16;
/// Message type of a version 3 report.
const TYPE_V3_REPORT: u8 = 0x22;
/// The slot in the keys of all groups.
const SLOT: u32 = 0;
/// Most records that are walked, more than fit into a frame of 1,514 bytes.
const MAX_RECORDS: u32 = 192;

/// Does nothing.
#[inline(always)]
pub(crate) fn empty() -> u32 {
    XDP_PASS
}

/// Writes the time into the group of a version 2 report.
#[inline(always)]
pub(crate) fn group(context: *mut xdp_md) -> u32 {
    let Some(message) = igmp(context, TYPE_V2_REPORT) else {
        return XDP_PASS;
    };
    // SAFETY: `igmp` has checked that the message is within the frame. The helper takes no argument and always succeeds.
    let (group, now) = unsafe { (number(message, 4), bpf_ktime_get_ns()) };
    refresh(group, 1, now);
    XDP_DROP
}

/// Writes the time into each group of a version 3 report without sources.
#[inline(always)]
pub(crate) fn records(context: *mut xdp_md) -> u32 {
    let Some(message) = igmp(context, TYPE_V3_REPORT) else {
        return XDP_PASS;
    };
    // SAFETY: as in `group`.
    let (count, now) = unsafe { (number(message, 4) & 0xffff, bpf_ktime_get_ns()) };
    for index in 0..count.min(MAX_RECORDS) {
        let Some(record) = at::<8>(context, IGMP + 8 + index as usize * 8) else {
            break;
        };
        // SAFETY: `at` has compared the range with the frame's end.
        refresh(unsafe { number(record, 4) }, 2, now);
    }
    XDP_DROP
}

/// Takes one from the TTL of a data packet and redirects it to where its flow goes.
#[inline(always)]
pub(crate) fn route(context: *mut xdp_md) -> u32 {
    let Some(frame) = at::<{ IP + 20 }>(context, 0) else {
        return XDP_PASS;
    };
    let frame = frame.cast::<u8>();
    // SAFETY: `at` has compared the range with the frame's end, and all of this is within it.
    let (is_plain, key, hop) = unsafe {
        let is_plain = u16::from_be(frame.add(12).cast::<u16>().read_unaligned()) == ETHERTYPE_IPV4
            && frame.add(IP).read() == PLAIN;
        let key = RouteKey {
            group: number(frame, IP + 16),
            source: number(frame, IP + 12),
        };
        (is_plain, key, frame.add(IP + 8).cast::<u32>())
    };
    if !is_plain {
        return XDP_PASS;
    }
    let Some(flow) = FLOOR_FLOWS.get_ptr_mut(key) else {
        return XDP_PASS;
    };
    // SAFETY: as above, and the flow is a value of the map, alive while the program runs.
    let port = unsafe {
        // TTL and protocol, then the checksum. One less in the TTL is one more in the high byte of the sum (RFC 1141).
        let word = u32::from_be(hop.read_unaligned());
        let checksum = (word & 0xffff) + 0x100;
        let checksum = (checksum + (checksum >> 16)) & 0xffff;
        hop.write_unaligned(((word & 0xffff_0000).wrapping_sub(0x0100_0000) | checksum).to_be());
        (&raw const (*flow).decision).read_volatile()
    };
    // SAFETY: the map is one of devices.
    unsafe { bpf_redirect_map((&raw const FLOOR_PORTS).cast_mut().cast(), port & 0xffff, 0) as u32 }
}

/// The IGMP message of this type in a frame of the commonest shape: no tag, and Router Alert as the only option.
#[inline(always)]
fn igmp(context: *mut xdp_md, message_type: u8) -> Option<*mut u8> {
    let frame = at::<{ IGMP + 8 }>(context, 0)?.cast::<u8>();
    // SAFETY: `at` has compared the range with the frame's end, and all of this is within it.
    let (is_igmp, message) = unsafe {
        let message = frame.add(IGMP);
        let is_igmp = u16::from_be(frame.add(12).cast::<u16>().read_unaligned()) == ETHERTYPE_IPV4
            && frame.add(IP).read() == WITH_ROUTER_ALERT
            && frame.add(IP + 9).read() == PROTOCOL_IGMP
            && message.read() == message_type;
        (is_igmp, message)
    };
    is_igmp.then_some(message)
}

/// The number in network order at an offset.
///
/// # Safety
///
/// Its four bytes are within the frame.
#[inline(always)]
unsafe fn number<T>(place: *mut T, offset: usize) -> u32 {
    // SAFETY: the caller has checked it.
    u32::from_be(unsafe { place.cast::<u8>().add(offset).cast::<u32>().read_unaligned() })
}

/// Writes the time of a report of the version with this index into the group's entry.
#[inline(always)]
fn refresh(group: u32, version: usize, now: u64) {
    if let Some(entry) = FLOOR_GROUPS.get_ptr_mut(GroupKey { slot: SLOT, group }) {
        // SAFETY: the pointer is to a value of the map, alive while the program runs, and the index is below 3.
        unsafe {
            (&raw mut (*entry).last_report)
                .cast::<u64>()
                .add(version)
                .write_volatile(now);
        }
    }
}

/// A pointer to the bytes at an offset, if all of them are within the frame.
#[inline(always)]
fn at<const N: usize>(context: *mut xdp_md, offset: usize) -> Option<*mut [u8; N]> {
    // Volatile, as the compiler would otherwise make numbers of packet pointers that it keeps.
    // SAFETY: the context is the one the kernel gave to the running program, valid for all of its run.
    let (start, end) = unsafe {
        (
            (&raw const (*context).data).read_volatile() as usize,
            (&raw const (*context).data_end).read_volatile() as usize,
        )
    };
    let first = start + offset;
    (first + N <= end).then_some(first as *mut [u8; N])
}
