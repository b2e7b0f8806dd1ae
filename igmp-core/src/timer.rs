//! A timer that the kernel may have refreshed without saying so.

use crate::{interval::Interval, time::Instant};

/// A group timer or source timer.
///
/// The XDP program writes down when a report last refreshed it; nobody is told. So the timer is a deadline with the
/// instant up to which such reports are accounted for, and what it really says follows from both and from the kernel's
/// time.
///
/// There may be a million of them, so the flag is not to take as much room as an instant. Fields of what is packed are
/// read by value only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(Rust, packed)]
pub(crate) struct Timer {
    /// When it ends, unless the kernel saw a report after `base`.
    pub(crate) deadline: Instant,
    /// Reports up to here are accounted for in `deadline`.
    pub(crate) base: Instant,
    /// Whether a specific query lowered it and no report has raised it since.
    pub(crate) lowered: bool,
}

impl Timer {
    /// A timer that a report at `time` set.
    pub(crate) fn new(time: Instant, interval: &Interval) -> Self {
        Self {
            deadline: interval.after(time),
            base: time,
            lowered: false,
        }
    }

    /// When the timer ends, given the kernel's time of the last report.
    pub(crate) fn effective(&self, last_report: Option<Instant>, interval: &Interval) -> Instant {
        match last_report {
            Some(time) if time > { self.base } => self.deadline.max(interval.after(time)),
            _ => self.deadline,
        }
    }

    /// Takes what the kernel knows into account, as far as it happened no later than `until`. Reports after that are
    /// counted still, but stay visible as later than `base`.
    pub(crate) fn settle(&mut self, last_report: Option<Instant>, interval: &Interval, until: Instant) {
        if let Some(time) = last_report
            && time > { self.base }
        {
            self.deadline = self.deadline.max(interval.after(time));
            self.base = self.base.max(time.min(until));
            self.lowered = false;
        }
    }

    /// Lowers the timer to end at `limit` because of something that was received at `time`. A report that the kernel
    /// saw after `time` still counts, since it is later than the new base; one before it does not.
    pub(crate) fn lower(
        &mut self,
        last_report: Option<Instant>,
        interval: &Interval,
        limit: Instant,
        time: Instant,
    ) {
        if self.effective(last_report, interval) > limit {
            *self = Self {
                deadline: limit,
                base: time,
                lowered: true,
            };
        }
    }

    /// Takes back that it was lowered: the timer runs anew from `now` on.
    pub(crate) fn raise(&mut self, interval: &Interval, now: Instant) {
        self.deadline = self.deadline.max(interval.after(now));
        self.lowered = false;
    }
}
