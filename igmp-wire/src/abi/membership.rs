//! Groups and sources in the kernel's maps, and what the XDP program does about each report.
//!
//! The decision is here and not in the XDP program because the simulation of the protocol needs the very same one.

use super::byte_layout;
use crate::igmp::RecordKind;

/// Key of the `GROUPS` map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct GroupKey {
    /// The interface's slot.
    pub slot: u32,
    /// The group.
    pub group: u32,
}

/// Key of the `SOURCES` map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct SourceKey {
    /// The interface's slot.
    pub slot: u32,
    /// The group.
    pub group: u32,
    /// The source.
    pub source: u32,
}

/// Value of the `GROUPS` map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GroupEntry {
    /// When a report of version 1, 2 and 3 last set the group timer, in nanoseconds of `CLOCK_MONOTONIC`; 0 for never.
    /// For version 3 that is a record that asks for the group in EXCLUDE mode.
    pub last_report: [u64; 3],
    /// Bits of [`GroupFlags`].
    pub flags: u32,
    /// Entries of this group in the `SOURCES` map.
    pub sources: u32,
    /// IP source of the last report that was accepted for this group.
    pub reporter: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Bits of [`GroupEntry::flags`].
pub struct GroupFlags;

impl GroupFlags {
    /// The agent has not seen this entry yet, and it takes a scan to find it where the event could not be handed over.
    pub const PENDING: u32 = 1;
    /// The report that made this entry, which is pending, asked for all sources but some (filter mode EXCLUDE).
    pub const EXCLUDE: u32 = 1 << 1;
    /// A version 1 report changes nothing here but the time.
    pub const REFRESH_V1: u32 = 1 << 2;
    /// A version 2 report changes nothing here but the time.
    pub const REFRESH_V2: u32 = 1 << 3;
    /// A version 3 record that excludes nothing, `IS_EX({})` or `TO_EX({})`, changes nothing here but the time.
    pub const REFRESH_V3: u32 = 1 << 4;
    /// The event of a report that asks for this group in EXCLUDE mode could not be handed over.
    pub const LOST_JOIN: u32 = 1 << 5;
    /// The event of any other change could not be handed over.
    pub const LOST_CHANGE: u32 = 1 << 6;
    /// Either mark of a lost event.
    pub const LOST: u32 = Self::LOST_JOIN | Self::LOST_CHANGE;

    /// The flag that lets a report of `version` (1 to 3) refresh the entry.
    #[inline(always)]
    pub const fn refresh(version: u8) -> u32 {
        match version {
            1 => Self::REFRESH_V1,
            2 => Self::REFRESH_V2,
            _ => Self::REFRESH_V3,
        }
    }
}

/// Value of the `SOURCES` map. Only sources whose timer runs have an entry; those that are excluded have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SourceEntry {
    /// When a record last refreshed the source timer, in nanoseconds of `CLOCK_MONOTONIC`.
    pub last_report: u64,
    /// IP source of that report.
    pub reporter: u32,
    /// Bits of [`SourceFlags`].
    pub flags: u32,
}

/// Bits of [`SourceEntry::flags`].
pub struct SourceFlags;

impl SourceFlags {
    /// The agent has not seen this entry yet.
    pub const PENDING: u32 = 1;
    /// `IS_IN` and `ALLOW` of this source change nothing but the time.
    pub const REFRESH: u32 = 1 << 1;
}

/// What a report says about one group, as far as the XDP program tells cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The group with nothing excluded: a version 1 or 2 report, `IS_EX({})` or `TO_EX({})`.
    AnySource {
        /// Version of the report, 1 to 3.
        version: u8,
    },
    /// The group with some sources excluded: `IS_EX(x)` or `TO_EX(x)`.
    ExcludeList,
    /// More sources of the group, `IS_IN(x)` or `ALLOW(x)`.
    Include,
    /// These sources and no others, `TO_IN(x)`.
    ToInclude,
    /// No longer the group (`TO_IN({})`, Leave) or some of its sources (`BLOCK(x)`).
    Less,
    /// Nothing: a list-changing record with an empty list.
    Nothing,
}

impl Change {
    /// What a group record says.
    #[inline(always)]
    pub const fn of_record(kind: RecordKind, source_count: u16) -> Self {
        match (kind, source_count) {
            (RecordKind::IsExclude | RecordKind::ToExclude, 0) => Self::AnySource { version: 3 },
            (RecordKind::IsExclude | RecordKind::ToExclude, _) => Self::ExcludeList,
            (RecordKind::ToInclude, 0) => Self::Less,
            (_, 0) => Self::Nothing,
            (RecordKind::IsInclude | RecordKind::Allow, _) => Self::Include,
            (RecordKind::ToInclude, _) => Self::ToInclude,
            (RecordKind::Block, _) => Self::Less,
        }
    }
}

/// What the XDP program does with the group that a report names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupStep {
    /// Nothing: the report changes nothing (a leave of a group that has no members, for instance).
    Ignore,
    /// Write the time and the reporter, no event.
    Refresh,
    /// Insert the group with these flags and send an event. Where that fails, set [`GroupFlags::PENDING`] so that the agent
    /// finds out.
    ///
    /// A group in EXCLUDE mode without sources has at once the flags that the agent would give it, so that there is nothing
    /// left to be written. Others are pending until the agent has written theirs.
    Insert(u32),
    /// Send an event; where that fails, set this flag so that the agent finds out. With [`GroupFlags::LOST_JOIN`] the
    /// report sets the group timer, so its time is written first.
    Hand(u32),
    /// Go through the sources: refresh those that are known, insert those that are not, and send an event if one was
    /// not known or if the group was not (it is inserted first).
    Sources {
        /// Send the event in any case, and set [`GroupFlags::LOST_CHANGE`] where that fails.
        always: bool,
    },
}

impl GroupStep {
    /// Decides from what the report says and from the flags of the group's entry, if it has one.
    #[inline(always)]
    pub const fn decide(change: Change, known: Option<u32>) -> Self {
        match (change, known) {
            (Change::AnySource { version }, None) => {
                Self::Insert(GroupFlags::refresh(version) | GroupFlags::REFRESH_V3)
            }
            (Change::AnySource { version }, Some(flags)) if flags & GroupFlags::refresh(version) != 0 => {
                Self::Refresh
            }
            (Change::ExcludeList, None) => Self::Insert(GroupFlags::PENDING | GroupFlags::EXCLUDE),
            (Change::AnySource { .. } | Change::ExcludeList, Some(_)) => Self::Hand(GroupFlags::LOST_JOIN),
            (Change::Include, _) => Self::Sources { always: false },
            (Change::ToInclude, _) => Self::Sources { always: true },
            (Change::Less, Some(_)) => Self::Hand(GroupFlags::LOST_CHANGE),
            (Change::Less, None) | (Change::Nothing, _) => Self::Ignore,
        }
    }
}

byte_layout!(GroupKey, 8, { slot: u32, group: u32 });
byte_layout!(SourceKey, 12, { slot: u32, group: u32, source: u32 });
byte_layout!(SourceEntry, 16, { last_report: u64, reporter: u32, flags: u32 });
const _: () = assert!(size_of::<GroupEntry>() == 40);
// They stand in `Event::inserted`, which is a byte.
const _: () =
    assert!((GroupFlags::REFRESH_V1 | GroupFlags::REFRESH_V2 | GroupFlags::REFRESH_V3) <= u8::MAX as u32);
