//! State changes that are still to be told (RFC 9776 §5.1, RFC 2236 §3).

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, btree_map::Entry};

use igmp_wire::igmp::RecordKind;

use super::{
    action::ReportRecord,
    membership::{Difference, Membership},
};
use crate::{
    mode::FilterMode,
    time::Instant,
    timers::{Slot, Timers},
};

/// What is still to be told of one group.
#[derive(Debug)]
pub(super) enum Pending {
    /// State-Change Reports of version 3.
    Records {
        /// How many more of them carry a Filter-Mode-Change record.
        mode_left: u8,
        /// The retransmission state of sources: how many more of them carry each.
        sources_left: BTreeMap<Ipv4Addr, u8>,
    },
    /// So many unsolicited reports of version 1 or 2.
    Reports(u8),
    /// A version 2 Leave.
    Leave,
}

#[derive(Debug)]
struct Change {
    slot: Slot,
    pending: Pending,
}

/// What is still to be told of all groups.
#[derive(Debug, Default)]
pub(super) struct Changes {
    changes: BTreeMap<Ipv4Addr, Change>,
    queue: Timers<Ipv4Addr>,
}

impl Changes {
    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.next()
    }

    /// The group that is due next, and what is pending of it.
    pub(super) fn first_due(&self, now: Instant) -> Option<(Ipv4Addr, &Pending)> {
        let group = self.queue.first_due(now)?;
        self.changes.get(&group).map(|change| (group, &change.pending))
    }

    /// Whether unsolicited version 1 or 2 reports of a group are pending.
    pub(super) fn has_reports(&self, group: Ipv4Addr) -> bool {
        let change = self.changes.get(&group);
        change.is_some_and(|change| matches!(change.pending, Pending::Reports(_)))
    }

    /// Has the difference told in version 3: merged with what is pending already, at once, and `robustness` times in all.
    pub(super) fn merge(&mut self, now: Instant, group: Ipv4Addr, difference: Difference, robustness: u8) {
        if difference == Difference::Sources(Vec::new()) {
            return;
        }
        let records = || Pending::Records {
            mode_left: 0,
            sources_left: BTreeMap::new(),
        };
        let change = match self.changes.entry(group) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Change {
                slot: Slot::default(),
                pending: records(),
            }),
        };
        if !matches!(change.pending, Pending::Records { .. }) {
            change.pending = records();
        }
        if let Pending::Records {
            mode_left,
            sources_left,
        } = &mut change.pending
        {
            match difference {
                // From now on the whole list is told as often as any part of it still had to be.
                Difference::FilterMode => {
                    *mode_left = robustness;
                    sources_left.clear();
                }
                Difference::Sources(sources) => {
                    sources_left.extend(sources.into_iter().map(|source| (source, robustness)));
                }
            }
        }
        self.queue.wake_by(&mut change.slot, now, group);
    }

    /// Has something told in version 1 or 2 at once, instead of what is pending.
    pub(super) fn set(&mut self, now: Instant, group: Ipv4Addr, pending: Pending) {
        self.cancel(group);
        let mut slot = Slot::default();
        self.queue.wake_by(&mut slot, now, group);
        self.changes.insert(group, Change { slot, pending });
    }

    /// Forgets what is pending of a group.
    pub(super) fn cancel(&mut self, group: Ipv4Addr) {
        if let Some(mut change) = self.changes.remove(&group) {
            self.queue.cancel(&mut change.slot, group);
        }
    }

    /// Counts that the pending of a group was told, and has it told again at `again` if it is to be.
    pub(super) fn told(&mut self, group: Ipv4Addr, again: Instant) {
        let Entry::Occupied(mut entry) = self.changes.entry(group) else {
            return;
        };
        let change = entry.get_mut();
        self.queue.cancel(&mut change.slot, group);
        let is_done = match &mut change.pending {
            Pending::Records {
                mode_left,
                sources_left,
            } => {
                *mode_left = mode_left.saturating_sub(1);
                sources_left.retain(|_, left| {
                    *left = left.saturating_sub(1);
                    *left > 0
                });
                *mode_left == 0 && sources_left.is_empty()
            }
            Pending::Reports(left) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            Pending::Leave => true,
        };
        if is_done {
            entry.remove();
        } else {
            self.queue.wake_by(&mut change.slot, again, group);
        }
    }
}

/// The records of the next State-Change Report. What is not wanted at all is INCLUDE ({}).
pub(super) fn records(
    group: Ipv4Addr,
    membership: Option<&Membership>,
    mode_left: u8,
    sources_left: &BTreeMap<Ipv4Addr, u8>,
) -> Vec<ReportRecord> {
    if mode_left > 0 {
        let kinds = [RecordKind::ToInclude, RecordKind::ToExclude];
        let nothing = Membership::new(Instant::ZERO);
        return vec![membership.unwrap_or(&nothing).record(group, kinds)];
    }
    let is_wanted = |source: &Ipv4Addr| membership.is_some_and(|membership| membership.wants(*source));
    let (allow, block) = sources_left.keys().copied().partition::<Vec<_>, _>(is_wanted);
    [(RecordKind::Allow, allow), (RecordKind::Block, block)]
        .into_iter()
        .filter(|(_, sources)| !sources.is_empty())
        .map(|(kind, sources)| ReportRecord { kind, group, sources })
        .collect()
}

/// How a membership differs from none at all, to announce it to a router that may know nothing of it. In INCLUDE mode
/// these are all of its sources: a Filter-Mode-Change record would have the router ask for the others of its link.
pub(super) fn announcement(membership: &Membership) -> Difference {
    match membership.filter_mode {
        FilterMode::Exclude => Difference::FilterMode,
        FilterMode::Include => Difference::Sources(membership.sources().collect()),
    }
}
