//! Handing changes to the agent.

use core::{ffi::c_void, hint::black_box, mem::MaybeUninit};

use aya_ebpf::helpers::bpf_xdp_load_bytes;
use igmp_wire::abi::{
    Event, EventSize, GroupEntry, JUMBO_EVENT_SOURCES, LARGE_EVENT_SOURCES, MEDIUM_EVENT_SOURCES,
};

use crate::{
    atomic::Shared,
    count::Counters,
    maps::{EVENTS, LOST},
    packet::XdpPacket,
};

/// An event with room for `LEN` bytes of sources behind it.
#[repr(C)]
struct WithSources<const LEN: usize> {
    event: Event,
    sources: MaybeUninit<[u8; LEN]>,
}

/// Puts an event into the ring, with the sources that are at `sources` in the packet. Returns whether there was room.
#[inline(always)]
pub(crate) fn hand(packet: &XdpPacket, event: &Event, sources: usize, counters: Counters) -> bool {
    let handed = match EventSize::of(event.source_count) {
        EventSize::Small => hand_small(event),
        EventSize::Medium => {
            hand_with::<MEDIUM_EVENT_SOURCES, { MEDIUM_EVENT_SOURCES * 4 }>(packet, event, sources)
        }
        EventSize::Large => {
            hand_with::<LARGE_EVENT_SOURCES, { LARGE_EVENT_SOURCES * 4 }>(packet, event, sources)
        }
        EventSize::Jumbo => {
            hand_with::<JUMBO_EVENT_SOURCES, { JUMBO_EVENT_SOURCES * 4 }>(packet, event, sources)
        }
    };
    if handed {
        counters.event();
    } else {
        counters.event_lost();
    }
    handed
}

/// Marks a group whose event was not handed over, so that the agent's scan finds it.
///
/// The mark comes before the counter that makes the agent scan; in the other order a scan could miss it.
#[inline(always)]
pub(crate) fn mark_lost(entry: *mut GroupEntry, flag: u32) {
    // SAFETY: the pointer is to a value of the GROUPS map, aligned for its fields and alive while the program runs; all
    // programs and the agent change `flags` by atomic operations only.
    unsafe { Shared::new(&raw mut (*entry).flags) }.set(flag);
}

/// Counts a lost event where the agent looks.
#[inline(always)]
pub(crate) fn count_lost() {
    if let Some(lost) = LOST.get_ptr_mut(0) {
        // SAFETY: the pointer is to the only value of an array map, which lives as long as the program.
        unsafe { Shared::new(lost) }.add(1);
    }
}

#[inline(always)]
pub(crate) fn hand_small(event: &Event) -> bool {
    let Some(mut room) = EVENTS.reserve(0) else {
        return false;
    };
    room.write(*event);
    room.submit(0);
    true
}

/// `MOST` is a power of two, and `LEN` four times as much.
#[inline(always)]
fn hand_with<const MOST: usize, const LEN: usize>(packet: &XdpPacket, event: &Event, sources: usize) -> bool {
    let Some(mut room) = EVENTS.reserve_untyped::<WithSources<LEN>>(0) else {
        return false;
    };
    // The compiler knows that this is between 1 and `MOST`, but what it makes of that knowledge loses the verifier. So it
    // is made to forget, and the bounds are put on again in a form that the verifier follows.
    let count = black_box(u32::from(event.source_count));
    let len = ((count.wrapping_sub(1) & (MOST as u32 - 1)) + 1) * 4;
    let whole = room.as_mut_ptr();
    // SAFETY: `whole` points to reserved memory of this very type. The helper writes `len` bytes, at most `LEN`, and
    // checks the range within the packet itself.
    let copied = unsafe {
        (&raw mut (*whole).event).write(*event);
        let to = (&raw mut (*whole).sources).cast::<c_void>();
        bpf_xdp_load_bytes(packet.context(), sources as u32, to, len) == 0
    };
    if !copied {
        room.discard(0);
        return false;
    }
    room.submit(0);
    true
}
