//! The table of refreshes: which groups have an entry there, and what stands in it.
//!
//! What the table is for, and what has to be true of it at any time, is said in `igmp_wire::abi`. It is memory of this process,
//! so that neither a new group nor a look at its time takes a system call.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use aya::maps::{Array, MapData};
use igmp_wire::abi::{GroupFlags, GroupKey, RefreshEntry};

use super::KernelError;
use crate::sys::{Plain, SharedRefresh, SharedRefreshes};

/// The table.
#[derive(Debug)]
pub(super) struct Refreshes {
    table: SharedRefreshes,
    bits: u32,
}

/// What an entry says of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    /// The version of the reports that are noted there, 1 to 3.
    version: u8,
    /// When the last one was, in nanoseconds of `CLOCK_MONOTONIC`; 0 for never.
    time: u64,
    /// Who sent it.
    reporter: u32,
}

impl Noted {
    /// Whether a report was noted after this time.
    pub(super) const fn is_after(&self, time: u64) -> bool {
        self.time > time
    }

    /// Puts what is noted into what else is known, where it is later.
    pub(super) fn add_to(&self, last_report: &mut [u64; 3], reporter: &mut u32) {
        let Self {
            version,
            time,
            reporter: noted,
        } = *self;
        if last_report.iter().all(|&known| known < time) {
            *reporter = noted;
        }
        if let Some(known) = last_report.get_mut(usize::from(version).wrapping_sub(1)) {
            *known = time.max(*known);
        }
    }
}

/// The version of reports that a group with these flags is noted for, if it is for any: the oldest. Reports of version 3 refresh
/// most groups, and those of an older version only groups that hosts of that version have joined.
const fn version_for(flags: u32) -> Option<u8> {
    if flags & GroupFlags::REFRESH_V1 != 0 {
        Some(1)
    } else if flags & GroupFlags::REFRESH_V2 != 0 {
        Some(2)
    } else if flags & GroupFlags::REFRESH_V3 != 0 {
        Some(3)
    } else {
        None
    }
}

impl Refreshes {
    /// The table that is the values of this map, with 2 to the power of `bits` entries.
    pub(super) fn of(map: &Array<MapData, Plain<RefreshEntry>>, bits: u32) -> Result<Self, KernelError> {
        let table = SharedRefreshes::of(map).map_err(KernelError::Memory)?;
        Ok(Self { table, bits })
    }

    /// The entry at the place of a group, whosever it is.
    fn place(&self, key: GroupKey) -> Option<&SharedRefresh> {
        let place = RefreshEntry::place(key.slot, key.group, self.bits);
        self.table.entries().get(place as usize)
    }

    /// The entry of a group, and its tag.
    fn entry(&self, key: GroupKey) -> Option<(&SharedRefresh, u32)> {
        let entry = self.place(key)?;
        let tag = entry.tag.load(Acquire);
        let version = RefreshEntry::version(tag);
        let is_its = version != 0
            && tag & !RefreshEntry::OUT_OF_USE == RefreshEntry::tag(key.group, version)
            && RefreshEntry::slot(entry.stamp.load(Relaxed)) == key.slot;
        is_its.then_some((entry, tag))
    }

    /// Has reports of a group noted that has an entry in `GROUPS` with these flags, unless another group has the place.
    pub(super) fn admit(&self, key: GroupKey, flags: u32) {
        if let Some((entry, tag)) = self.entry(key) {
            // Its version stays, since the time is of that.
            if flags & GroupFlags::refresh(RefreshEntry::version(tag)) != 0 {
                entry.tag.store(tag & !RefreshEntry::OUT_OF_USE, Release);
            }
            return;
        }
        let Some(entry) = self.place(key).filter(|entry| entry.tag.load(Relaxed) == 0) else {
            return;
        };
        if let Some(version) = version_for(flags) {
            entry.reporter.store(0, Relaxed);
            entry.stamp.store(RefreshEntry::stamp(key.slot, 0), Relaxed);
            entry.tag.store(RefreshEntry::tag(key.group, version), Release);
        }
    }

    /// Has no more reports noted of a group that is about to have only these flags, unless they let reports of its version
    /// refresh it. What is noted stays, and a packet that is being handled may still add to it.
    pub(super) fn restrict(&self, key: GroupKey, flags: u32) {
        if let Some((entry, tag)) = self.entry(key)
            && flags & GroupFlags::refresh(RefreshEntry::version(tag)) == 0
        {
            entry.tag.store(tag | RefreshEntry::OUT_OF_USE, Release);
        }
    }

    /// Frees the place of a group that has no entry in `GROUPS` any more, and none of whose packets is still being handled.
    pub(super) fn forget(&self, key: GroupKey) {
        if let Some((entry, _)) = self.entry(key) {
            entry.tag.store(0, Release);
        }
    }

    /// What is noted of a group.
    pub(super) fn noted(&self, key: GroupKey) -> Option<Noted> {
        let (entry, tag) = self.entry(key)?;
        Some(Noted {
            version: RefreshEntry::version(tag),
            time: RefreshEntry::time(entry.stamp.load(Acquire)),
            reporter: entry.reporter.load(Relaxed),
        })
    }

    /// Groups whose entries are out of use. An agent that was killed while it removed a group has left such a one.
    pub(super) fn out_of_use(&self) -> impl Iterator<Item = GroupKey> {
        self.table.entries().iter().filter_map(|entry| {
            let tag = entry.tag.load(Acquire);
            (tag & RefreshEntry::OUT_OF_USE != 0).then(|| GroupKey {
                slot: RefreshEntry::slot(entry.stamp.load(Relaxed)),
                group: RefreshEntry::group(tag).to_bits(),
            })
        })
    }
}
