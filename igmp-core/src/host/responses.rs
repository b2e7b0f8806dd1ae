//! Answers to specific queries that wait for their delay to pass (RFC 9776 §5.2).

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use igmp_wire::igmp::RecordKind;

use super::{action::ReportRecord, membership::Membership};
use crate::{
    time::{Duration, Instant},
    timers::{Slot, Timers},
};

/// For how many sources of a group queries are remembered. Whoever asks for more is told of the whole group, so that
/// forged queries do not fill the memory.
const MAX_ASKED: usize = 1_024;

#[derive(Debug)]
struct Response {
    slot: Slot,
    /// The sources asked for, empty for the whole group.
    asked: BTreeSet<Ipv4Addr>,
}

/// The pending answers, by group.
#[derive(Debug, Default)]
pub(super) struct Responses {
    responses: BTreeMap<Ipv4Addr, Response>,
    queue: Timers<Ipv4Addr>,
}

impl Responses {
    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.next()
    }

    pub(super) fn contains(&self, group: Ipv4Addr) -> bool {
        self.responses.contains_key(&group)
    }

    /// Rules 3 to 5 of §5.2: answers a query for these sources, or for the whole group where there are none, at `at` or
    /// with what is pending before.
    pub(super) fn schedule(&mut self, at: Instant, group: Ipv4Addr, asked: &[Ipv4Addr]) {
        let mut is_new = false;
        let response = self.responses.entry(group).or_insert_with(|| {
            is_new = true;
            Response {
                slot: Slot::default(),
                asked: BTreeSet::new(),
            }
        });
        if is_new || !(asked.is_empty() || response.asked.is_empty()) {
            response.asked.extend(asked);
        } else {
            response.asked.clear();
        }
        if response.asked.len() > MAX_ASKED {
            response.asked.clear();
        }
        self.queue.wake_by(&mut response.slot, at, group);
    }

    /// RFC 2236 §3: answers at `at`, unless the answer that is pending comes within this query's Max Response Time anyway.
    pub(super) fn schedule_older(
        &mut self,
        at: Instant,
        received: Instant,
        limit: Duration,
        group: Ipv4Addr,
    ) {
        let pending = self.responses.get(&group).and_then(|response| response.slot.at());
        if pending.is_none_or(|pending| limit < pending.since(received)) {
            self.cancel(group);
            self.schedule(at, group, &[]);
        }
    }

    /// Forgets the answer of a group.
    pub(super) fn cancel(&mut self, group: Ipv4Addr) {
        if let Some(mut response) = self.responses.remove(&group) {
            self.queue.cancel(&mut response.slot, group);
        }
    }

    /// Takes out the next one that is due: the group and the sources asked for.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Ipv4Addr, BTreeSet<Ipv4Addr>)> {
        let group = self.queue.pop_due(now)?;
        let response = self.responses.remove(&group)?;
        Some((group, response.asked))
    }
}

/// The record that answers in version 3. `None` where it would list no source that was asked for.
pub(super) fn record(
    group: Ipv4Addr,
    membership: &Membership,
    asked: &BTreeSet<Ipv4Addr>,
) -> Option<ReportRecord> {
    if asked.is_empty() {
        return Some(current_state(group, membership));
    }
    let wanted = asked.iter().copied().filter(|&source| membership.wants(source));
    let sources: Vec<Ipv4Addr> = wanted.collect();
    (!sources.is_empty()).then_some(ReportRecord {
        kind: RecordKind::IsInclude,
        group,
        sources,
    })
}

/// The Current-State Record of a group.
pub(super) fn current_state(group: Ipv4Addr, membership: &Membership) -> ReportRecord {
    membership.record(group, [RecordKind::IsInclude, RecordKind::IsExclude])
}
