//! How fast upcalls are answered: a flood of new flows must leave the agent time for everything else.

use igmp_core::{Duration, Instant};

/// How many upcalls are answered in a second, and how many at once after a pause.
pub(super) const PER_SECOND: u64 = 5_000;

/// A bucket that fills by [`PER_SECOND`] tokens, one for each upcall.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    tokens: u64,
    /// Up to when tokens were added.
    filled: Instant,
}

impl Pace {
    /// The time in which one token is added.
    const SPAN: Duration = Duration::from_nanos(1_000_000_000 / PER_SECOND);

    /// A full bucket.
    pub(super) const fn new() -> Self {
        Self {
            tokens: PER_SECOND,
            filled: Instant::ZERO,
        }
    }

    /// Takes a token.
    ///
    /// # Errors
    ///
    /// When there will be one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let spans = now.since(self.filled).as_nanos() / Self::SPAN.as_nanos();
        self.filled += Self::SPAN * spans;
        self.tokens = self.tokens.saturating_add(spans).min(PER_SECOND);
        match self.tokens.checked_sub(1) {
            Some(rest) => {
                self.tokens = rest;
                Ok(())
            }
            None => Err(self.filled + Self::SPAN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_burst_upcalls_come_at_the_rate() {
        let start = Instant::ZERO + Duration::from_secs(1_000);
        let mut pace = Pace::new();
        for _ in 0..PER_SECOND {
            assert_eq!(pace.take(start), Ok(()));
        }
        let next = pace.take(start).expect_err("the bucket is empty");
        assert!(next > start && next <= start + Duration::from_secs(1));
        assert_eq!(pace.take(next), Ok(()));
        assert!(pace.take(next).is_err());

        let later = start + Duration::from_secs(10);
        let taken = (0..3 * PER_SECOND)
            .take_while(|_| pace.take(later).is_ok())
            .count();
        assert_eq!(
            taken as u64, PER_SECOND,
            "a pause saves up no more than one second"
        );
    }
}
