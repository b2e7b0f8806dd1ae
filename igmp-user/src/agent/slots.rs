//! Which interface has which slot in the kernel's maps.
//!
//! A slot is free again only when none of its groups is left in the maps: its next owner would inherit them.

use std::collections::{BTreeSet, VecDeque};

use igmp_wire::abi::MAX_INTERFACES;

/// The slots and who has them.
#[derive(Debug)]
pub(super) struct Slots {
    /// The name of the owner of each slot.
    owners: Vec<Option<String>>,
    /// Slots without an owner. The one that was given back longest ago is first.
    free: VecDeque<u32>,
    /// Slots that lost their owner and may still have groups.
    draining: BTreeSet<u32>,
}

impl Slots {
    /// All slots, of which `used` may have groups that an earlier agent left.
    pub(super) fn new(used: impl IntoIterator<Item = u32>) -> Self {
        let draining: BTreeSet<u32> = used.into_iter().filter(|&slot| slot < MAX_INTERFACES).collect();
        Self {
            owners: vec![None; MAX_INTERFACES as usize],
            free: (0..MAX_INTERFACES)
                .filter(|slot| !draining.contains(slot))
                .collect(),
            draining,
        }
    }

    /// Gives the slot that an earlier agent had for this interface back to it. `false` where it is not to be had.
    pub(super) fn reclaim(&mut self, slot: u32, name: &str) -> bool {
        if !self.draining.remove(&slot) {
            return false;
        }
        self.own(slot, name);
        true
    }

    /// Gives a free slot to an interface. `None` where all are taken.
    pub(super) fn take(&mut self, name: &str) -> Option<u32> {
        let slot = self.free.pop_front()?;
        self.own(slot, name);
        Some(slot)
    }

    /// Takes a slot from its owner.
    pub(super) fn give_back(&mut self, slot: u32) {
        if let Some(owner) = self.owners.get_mut(slot as usize)
            && owner.take().is_some()
        {
            self.draining.insert(slot);
        }
    }

    /// Slots that wait for their groups to be gone.
    pub(super) fn draining(&self) -> impl Iterator<Item = u32> + '_ {
        self.draining.iter().copied()
    }

    /// The groups of this slot are gone.
    pub(super) fn drained(&mut self, slot: u32) {
        if self.draining.remove(&slot) {
            self.free.push_back(slot);
        }
    }

    /// The interface that has this slot.
    pub(super) fn owner(&self, slot: u32) -> Option<&str> {
        self.owners.get(slot as usize)?.as_deref()
    }

    fn own(&mut self, slot: u32, name: &str) {
        if let Some(owner) = self.owners.get_mut(slot as usize) {
            *owner = Some(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_reused_only_when_it_is_drained() {
        let mut slots = Slots::new([]);
        for index in 0..MAX_INTERFACES {
            assert_eq!(slots.take(&format!("if{index}")), Some(index));
        }
        assert_eq!(slots.take("more"), None);
        slots.give_back(7);
        assert_eq!(slots.owner(7), None);
        assert_eq!(slots.take("more"), None, "its groups may still be there");
        assert_eq!(slots.draining().collect::<Vec<_>>(), [7]);
        slots.drained(7);
        assert_eq!(slots.take("more"), Some(7));
        assert_eq!(slots.owner(7), Some("more"));
    }

    #[test]
    fn the_slots_of_an_earlier_agent_go_to_the_same_interface_or_are_drained() {
        let mut slots = Slots::new([0, 3]);
        assert!(slots.reclaim(3, "lan0"));
        assert!(!slots.reclaim(3, "lan1"), "a slot has one owner");
        assert!(!slots.reclaim(5, "lan1"), "nobody had that one");
        assert_eq!(slots.take("lan1"), Some(1));
        assert_eq!(slots.draining().collect::<Vec<_>>(), [0]);
    }
}
