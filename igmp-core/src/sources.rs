//! The source records of a group.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, btree_map::Entry};

use crate::{budget::Budget, time::Instant, timer::Timer, timers::Slot};

/// A source record (RFC 9776 §6.2.3).
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The source timer; `None` where it does not run, as it does for all of Y.
    pub(crate) timer: Option<Timer>,
    /// Where the source timer is queued.
    pub(crate) slot: Slot,
    /// Since when there is this record.
    pub(crate) since: Instant,
}

/// The source records of a group, by address.
///
/// Nearly every group is wanted from any source and has none, so that a group takes no more room for them than a
/// pointer.
#[derive(Debug, Default)]
#[expect(
    clippy::box_collection,
    reason = "the map itself is three times as large as the pointer, and there may be a million"
)]
pub(crate) struct Sources(Option<Box<BTreeMap<Ipv4Addr, Source>>>);

impl Sources {
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |sources| sources.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn contains(&self, address: Ipv4Addr) -> bool {
        self.get(address).is_some()
    }

    pub(crate) fn get(&self, address: Ipv4Addr) -> Option<&Source> {
        self.0.as_ref()?.get(&address)
    }

    pub(crate) fn get_mut(&mut self, address: Ipv4Addr) -> Option<&mut Source> {
        self.0.as_mut()?.get_mut(&address)
    }

    /// The record of a source; where there is none, a new one whose timer does not run.
    pub(crate) fn get_or_insert(
        &mut self,
        address: Ipv4Addr,
        now: Instant,
        budget: &mut Budget,
    ) -> &mut Source {
        match self.0.get_or_insert_default().entry(address) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                budget.add_source();
                entry.insert(Source {
                    timer: None,
                    slot: Slot::default(),
                    since: now,
                })
            }
        }
    }

    pub(crate) fn remove(&mut self, address: Ipv4Addr, budget: &mut Budget) {
        if let Some(sources) = &mut self.0 {
            if sources.remove(&address).is_some() {
                budget.remove_sources(1);
            }
            if sources.is_empty() {
                self.0 = None;
            }
        }
    }

    /// Forgets the sources whose timers do not run.
    pub(crate) fn retain_running(&mut self, budget: &mut Budget) {
        if let Some(sources) = &mut self.0 {
            let before = sources.len();
            sources.retain(|_, source| source.timer.is_some());
            budget.remove_sources(before - sources.len());
            if sources.is_empty() {
                self.0 = None;
            }
        }
    }

    /// All records, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Ipv4Addr, &Source)> {
        let sources = self.0.iter().flat_map(|sources| sources.iter());
        sources.map(|(&address, source)| (address, source))
    }

    /// All records, ascending.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Ipv4Addr, &mut Source)> {
        let sources = self.0.iter_mut().flat_map(|sources| sources.iter_mut());
        sources.map(|(&address, source)| (address, source))
    }
}
