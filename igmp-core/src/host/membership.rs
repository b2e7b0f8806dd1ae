//! What is wanted of one group.

use core::net::Ipv4Addr;
use std::collections::BTreeSet;

use igmp_wire::igmp::RecordKind;

use super::action::ReportRecord;
use crate::{
    mode::FilterMode,
    subscription::{SourceListChange, SubscriptionChange},
    time::Instant,
};

/// Length of a record without sources, in bytes (RFC 9776 §4.2).
pub(super) const RECORD_LEN: usize = 8;
/// Length of a source, in bytes.
pub(super) const SOURCE_LEN: usize = 4;

/// The reception state of a group (RFC 9776 §3.2).
#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub(super) filter_mode: FilterMode,
    #[expect(
        clippy::box_collection,
        reason = "nearly every group is wanted from any source, and the set itself is three times as large"
    )]
    sources: Option<Box<BTreeSet<Ipv4Addr>>>,
    /// Since when anything is wanted.
    pub(super) since: Instant,
    /// In which session of the upstream interface it was last told, 0 for never.
    pub(super) told_in: u32,
    /// When this host, or another one in its stead, last reported it by version 1 or 2.
    pub(super) last_report: Instant,
    /// Whether no other host was (RFC 2236 §6). So it is one that leaves, and says so.
    pub(super) is_last_reporter: bool,
}

/// How a membership differs from what it was (RFC 9776 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// The filter mode is another.
    FilterMode,
    /// The filter mode is the same, and these sources are listed where they were not, or the other way round. Perhaps
    /// none.
    Sources(Vec<Ipv4Addr>),
}

impl Membership {
    /// INCLUDE ({}), which is no state.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            filter_mode: FilterMode::Include,
            sources: None,
            since: now,
            told_in: 0,
            last_report: Instant::ZERO,
            is_last_reporter: true,
        }
    }

    /// Whether anything is wanted.
    pub(super) fn is_member(&self) -> bool {
        self.filter_mode == FilterMode::Exclude || self.sources.is_some()
    }

    /// Whether a source is wanted.
    pub(super) fn wants(&self, source: Ipv4Addr) -> bool {
        let is_listed = (self.sources.as_ref()).is_some_and(|sources| sources.contains(&source));
        is_listed == (self.filter_mode == FilterMode::Include)
    }

    /// The source list, ascending.
    pub(super) fn sources(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.sources.iter().flat_map(|sources| sources.iter()).copied()
    }

    /// Length of a record with all sources, in bytes.
    pub(super) fn record_len(&self) -> usize {
        let sources = self.sources.as_ref().map_or(0, |sources| sources.len());
        RECORD_LEN + sources * SOURCE_LEN
    }

    /// The record with the whole state: of a kind for INCLUDE mode and one for EXCLUDE mode.
    pub(super) fn record(&self, group: Ipv4Addr, kinds: [RecordKind; 2]) -> ReportRecord {
        let [include, exclude] = kinds;
        ReportRecord {
            kind: match self.filter_mode {
                FilterMode::Include => include,
                FilterMode::Exclude => exclude,
            },
            group,
            sources: self.sources().collect(),
        }
    }

    /// Takes over a change.
    pub(super) fn apply(&mut self, change: SubscriptionChange) -> Difference {
        let filter_mode = core::mem::replace(&mut self.filter_mode, change.filter_mode);
        let is_same_mode = filter_mode == change.filter_mode;
        let sources = self.sources.get_or_insert_default();
        let mut changed = Vec::new();
        match change.sources {
            SourceListChange::Replaced(list) => {
                let before = core::mem::replace(&mut **sources, list.into_iter().collect());
                if is_same_mode {
                    changed.extend(before.symmetric_difference(sources));
                }
            }
            SourceListChange::Changed { added, removed } => {
                changed.extend(added.into_iter().filter(|&source| sources.insert(source)));
                changed.extend(removed.into_iter().filter(|source| sources.remove(source)));
            }
        }
        if sources.is_empty() {
            self.sources = None;
        }
        if is_same_mode {
            Difference::Sources(changed)
        } else {
            Difference::FilterMode
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Membership;

    #[test]
    fn fifty_thousand_groups_take_little_room() {
        assert!(size_of::<Membership>() <= 40);
    }
}
