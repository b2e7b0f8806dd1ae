//! Generators of load: frames made where a NIC's driver would have received them.
//!
//! They are run by `BPF_PROG_TEST_RUN` with live frames, whose pages come back when somebody has dropped or consumed them,
//! as that one left them. So whatever varies, or is changed on the way, is written anew each time. Groups take turns.
//! Whoever starts them runs one at a time, so nothing here has to be atomic.

use core::net::Ipv4Addr;

use aya_ebpf::{
    bindings::{
        xdp_action::{XDP_ABORTED, XDP_DROP},
        xdp_md,
    },
    btf_maps::Array,
    helpers::{bpf_ktime_get_ns, bpf_redirect},
    macros::btf_map,
};
use igmp_wire::{checksum, ethernet};

use crate::{
    frame::{at, read},
    setting, sink,
};

/// The device that frames leave from.
#[unsafe(no_mangle)]
static GENERATE_IFINDEX: u32 = 0;
/// The first group.
#[unsafe(no_mangle)]
static GENERATE_FIRST_GROUP: u32 = 0;
/// Records in a version 3 report, as in the frame to begin with.
#[unsafe(no_mangle)]
static GENERATE_RECORDS: u32 = 1;
/// Not 0 where the frame goes to the group's own address.
#[unsafe(no_mangle)]
static GENERATE_TO_GROUP: u32 = 0;
/// Time to live of data.
#[unsafe(no_mangle)]
static GENERATE_TTL: u32 = 64;
/// The source of the Ethernet frame in the upper six bytes, first byte uppermost.
#[unsafe(no_mangle)]
static GENERATE_MAC: u64 = 0;
/// The most packets that are under way to the sinks at any time, 0 for any number.
#[unsafe(no_mangle)]
static GENERATE_WINDOW: u32 = 0;
/// Least nanoseconds from one frame to the next, 0 for as fast as can be.
#[unsafe(no_mangle)]
static GENERATE_INTERVAL: u32 = 0;

/// How far the generator is, and how far it may go: the words of [`Progress`] in their order.
#[btf_map]
static GENERATED: Array<Progress, 1> = Array::new();

/// How far a generator is.
#[repr(C)]
#[derive(Clone, Copy)]
struct Progress {
    /// Frames that were sent.
    sent: u64,
    /// How many are to be sent, all in all. Written by whoever runs the program.
    wanted: u64,
    /// How many may be sent before the sinks are asked again.
    allowed: u64,
    /// The number, below that of all groups, of the one whose turn it is.
    turn: u64,
    /// When the next one may be sent.
    next: u64,
    /// How many groups take turns, one after the other. Written by whoever runs the program, like all that follows.
    groups: u64,
    /// The sum of all that the checksum of UDP or IGMP covers, but for the groups.
    sum: u64,
}

/// Most records in a report that fits into a frame of 1,514 bytes.
const MAX_RECORDS: u32 = 192;

/// Where the IPv4 header is.
const IP: usize = ethernet::HEADER_LEN;

/// A datagram of UDP.
#[inline(always)]
pub(crate) fn data(context: *mut xdp_md) -> u32 {
    let Some((group, sum)) = next(1) else {
        return XDP_DROP;
    };
    let sum = sum + words(group);
    match ip(context, group) {
        Some(20) => write(context, IP + 26, checksum_of(sum)),
        _ => return XDP_ABORTED,
    }
    send()
}

/// A report of version 1 or 2.
#[inline(always)]
pub(crate) fn report(context: *mut xdp_md) -> u32 {
    let Some((group, sum)) = next(1) else {
        return XDP_DROP;
    };
    let sum = sum + words(group);
    match ip(context, group) {
        Some(24) => {
            write(context, IP + 26, checksum_of(sum));
            write(context, IP + 28, group.to_be_bytes());
        }
        _ => return XDP_ABORTED,
    }
    send()
}

/// A report of version 3, whose records have no sources.
#[inline(always)]
pub(crate) fn records(context: *mut xdp_md) -> u32 {
    let count = setting(&GENERATE_RECORDS).min(MAX_RECORDS);
    let Some((first, mut sum)) = next(count) else {
        return XDP_DROP;
    };
    let Some(24) = ip(context, 0) else {
        return XDP_ABORTED;
    };
    for index in 0..count {
        let group = first.wrapping_add(index);
        sum += words(group);
        write(context, IP + 24 + 12 + index as usize * 8, group.to_be_bytes());
    }
    write(context, IP + 26, checksum_of(sum));
    send()
}

/// The group whose turn it is, after which the turn passes on by so many groups, and the sum of all else. `None` where
/// nothing is to be sent now.
#[inline(always)]
fn next(groups: u32) -> Option<(u32, u64)> {
    let progress = GENERATED.get_ptr_mut(0)?;
    // SAFETY: the pointer is to a value of an array map, which lives as long as the program, and nobody else writes what is
    // read here but `wanted`.
    let progress = unsafe { &mut *progress };
    if progress.sent >= progress.wanted {
        return None;
    }
    let window = setting(&GENERATE_WINDOW);
    if window != 0 && progress.sent >= progress.allowed {
        progress.allowed = sink::arrived_everywhere() + u64::from(window);
        if progress.sent >= progress.allowed {
            return None;
        }
    }
    let interval = setting(&GENERATE_INTERVAL);
    if interval != 0 {
        // SAFETY: the helper takes no argument and always succeeds.
        let now = unsafe { bpf_ktime_get_ns() };
        if now < progress.next {
            return None;
        }
        // What was late is not made up for, so that there are no bursts.
        progress.next = now.max(progress.next + u64::from(interval));
    }
    let turn = progress.turn;
    progress.sent += 1;
    progress.turn += u64::from(groups);
    if progress.turn >= progress.groups {
        progress.turn = 0;
    }
    Some((
        setting(&GENERATE_FIRST_GROUP).wrapping_add(turn as u32),
        progress.sum,
    ))
}

/// Makes the headers of Ethernet and IPv4 those of a frame that was just sent. Returns the length of the latter in bytes,
/// which is 20, or 24 with Router Alert.
#[inline(always)]
fn ip(context: *mut xdp_md, group: u32) -> Option<usize> {
    let [version_and_length] = read::<1>(context, IP)?;
    let destination = if setting(&GENERATE_TO_GROUP) == 0 {
        u32::from_be_bytes(read::<4>(context, IP + 16)?)
    } else {
        write(context, IP + 16, group.to_be_bytes());
        group
    };
    write(
        context,
        0,
        ethernet::multicast_mac(Ipv4Addr::from_bits(destination)),
    );
    let [a, b, c, d, e, f, ..] = setting(&GENERATE_MAC).to_be_bytes();
    write(context, 6, [a, b, c, d, e, f]);
    write(context, IP + 8, [setting(&GENERATE_TTL) as u8]);
    write(context, IP + 10, [0, 0]);
    if version_and_length == 0x45 {
        let header = read::<20>(context, IP)?;
        write(context, IP + 10, (!checksum::sum_header(&header)).to_be_bytes());
        Some(20)
    } else {
        let header = read::<20>(context, IP)?;
        let [high, low, more_high, more_low] = read::<4>(context, IP + 20)?;
        let options = words(u32::from_be_bytes([high, low, more_high, more_low]));
        let sum = checksum::fold(u64::from(checksum::sum_header(&header)) + options);
        write(context, IP + 10, (!sum).to_be_bytes());
        Some(24)
    }
}

/// Hands the frame to the device.
#[inline(always)]
fn send() -> u32 {
    // SAFETY: the helper takes no pointer.
    unsafe { bpf_redirect(setting(&GENERATE_IFINDEX), 0) as u32 }
}

/// The two words of an address or option, summed.
#[inline(always)]
fn words(number: u32) -> u64 {
    u64::from(number >> 16) + u64::from(number & 0xffff)
}

/// The checksum over what sums to this. Never 0, which means none in UDP.
#[inline(always)]
fn checksum_of(sum: u64) -> [u8; 2] {
    let checksum = !checksum::fold(sum);
    if checksum == 0 {
        [0xff; 2]
    } else {
        checksum.to_be_bytes()
    }
}

/// Writes bytes where there is room for them.
#[inline(always)]
fn write<const N: usize>(context: *mut xdp_md, offset: usize, bytes: [u8; N]) {
    if let Some(place) = at::<N>(context, offset) {
        // SAFETY: `at` has compared the range with the frame's end.
        unsafe { place.write_unaligned(bytes) };
    }
}
