//! How often neighbours of a link may come, go and change.

use crate::time::{Duration, Instant};

/// How many changes at once: more routers than a link has, all of which start together.
const BURST: u64 = 64;
/// In what time one more is allowed.
const SPACING: Duration = Duration::from_millis(100);

/// A limit on Hellos that change something about the neighbours of a link. Each of those has all trees looked at, and anybody
/// on the link can send as many as it likes. One that exceeds the limit counts as lost on its way, and is said once more with
/// the next Hello. Those that only say what is known never exceed it.
#[derive(Debug)]
pub(super) struct Churn {
    /// How many changes are allowed at once.
    left: u64,
    /// Up to when what is earned by waiting is counted in.
    counted: Instant,
}

impl Default for Churn {
    fn default() -> Self {
        Self {
            left: BURST,
            counted: Instant::ZERO,
        }
    }
}

impl Churn {
    /// Whether one more change is allowed, which counts as one.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        let earned = now.since(self.counted).as_nanos() / SPACING.as_nanos();
        self.counted += SPACING * earned;
        self.left = self.left.saturating_add(earned).min(BURST);
        let is_allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_a_steady_pace() {
        let mut churn = Churn::default();
        let begin = Instant::from_nanos(0) + Duration::from_secs(1_000);
        let at_once = (0..1_000).filter(|_| churn.allows(begin)).count();
        assert_eq!(at_once, 64);
        let later = begin + Duration::from_secs(3);
        let more = (0..1_000).filter(|_| churn.allows(later)).count();
        assert_eq!(more, 30, "ten a second");
        let rested = later + Duration::from_secs(1_000);
        assert_eq!((0..1_000).filter(|_| churn.allows(rested)).count(), 64);
    }
}
