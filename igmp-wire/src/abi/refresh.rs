//! Where reports that only repeat what is known leave their time.
//!
//! A hash map scatters groups that follow one another, so that each look-up waits for memory, several times where there are
//! many groups. Here the place of a group is computed, and neighbours stay neighbours: what the next record of a report names
//! mostly stands in the line that the last one has brought into the cache.
//!
//! The table is a short cut and knows nothing of its own but times. An entry belongs to a group of the `GROUPS` map, and is
//! there only where no other group has the place; everybody else's times are in `GROUPS` alone. The time that counts is the
//! later of both.
//!
//! The agent alone makes entries, takes them out of use and removes them; the XDP program writes times and reporters. An entry
//! is made when its group is in `GROUPS`, with the flag that lets reports of its version refresh it, and is out of use before
//! that flag goes. It is removed when the group is, which is late enough for every packet that was being handled when it went
//! out of use.

use core::net::Ipv4Addr;

use super::byte_layout;

/// Value of the `REFRESHES` map, whose keys are [places](Self::place).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RefreshEntry {
    /// Whose entry it is, together with the slot in `stamp`: see [`tag`](Self::tag). 0 where the place is free.
    pub tag: u32,
    /// IP source of the last report that was noted here.
    pub reporter: u32,
    /// The interface's slot and the time of that report: see [`stamp`](Self::stamp).
    pub stamp: u64,
}

/// Bits of a slot in [`RefreshEntry::stamp`].
const SLOT_BITS: u32 = super::MAX_INTERFACES.ilog2();
/// Nanoseconds of one unit of time in [`RefreshEntry::stamp`], as a power of two. Counted in these, 54 bits last 36 years.
const UNIT_BITS: u32 = 6;
/// The bits of an IPv4 address in which groups differ.
const GROUP: u32 = 0x0fff_ffff;
/// The bits that are the same in all groups, 224.0.0.0/4.
const MULTICAST: u32 = 0xe000_0000;
/// Where the version is in a tag: in the bits that are the same in all groups.
const VERSION_SHIFT: u32 = GROUP.trailing_ones();

impl RefreshEntry {
    /// The bit of [`tag`](Self::tag) of an entry that is out of use: no report is noted there any more.
    pub const OUT_OF_USE: u32 = 1 << 31;

    /// The tag of a group whose reports of this version (1 to 3) are noted.
    #[inline(always)]
    pub const fn tag(group: u32, version: u8) -> u32 {
        (group & GROUP) | ((version as u32) << VERSION_SHIFT)
    }

    /// The version in a tag, 1 to 3; 0 where the place is free.
    pub const fn version(tag: u32) -> u8 {
        ((tag & !Self::OUT_OF_USE) >> VERSION_SHIFT) as u8
    }

    /// The group in a tag of which [`version`](Self::version) is not 0.
    pub const fn group(tag: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits((tag & GROUP) | MULTICAST)
    }

    /// The slot of an interface and a time, in nanoseconds of `CLOCK_MONOTONIC`. The time is kept in steps of 64 ns.
    #[inline(always)]
    pub const fn stamp(slot: u32, time: u64) -> u64 {
        ((time >> UNIT_BITS) << SLOT_BITS) | slot as u64
    }

    /// The slot in a stamp.
    #[inline(always)]
    pub const fn slot(stamp: u64) -> u32 {
        stamp as u32 & (super::MAX_INTERFACES - 1)
    }

    /// The time in a stamp, in nanoseconds of `CLOCK_MONOTONIC`; 0 for never.
    pub const fn time(stamp: u64) -> u64 {
        (stamp >> SLOT_BITS) << UNIT_BITS
    }

    /// The place of a group on the interface with this slot, in a table of 2 to the power of `bits` entries.
    ///
    /// Groups that follow one another have places that do. Interfaces, and ranges of groups that are as long as the table,
    /// begin in different places: multiples of the golden ratio keep apart however many there are (Knuth, The Art of Computer
    /// Programming, volume 3, 6.4).
    #[inline(always)]
    pub const fn place(slot: u32, group: u32, bits: u32) -> u32 {
        let range = (group.wrapping_shr(bits) << SLOT_BITS) | slot;
        let beginning = range.wrapping_mul(0x9e37_79b1).wrapping_shr(32 - bits);
        group.wrapping_add(beginning) & ((1_u32.wrapping_shl(bits)).wrapping_sub(1))
    }

    /// The size of a table for so many groups, as a power of two: 6 to 28, that is 64 entries to one for each group there is.
    pub const fn bits_for(groups: u32) -> u32 {
        match groups.checked_next_power_of_two() {
            Some(entries) if entries.ilog2() < 6 => 6,
            Some(entries) if entries.ilog2() < VERSION_SHIFT => entries.ilog2(),
            _ => VERSION_SHIFT,
        }
    }
}

byte_layout!(RefreshEntry, 16, { tag: u32, reporter: u32, stamp: u64 });
// Slots and bits are the same thing.
const _: () = assert!(super::MAX_INTERFACES.is_power_of_two());
