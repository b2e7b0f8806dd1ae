//! Routes that an earlier agent left in the kernel: packets go on along them until it is known which hold.
//!
//! Without PIM that is known as soon as the memberships in the maps have been taken over. With PIM, the neighbours have to
//! say again what they want, which they do once they have heard that this router has lost it. Until then a route also leads
//! to where the earlier agent's route led, as far as neighbours may be there.

use std::collections::{BTreeSet, HashMap};

use igmp_wire::abi::{RouteEntry, RouteKey};

use crate::kernel::Kernel;

/// The routes of an earlier agent.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    /// Those that nobody has confirmed so far.
    unconfirmed: HashMap<RouteKey, RouteEntry>,
    /// The slots in its port sets.
    sets: HashMap<u32, Vec<u32>>,
    /// Slots that neighbours may still ask for, as long as there is time for it.
    awaited: BTreeSet<u32>,
    /// Routes that are confirmed, and lead to these slots besides where they were confirmed to lead.
    widened: HashMap<RouteKey, Vec<u32>>,
}

impl Earlier {
    /// What is in the maps.
    pub(super) fn read(kernel: &Kernel) -> Self {
        Self {
            unconfirmed: kernel.routes().into_iter().collect(),
            ..Self::default()
        }
    }

    /// Has routes go on to lead to these slots until [`take`](Self::take).
    pub(super) fn await_slots(&mut self, kernel: &Kernel, slots: BTreeSet<u32>) {
        for entry in self.unconfirmed.values() {
            self.sets.entry(entry.port_set).or_insert_with(|| {
                let set = kernel.port_set(entry.port_set).unwrap_or_default();
                slots.iter().copied().filter(|&slot| set.contains(slot)).collect()
            });
        }
        self.awaited = slots;
    }

    /// Takes in that there is such a route. Returns the slots that it has to lead to besides.
    pub(super) fn confirm(&mut self, key: RouteKey) -> &[u32] {
        // Nearly always there are none, and then a key need not even be hashed.
        if !self.unconfirmed.is_empty()
            && let Some(entry) = self.unconfirmed.remove(&key)
            && !self.awaited.is_empty()
            && let Some(slots) = self.sets.get(&entry.port_set).filter(|slots| !slots.is_empty())
        {
            self.widened.insert(key, slots.clone());
        }
        self.widened.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Takes in that there is no such route any more.
    pub(super) fn forget(&mut self, key: RouteKey) {
        if !self.unconfirmed.is_empty() {
            self.unconfirmed.remove(&key);
        }
        if !self.widened.is_empty() {
            self.widened.remove(&key);
        }
    }

    /// The routes that nobody has confirmed so far.
    pub(super) fn unconfirmed(&self) -> impl Iterator<Item = (RouteKey, RouteEntry)> {
        self.unconfirmed.iter().map(|(&key, &entry)| (key, entry))
    }

    /// Ends it. Returns the routes that nobody has confirmed, which are over, and those that lead to more slots than they
    /// should.
    pub(super) fn take(&mut self) -> (Vec<RouteKey>, Vec<RouteKey>) {
        let Self {
            unconfirmed, widened, ..
        } = std::mem::take(self);
        (unconfirmed.into_keys().collect(), widened.into_keys().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_SOURCE: RouteKey = RouteKey {
        group: 0xef01_0101,
        source: 0x0a00_0002,
    };
    const OF_GROUP: RouteKey = RouteKey {
        group: 0xef01_0101,
        source: 0,
    };

    /// Two routes with the port set 7, in which the slots 1 and 3 are awaited.
    fn earlier() -> Earlier {
        let entry = RouteEntry {
            port_set: 7,
            incoming: 0,
        };
        Earlier {
            unconfirmed: [(OF_SOURCE, entry), (OF_GROUP, entry)].into(),
            sets: [(7, vec![1, 3])].into(),
            awaited: [1, 3, 5].into(),
            widened: HashMap::new(),
        }
    }

    #[test]
    fn a_confirmed_route_leads_on_to_where_neighbours_may_be() {
        let mut earlier = earlier();
        assert_eq!(earlier.confirm(OF_GROUP), [1, 3]);
        assert_eq!(earlier.confirm(OF_GROUP), [1, 3], "as often as it changes");
        assert_eq!(
            earlier.unconfirmed().map(|(key, _)| key).collect::<Vec<_>>(),
            [OF_SOURCE]
        );
        assert_eq!(earlier.take(), (vec![OF_SOURCE], vec![OF_GROUP]));
        assert_eq!(earlier.confirm(OF_GROUP), [0; 0], "it is over");
        assert_eq!(earlier.take(), (vec![], vec![]));
    }

    #[test]
    fn a_route_that_is_removed_does_not_come_back() {
        let mut earlier = earlier();
        earlier.confirm(OF_GROUP);
        earlier.forget(OF_GROUP);
        assert_eq!(earlier.confirm(OF_GROUP), [0; 0]);
        assert_eq!(earlier.take(), (vec![OF_SOURCE], vec![]));
    }

    #[test]
    fn without_anybody_to_wait_for_a_confirmed_route_is_as_it_was_confirmed() {
        let mut earlier = Earlier {
            sets: HashMap::new(),
            awaited: BTreeSet::new(),
            ..earlier()
        };
        assert_eq!(earlier.confirm(OF_GROUP), [0; 0]);
        assert_eq!(earlier.take(), (vec![OF_SOURCE], vec![]));
    }
}
