//! What is taken down of a group and its sources.

use igmp_core::Instant;

use super::Terms;

#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    /// The router must forward from here...
    pub(super) must_from: Instant,
    /// ...until here, unless the timers were lowered.
    pub(super) must_until: Instant,
    /// Reasons to lower them since the last cover.
    pub(super) may_lower: Vec<Lowering>,
    /// The last time the source was covered.
    pub(super) covered: Instant,
    /// Timers that are never lowered have run out by then.
    pub(super) may_until: Instant,
    /// Whether the source already has a timer of its own, so that `IS_EX` with it in the list gives it no other.
    pub(super) listed: bool,
    /// Reasons that leave no choice since the last report that raised a timer again.
    pub(super) must_lower: Vec<Lowering>,
}

/// A reason to lower timers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lowering {
    /// A report, which is the querier's to act upon.
    Report(Instant),
    /// A query of the querier.
    Query(Instant),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// No timer of the group runs after this.
    pub(super) may_until: Instant,
    /// Reasons to lower all timers since the last report that raised any.
    pub(super) must_lower: Vec<Lowering>,
    pub(super) last_v1: Option<Instant>,
    pub(super) last_v2: Option<Instant>,
    pub(super) last_exclude: Option<Instant>,
    /// The last report that listed sources.
    pub(super) last_list: Option<Instant>,
    pub(super) sources: Vec<Source>,
}

impl Group {
    /// Whether a version 1 host may be taken to be present.
    pub(super) fn v1_host(&self, now: Instant, terms: &Terms) -> bool {
        self.last_v1
            .is_some_and(|time| now <= time + terms.older_host + terms.handling)
    }

    /// Whether a version 2 host may be taken to be present.
    pub(super) fn v2_host(&self, now: Instant, terms: &Terms) -> bool {
        self.last_v2
            .is_some_and(|time| now <= time + terms.older_host + terms.handling)
    }
}
