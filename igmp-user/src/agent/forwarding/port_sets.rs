//! Port sets and their numbers: routes with the same ports share one.

use std::collections::{BTreeSet, HashMap, VecDeque};

use igmp_core::{Duration, Instant};
use igmp_wire::abi::{EMPTY_PORT_SET, MAX_PORT_SETS};

/// How long a set without routes is kept: until no packet is under way to it any more, and long enough for a member that
/// comes and goes to find it again.
pub(super) const KEEP: Duration = Duration::from_secs(10);
/// The same where there is no number left for further sets: only until no packet is under way to it any more.
pub(super) const KEEP_WHEN_FULL: Duration = Duration::from_secs(1);

/// The slots of a set, ascending.
type Slots = Box<[u32]>;

#[derive(Debug)]
struct Entry {
    slots: Slots,
    routes: u32,
    /// When the last route went, where there is none.
    idle_since: Option<Instant>,
}

/// The sets that there are.
#[derive(Debug)]
pub(super) struct PortSets {
    numbers: HashMap<Slots, u32>,
    entries: HashMap<u32, Entry>,
    /// The sets that each slot is in, so that a port that changes is found without a search.
    by_slot: HashMap<u32, BTreeSet<u32>>,
    free: VecDeque<u32>,
    idle: VecDeque<(Instant, u32)>,
}

impl Default for PortSets {
    fn default() -> Self {
        Self {
            numbers: HashMap::new(),
            entries: HashMap::new(),
            by_slot: HashMap::new(),
            free: (EMPTY_PORT_SET + 1..MAX_PORT_SETS).collect(),
            idle: VecDeque::new(),
        }
    }
}

impl PortSets {
    /// No sets, of which the first ones get numbers other than these, to which packets may be under way.
    pub(super) fn beginning_after(in_use: &BTreeSet<u32>) -> Self {
        let (used, mut free): (VecDeque<u32>, VecDeque<u32>) =
            (EMPTY_PORT_SET + 1..MAX_PORT_SETS).partition(|number| in_use.contains(number));
        free.extend(used);
        Self {
            free,
            ..Self::default()
        }
    }

    /// The number of the set with these slots, and whether it is new. It counts one route more. `None` where there are as
    /// many sets as there can be.
    pub(super) fn acquire(&mut self, slots: &[u32]) -> Option<(u32, bool)> {
        if slots.is_empty() {
            return Some((EMPTY_PORT_SET, false));
        }
        if let Some(&number) = self.numbers.get(slots) {
            if let Some(entry) = self.entries.get_mut(&number) {
                entry.routes += 1;
                entry.idle_since = None;
            }
            return Some((number, false));
        }
        let number = self.free.pop_front()?;
        self.numbers.insert(slots.into(), number);
        for &slot in slots {
            self.by_slot.entry(slot).or_default().insert(number);
        }
        self.entries.insert(
            number,
            Entry {
                slots: slots.into(),
                routes: 1,
                idle_since: None,
            },
        );
        Some((number, true))
    }

    /// Counts one route less. Returns whether it was the last.
    pub(super) fn release(&mut self, number: u32, now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(&number) else {
            return false;
        };
        entry.routes = entry.routes.saturating_sub(1);
        if entry.routes == 0 {
            entry.idle_since = Some(now);
            self.idle.push_back((now, number));
        }
        entry.routes == 0
    }

    /// Whether there is a number for a further set.
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// Whether there is such a set.
    pub(super) fn contains(&self, number: u32) -> bool {
        self.entries.contains_key(&number)
    }

    /// The slots of a set.
    pub(super) fn slots(&self, number: u32) -> &[u32] {
        self.entries.get(&number).map_or(&[], |entry| &entry.slots)
    }

    /// The sets with this slot.
    pub(super) fn with_slot(&self, slot: u32) -> impl Iterator<Item = u32> {
        self.by_slot.get(&slot).into_iter().flatten().copied()
    }

    /// Takes out the sets that have had no route for so long.
    pub(super) fn take_idle(&mut self, now: Instant, keep: Duration) -> Vec<u32> {
        let mut taken = Vec::new();
        while let Some(&(since, number)) = self.idle.front()
            && now.since(since) >= keep
        {
            self.idle.pop_front();
            // It may have got a route again, and lost it once more.
            if self.entries.get(&number).and_then(|entry| entry.idle_since) != Some(since) {
                continue;
            }
            if let Some(entry) = self.entries.remove(&number) {
                for slot in &entry.slots {
                    if let Some(numbers) = self.by_slot.get_mut(slot) {
                        numbers.remove(&number);
                        if numbers.is_empty() {
                            self.by_slot.remove(slot);
                        }
                    }
                }
                self.numbers.remove(&entry.slots);
                self.free.push_back(number);
                taken.push(number);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn equal_sets_share_a_number() {
        let mut sets = PortSets::default();
        let (first, new) = sets.acquire(&[1, 2]).expect("room");
        assert!(new);
        assert_eq!(sets.acquire(&[1, 2]), Some((first, false)));
        let (second, _) = sets.acquire(&[2]).expect("room");
        assert_ne!(first, second);
        assert_eq!(sets.slots(first), [1, 2]);
        assert_eq!(sets.with_slot(2).collect::<Vec<_>>(), [first, second]);
        assert_eq!(sets.with_slot(1).collect::<Vec<_>>(), [first]);
    }

    #[test]
    fn no_ports_need_no_set() {
        let mut sets = PortSets::default();
        assert_eq!(sets.acquire(&[]), Some((EMPTY_PORT_SET, false)));
        sets.release(EMPTY_PORT_SET, at(0));
        assert_eq!(sets.take_idle(at(100), KEEP), [0_u32; 0]);
    }

    #[test]
    fn a_set_is_kept_for_a_while_after_its_last_route() {
        let mut sets = PortSets::default();
        let (number, _) = sets.acquire(&[1]).expect("room");
        sets.release(number, at(1));
        assert_eq!(sets.take_idle(at(5), KEEP), [0_u32; 0]);
        assert_eq!(sets.acquire(&[1]), Some((number, false)), "it is found again");
        assert_eq!(sets.take_idle(at(100), KEEP), [0_u32; 0], "it has a route");
        sets.release(number, at(101));
        assert_eq!(sets.take_idle(at(111), KEEP), [number]);
        assert_eq!(sets.with_slot(1).count(), 0);
        let (next, new) = sets.acquire(&[1]).expect("room");
        assert!(new);
        assert_ne!(
            next, number,
            "a number rests as long as possible before it means another set"
        );
    }

    #[test]
    fn there_is_a_limit() {
        let mut sets = PortSets::default();
        for slot in 1..MAX_PORT_SETS {
            assert!(sets.acquire(&[slot]).is_some());
        }
        assert_eq!(sets.acquire(&[0]), None);
        assert!(!sets.has_room());
        assert!(sets.acquire(&[5]).is_some(), "those that there are can be used");
        assert!(sets.release(7, at(1)), "it has no further route");
        assert_eq!(sets.take_idle(at(2), KEEP_WHEN_FULL), [7]);
        assert!(sets.has_room());
    }
}
