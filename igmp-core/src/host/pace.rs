//! How fast changes are told.

use crate::time::{Duration, Instant};

/// What a packet full of records costs: at most a thousand of them leave in a second, with 183,000 groups on an Ethernet.
pub(super) const PACKET: Duration = Duration::from_millis(1);
/// What a message of one group costs.
pub(super) const MESSAGE: Duration = Duration::from_nanos(PACKET.as_nanos() / 10);
/// How much may be spent at once after a rest. Receivers have to take it without a pause.
const SAVINGS: Duration = Duration::from_millis(32);

/// A budget that time fills and messages spend.
///
/// A host tells of a change at once (RFC 9776 §5.1). A proxy that has to tell of ten thousands at once, because an interface
/// came up or went down, would lose some of them in the receive buffer of the router; and where they come one by one,
/// those that come while it waits share a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    saved: Duration,
    /// When it was `saved`. In the future where more was spent than there was.
    at: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            saved: SAVINGS,
            at: Instant::ZERO,
        }
    }

    /// How many messages of this cost may be sent now.
    pub(super) fn allowance(&mut self, now: Instant, cost: Duration) -> usize {
        if self.at > now {
            return 0;
        }
        let saved = self.saved + now.since(self.at);
        self.saved = saved.min(SAVINGS);
        self.at = now;
        (self.saved.as_nanos() / cost.as_nanos()) as usize
    }

    /// When the next message of this cost may be sent.
    pub(super) fn ready_at(&self, cost: Duration) -> Instant {
        self.at + (cost - self.saved)
    }

    /// Spends on messages.
    pub(super) fn spend(&mut self, messages: usize, cost: Duration) {
        let spent = cost * messages as u64;
        self.at += spent - self.saved;
        self.saved = self.saved - spent;
    }
}

#[cfg(test)]
mod tests {
    use super::{MESSAGE, PACKET, Pace, SAVINGS};
    use crate::time::{Duration, Instant};

    #[test]
    fn a_burst_and_then_one_a_millisecond() {
        let now = Instant::from_nanos(1) + Duration::from_secs(5);
        let mut pace = Pace::new();
        assert_eq!(pace.allowance(now, PACKET), 32);
        assert_eq!(pace.allowance(now, MESSAGE), 320);
        pace.spend(32, PACKET);
        assert_eq!(pace.allowance(now, PACKET), 0);
        assert_eq!(pace.ready_at(PACKET), now + PACKET);
        assert_eq!(pace.allowance(now + PACKET, PACKET), 1);
        // More than there is delays what follows.
        pace.spend(5, PACKET);
        assert_eq!(pace.ready_at(PACKET), now + PACKET * 6);
        assert_eq!(pace.allowance(now + PACKET * 5, PACKET), 0);
        assert_eq!(pace.allowance(now + PACKET * 6, PACKET), 1);
        assert_eq!(pace.allowance(now + SAVINGS * 9, PACKET), 32);
    }
}
