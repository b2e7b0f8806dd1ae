//! The answer to a General Query, spread over its Max Response Time (RFC 9776 §5.2, RFC 2236 §3).
//!
//! Where everything fits into one message, it is sent after one random delay. Else the time is divided among the messages,
//! each is sent at a random point of its share, and the group that is told first is a random one: no burst leaves, each
//! group is told after a delay that is random for those who listen, and no work is done for all groups at once.

use core::net::Ipv4Addr;

use crate::random::Random;
use crate::time::{Duration, Instant};

/// A round through all groups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// When the query was received.
    pub(super) started: Instant,
    /// Within what time from then on each group is told.
    span: Duration,
    /// When the next message is due.
    pub(super) at: Instant,
    /// How much is to be told, in bytes or in groups.
    total: usize,
    /// How much of it a message tells.
    share: usize,
    /// How much has been told.
    done: usize,
    /// The group that was first.
    first: Ipv4Addr,
    /// From here on groups are still to be told.
    pub(super) cursor: Ipv4Addr,
    /// Whether the last group has been passed, so that those before `first` follow.
    is_wrapped: bool,
}

impl Round {
    /// Begins with the group `first`, or what follows it.
    pub(super) fn new(
        started: Instant,
        span: Duration,
        first: Ipv4Addr,
        (total, share): (usize, usize),
        random: &mut Random,
    ) -> Self {
        let mut round = Self {
            started,
            span,
            at: started,
            total,
            share,
            done: 0,
            first,
            cursor: first,
            is_wrapped: false,
        };
        round.at = round.draw(random);
        round
    }

    /// The answer to a further query, which this round meets as well: no message comes later than either promises.
    pub(super) fn merged(self, next: Self) -> Self {
        let span = self.span.min(next.span);
        if self.done > 0 {
            // Those who were told already are told again, after those who are not.
            return Self {
                span,
                at: next.at.min(self.at),
                first: self.cursor,
                cursor: self.cursor,
                ..next
            };
        }
        let end = (self.started + self.span).min(next.started + next.span);
        Self {
            span: end.since(self.started),
            at: self.at.min(next.at),
            ..self
        }
    }

    /// When the group has been told at the latest, or `None` where that has happened.
    pub(super) fn tells_by(&self, group: Ipv4Addr) -> Option<Instant> {
        let is_ahead = if self.is_wrapped {
            self.cursor <= group && group < self.first
        } else {
            group >= self.cursor || group < self.first
        };
        let is_one_message = self.total <= self.share;
        is_ahead.then(|| if is_one_message { self.at } else { self.end() })
    }

    /// Where the round ends among the groups from the cursor on, `None` for behind the last.
    pub(super) fn stop(&self) -> Option<Ipv4Addr> {
        self.is_wrapped.then_some(self.first)
    }

    /// Goes on with the group after the last one, or with the first of all. Answers whether any are left.
    pub(super) fn wrap(&mut self) -> bool {
        let goes_on = !self.is_wrapped;
        self.is_wrapped = true;
        self.cursor = Ipv4Addr::UNSPECIFIED;
        goes_on
    }

    /// Groups up to `last` have been told, `amount` in all.
    pub(super) fn told(&mut self, last: Ipv4Addr, amount: usize, random: &mut Random) {
        self.cursor = Ipv4Addr::from_bits(last.to_bits().saturating_add(1));
        if amount > 0 {
            self.done = self.done.saturating_add(amount);
            self.at = self.at.max(self.draw(random));
        }
    }

    fn end(&self) -> Instant {
        self.started + self.span
    }

    /// A random point of the next message's share of the time.
    fn draw(&self, random: &mut Random) -> Instant {
        let total = self.total.max(1);
        let part = |amount: usize| {
            let nanos = u128::from(self.span.as_nanos()) * amount.min(total) as u128 / total as u128;
            Duration::from_nanos(nanos as u64)
        };
        let at = self.started + part(self.done) + random.delay(part(self.share));
        at.min(self.end().max(self.started + Duration::from_nanos(1)))
    }
}
