//! The sources of a record that asks for more of them.

use core::ffi::c_void;

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::bpf_loop};
use igmp_wire::{
    Packet,
    abi::{GroupEntry, GroupKey, SourceEntry, SourceFlags, SourceKey},
    address,
};

use crate::{
    atomic::Shared,
    maps::{GROUPS, SOURCES},
    packet::XdpPacket,
};

/// The sources to walk, and what was found.
pub(crate) struct Walk {
    /// The packet.
    pub packet: XdpPacket,
    /// Where the next source is.
    pub offset: usize,
    /// The group that they are sources of.
    pub key: GroupKey,
    /// When the packet was received.
    pub now: u64,
    /// Who reported.
    pub reporter: u32,
    /// Most sources that the group may have, 0 for no limit.
    pub max_sources: u32,
    /// Out: not 0 if a source was not known.
    pub changed: u32,
    /// Out: not 0 if a source was refused for a limit.
    pub limited: u32,
}

/// Refreshes the known ones of `count` sources and inserts the others as pending.
#[inline(always)]
pub(crate) fn walk(count: u16, walk: &mut Walk) {
    // SAFETY: the callback has the signature that the helper calls, and the state outlives the call.
    unsafe {
        bpf_loop(
            u32::from(count),
            step as *mut c_void,
            core::ptr::from_mut(walk).cast(),
            0,
        );
    }
}

#[inline(never)]
unsafe extern "C" fn step(_turn: u32, state: *mut c_void) -> i64 {
    // SAFETY: `walk` passes its own state, which is not used elsewhere during the loop.
    let walk = unsafe { &mut *state.cast::<Walk>() };
    let Some(source) = walk.packet.read_u32(walk.offset) else {
        return 1;
    };
    walk.offset += 4;
    if !address::is_unicast(core::net::Ipv4Addr::from_bits(source)) {
        return 0;
    }
    let key = SourceKey {
        slot: walk.key.slot,
        group: walk.key.group,
        source,
    };
    if let Some(entry) = SOURCES.get_ptr_mut(&key) {
        // SAFETY: the pointer is to a value of the map, alive while the program runs. Times and reporter are written by
        // single stores of an aligned word, so readers see an old or a new one.
        unsafe {
            (&raw mut (*entry).last_report).write_volatile(walk.now);
            (&raw mut (*entry).reporter).write_volatile(walk.reporter);
            if (&raw const (*entry).flags).read_volatile() & SourceFlags::REFRESH == 0 {
                walk.changed = 1;
            }
        }
        return 0;
    }
    insert(walk, &key);
    0
}

#[inline(always)]
fn insert(walk: &mut Walk, key: &SourceKey) {
    let Some(group) = GROUPS.get_ptr_mut(&walk.key) else {
        return;
    };
    let count = source_count(group);
    if walk.max_sources != 0 && count.load() >= walk.max_sources {
        walk.limited = 1;
        return;
    }
    let entry = SourceEntry {
        last_report: walk.now,
        reporter: walk.reporter,
        flags: SourceFlags::PENDING | SourceFlags::REFRESH,
    };
    if SOURCES.insert(key, &entry, u64::from(BPF_NOEXIST)).is_ok() {
        count.add(1);
        walk.changed = 1;
    } else if SOURCES.get_ptr(key).is_none() {
        walk.limited = 1;
    }
}

/// The counter of a group's sources.
#[inline(always)]
pub(crate) fn source_count(group: *mut GroupEntry) -> Shared<u32> {
    // SAFETY: the pointer is to a value of the GROUPS map, aligned for its fields and alive while the program runs; all
    // programs change this field by atomic operations only.
    unsafe { Shared::new(&raw mut (*group).sources) }
}
