//! The sources of a record that asks for more of them.

use aya_ebpf::bindings::BPF_NOEXIST;
use igmp_wire::{
    Packet,
    abi::{GroupEntry, GroupKey, SourceEntry, SourceFlags, SourceKey},
    address,
    packet::{Turn, Walk},
};

use crate::{
    atomic::Shared,
    maps::{GROUPS, SOURCES},
    packet::XdpPacket,
};

/// A key on the stack at a multiple of eight bytes. The compiler is allowed to reach into packets at any address, and
/// takes the same liberty with the stack, where the verifier does not allow it.
#[repr(C, align(8))]
pub(crate) struct Aligned(pub(crate) SourceKey);

/// A walk that only looks for something that can be a source.
pub(crate) struct Usable {
    /// Where the first source is.
    pub(crate) offset: usize,
    /// Out: not 0 if there is one.
    pub(crate) found: u32,
}

impl Walk<XdpPacket> for Usable {
    #[inline(always)]
    fn turn(&mut self, index: u32, packet: &XdpPacket) -> Turn {
        let Some(source) = packet.read_u32(self.offset + index as usize * 4) else {
            return Turn::Done;
        };
        if !address::is_unicast(core::net::Ipv4Addr::from_bits(source)) {
            return Turn::More;
        }
        self.found = 1;
        Turn::Done
    }
}

/// The sources to walk, and what was found.
pub(crate) struct Sources {
    /// Where the first source is.
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

impl Walk<XdpPacket> for Sources {
    /// Refreshes a source that is known, or inserts it as pending.
    #[inline(always)]
    fn turn(&mut self, index: u32, packet: &XdpPacket) -> Turn {
        let Some(source) = packet.read_u32(self.offset + index as usize * 4) else {
            return Turn::Done;
        };
        if !address::is_unicast(core::net::Ipv4Addr::from_bits(source)) {
            return Turn::More;
        }
        let Aligned(key) = &Aligned(SourceKey {
            slot: self.key.slot,
            group: self.key.group,
            source,
        });
        if let Some(entry) = SOURCES.get_ptr_mut(key) {
            // SAFETY: the pointer is to a value of the map, alive while the program runs. Times and reporter are written by
            // single stores of an aligned word, so readers see an old or a new one.
            unsafe {
                (&raw mut (*entry).last_report).write_volatile(self.now);
                (&raw mut (*entry).reporter).write_volatile(self.reporter);
                if (&raw const (*entry).flags).read_volatile() & SourceFlags::REFRESH == 0 {
                    self.changed = 1;
                }
            }
            return Turn::More;
        }
        insert(self, key);
        Turn::More
    }
}

#[inline(always)]
fn insert(walk: &mut Sources, key: &SourceKey) {
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
