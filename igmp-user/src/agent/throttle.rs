//! Saying something once in a while that could be said all the time.

use igmp_core::{Duration, Instant};

/// The least time between two messages.
const INTERVAL: Duration = Duration::from_secs(60);

/// Counts occurrences and lets one message through per interval.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Throttle {
    last: Option<Instant>,
    untold: u64,
}

impl Throttle {
    /// Notes that it happened `count` times more. Where it is time for a message, returns how often it happened since
    /// the last one.
    pub(super) fn note(&mut self, now: Instant, count: u64) -> Option<u64> {
        self.untold += count;
        let due = self.last.is_none_or(|last| last + INTERVAL <= now);
        if self.untold == 0 || !due {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_per_interval_tells_of_all() {
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        let mut throttle = Throttle::default();
        assert_eq!(throttle.note(at(1), 0), None, "nothing happened");
        assert_eq!(throttle.note(at(2), 3), Some(3));
        assert_eq!(throttle.note(at(3), 1), None);
        assert_eq!(throttle.note(at(61), 1), None);
        assert_eq!(throttle.note(at(62), 0), Some(2));
        assert_eq!(throttle.note(at(200), 0), None);
    }
}
