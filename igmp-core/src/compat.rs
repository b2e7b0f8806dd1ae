//! Hosts that speak an older version than the interface (RFC 9776 §7.3.2).

use igmp_wire::igmp::RecordKind;

use crate::{event::ReportKind, interval::Interval, time::Instant};

/// The version that the hosts of a group are taken to speak: the oldest that was heard lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CompatibilityMode {
    /// A version 1 host is present.
    V1 = 1,
    /// A version 2 host is present, and none of version 1.
    V2 = 2,
    /// No older host is present.
    V3 = 3,
}

/// The older-host-present timers of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OlderHosts {
    /// When the version 1 host present timer ends. The clock's zero where it never ran.
    pub(crate) v1: Instant,
    /// When the version 2 host present timer ends.
    pub(crate) v2: Instant,
}

impl OlderHosts {
    /// Takes reports into account that came at these times, of versions 1, 2 and 3. The timers only ever move later, so
    /// it does not matter whether a time was told before.
    pub(crate) fn heard(&mut self, last_report: [Option<Instant>; 3], present_interval: &Interval) {
        let [v1, v2, _] = last_report;
        for (timer, report) in [(&mut self.v1, v1), (&mut self.v2, v2)] {
            if let Some(time) = report {
                *timer = (*timer).max(present_interval.after(time));
            }
        }
    }

    /// The mode that follows.
    pub(crate) fn mode(&self, now: Instant) -> CompatibilityMode {
        if self.v1 > now {
            CompatibilityMode::V1
        } else if self.v2 > now {
            CompatibilityMode::V2
        } else {
            CompatibilityMode::V3
        }
    }

    /// When the next of the timers that run ends.
    pub(crate) fn next_end(&self, now: Instant) -> Option<Instant> {
        [self.v1, self.v2].into_iter().filter(|&end| end > now).min()
    }
}

/// A report as the state tables know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Translation {
    /// The record that the report amounts to.
    pub(crate) kind: RecordKind,
    /// Whether its list of sources counts.
    pub(crate) with_sources: bool,
}

/// What a report amounts to for a group in `mode`, or `None` where it is ignored (§7.3.2).
///
/// A Leave is translated in version 3 mode as in version 2 mode, though the RFC only writes the latter: a version 2
/// host may well leave after its timer has run out. `IS_EX` keeps its list in every mode, since the RFC does not say
/// otherwise; reports of the older host empty it again before anything is blocked.
pub(crate) fn translate(kind: ReportKind, mode: CompatibilityMode) -> Option<Translation> {
    use CompatibilityMode::{V1, V2, V3};

    let with = |kind| {
        Some(Translation {
            kind,
            with_sources: true,
        })
    };
    let without = |kind| {
        Some(Translation {
            kind,
            with_sources: false,
        })
    };
    match (kind, mode) {
        (ReportKind::V1 | ReportKind::V2, V1 | V2 | V3) => without(RecordKind::IsExclude),
        (ReportKind::Leave, V1) => None,
        (ReportKind::Leave, V2 | V3) => without(RecordKind::ToInclude),
        (ReportKind::Record(RecordKind::Block), V1 | V2) => None,
        (ReportKind::Record(RecordKind::ToInclude), V1) => None,
        (ReportKind::Record(RecordKind::ToExclude), V1 | V2) => without(RecordKind::ToExclude),
        (
            ReportKind::Record(
                kind @ (RecordKind::IsInclude
                | RecordKind::IsExclude
                | RecordKind::Allow
                | RecordKind::ToInclude
                | RecordKind::ToExclude
                | RecordKind::Block),
            ),
            V1 | V2 | V3,
        ) => with(kind),
    }
}
