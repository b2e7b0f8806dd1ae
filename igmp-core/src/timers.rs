//! An index of deadlines.
//!
//! One ordered set holds an entry for each record that waits for something. Records remember under which instant they
//! are queued, so that an entry can be taken out without a search. A deadline that moves later leaves the entry where it
//! is: the record is looked at once too early and queued anew, which is cheaper than moving an entry at each refresh.

use crate::{dense::DenseMap, time::Instant};

/// Where a record is queued: the part of the index that lies in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(Instant);

impl Default for Slot {
    fn default() -> Self {
        Self(Instant::MAX)
    }
}

impl Slot {
    /// When the record is looked at, unless it is not queued.
    pub(crate) fn at(self) -> Option<Instant> {
        (self != Self::default()).then_some(self.0)
    }
}

/// The deadlines of records that have such keys. The order of keys is that in which deadlines of the same instant are
/// served.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    queue: DenseMap<(Instant, K), ()>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self {
            queue: DenseMap::default(),
        }
    }
}

impl<K: Copy + Ord> Timers<K> {
    /// Sees to it that the record of `slot` is looked at no later than `at`.
    pub(crate) fn wake_by(&mut self, slot: &mut Slot, at: Instant, key: K) {
        if at < slot.0 {
            self.cancel(slot, key);
            self.queue.insert((at, key), ());
            slot.0 = at;
        }
    }

    /// Forgets the record of `slot`.
    pub(crate) fn cancel(&mut self, slot: &mut Slot, key: K) {
        let Some(at) = slot.at() else {
            return;
        };
        *slot = Slot::default();
        // What is being served has been taken out already, as a look at the first entry tells without a search.
        if self.next().is_some_and(|next| next <= at) {
            self.queue.remove(&(at, key));
        }
    }

    /// The earliest entry, if it is due.
    pub(crate) fn first_due(&self, now: Instant) -> Option<K> {
        let (at, key) = self.queue.first_key()?;
        (at <= now).then_some(key)
    }

    /// Takes out the earliest entry, if it is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        self.first_due(now)?;
        self.queue.pop_first().map(|((_, key), ())| key)
    }

    /// When the earliest entry is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first_key().map(|(at, _)| at)
    }
}
