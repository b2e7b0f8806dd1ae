//! Intervals that hold for what was reported while they were in force.
//!
//! A report sets a timer to the interval of its moment (RFC 9776 §6.4). The kernel only writes down when a report came,
//! and the core adds the interval when it looks, by when it may have become another one: the configuration was changed, or
//! another querier was elected, or the querier says something else. A shorter interval must not end what hosts reported
//! before it, as nobody asks them again in time for it.

use crate::time::{Duration, Instant};

/// How many intervals that were in force before are told apart. There is more than one of them only while the
/// configuration and the querier change within one interval.
const REMEMBERED: usize = 4;

/// The Group Membership Interval or the Older Host Present Interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    /// The one in force.
    pub(crate) span: Duration,
    /// Those before it.
    pub(crate) earlier: Earlier,
}

/// Intervals that were in force before, and until when, the oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Earlier([(Instant, Duration); REMEMBERED]);

impl Interval {
    /// When a timer ends that a report at `time` set.
    ///
    /// Where the interval has become longer since, that is the one that counts: the next query may be so far away.
    pub(crate) fn after(&self, time: Instant) -> Instant {
        let then = self.earlier.0.iter().find(|(until, _)| time <= *until);
        time + then.map_or(self.span, |&(_, span)| span.max(self.span))
    }

    /// What is to be remembered once `span` takes the place of this interval at `at`.
    pub(crate) fn followed_by(&self, span: Duration, at: Instant) -> Earlier {
        let mut earlier = self.earlier;
        if span != self.span {
            let [oldest, second, .., last] = &mut earlier.0;
            let at = at.max(last.0);
            if oldest.0 + oldest.1 > at {
                // It still matters, and there is no room for it: what it holds for gets the longer one of two.
                second.1 = second.1.max(oldest.1);
            }
            *oldest = (at, self.span);
            earlier.0.rotate_left(1);
        }
        earlier
    }
}
