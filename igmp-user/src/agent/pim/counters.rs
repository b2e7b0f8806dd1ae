//! What was received, refused and sent on an interface.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use igmp_core::pim::Message;
use igmp_wire::pim::{self, Refusal};

/// Messages by their type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Messages {
    /// Hellos.
    pub(super) hello: u64,
    /// Join/Prune messages.
    pub(super) join_prune: u64,
    /// Asserts.
    pub(super) assert: u64,
}

/// What the task that receives on an interface has counted. It goes on over the interface's ups and downs.
#[derive(Debug, Default)]
pub(super) struct Counters {
    hello: AtomicU64,
    join_prune: AtomicU64,
    assert: AtomicU64,
    /// Entries of Join/Prune messages that RFC 7761 has a receiver ignore.
    skipped: AtomicU64,
    refused: [AtomicU64; Refusal::COUNT],
    /// What sockets lost that are closed by now, and the one that is open.
    lost: [AtomicU64; 2],
}

/// What was counted on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Received, and in order.
    pub(super) received: Messages,
    /// Sent.
    pub(super) sent: Messages,
    /// Refused, by [`Refusal`].
    pub(super) refused: [u64; Refusal::COUNT],
    /// Entries of Join/Prune messages that were left out.
    pub(super) skipped: u64,
    /// Messages that found no room, because there were too many.
    pub(super) lost: u64,
}

impl Messages {
    /// Counts one.
    pub(super) fn count(&mut self, message: &Message) {
        *match message {
            Message::Hello(_) => &mut self.hello,
            Message::JoinPrune(_) => &mut self.join_prune,
            Message::Assert(_) => &mut self.assert,
        } += 1;
    }
}

impl Counters {
    pub(super) fn count_received(&self, message: &pim::Message<'_>) {
        let counter = match message {
            pim::Message::Hello(_) => &self.hello,
            pim::Message::JoinPrune(join_prune) => {
                self.skipped.fetch_add(join_prune.skipped.into(), Relaxed);
                &self.join_prune
            }
            pim::Message::Assert(_) => &self.assert,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(super) fn count_refused(&self, refusal: Refusal) {
        if let Some(counter) = self.refused.get(refusal as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// Takes in how many messages the socket that is open has lost so far.
    pub(super) fn set_lost(&self, lost: u64) {
        self.lost[1].store(lost, Relaxed);
    }

    /// Takes in that the next socket begins to count anew.
    pub(super) fn begin_socket(&self) {
        self.lost[0].fetch_add(self.lost[1].swap(0, Relaxed), Relaxed);
    }

    /// What was counted, together with what was sent.
    pub(super) fn read(&self, sent: Messages) -> Counted {
        Counted {
            received: Messages {
                hello: self.hello.load(Relaxed),
                join_prune: self.join_prune.load(Relaxed),
                assert: self.assert.load(Relaxed),
            },
            sent,
            refused: std::array::from_fn(|reason| self.refused[reason].load(Relaxed)),
            skipped: self.skipped.load(Relaxed),
            lost: self.lost.iter().map(|counter| counter.load(Relaxed)).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_closed_sockets_lost_is_not_forgotten() {
        let counters = Counters::default();
        counters.set_lost(3);
        counters.set_lost(5);
        counters.begin_socket();
        assert_eq!(counters.read(Messages::default()).lost, 5);
        counters.set_lost(2);
        assert_eq!(counters.read(Messages::default()).lost, 7);
    }
}
