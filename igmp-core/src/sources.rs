//! The source records of a group.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, btree_map::Entry};

use crate::{
    budget::Budget,
    forwarding::{Journal, Origins, Wish},
    time::Instant,
    timer::Timer,
    timers::Slot,
};

/// A source record (RFC 9776 §6.2.3).
///
/// Whether there is a record and whether its timer runs does not change without a note of that, since routes follow from
/// it.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The source timer; `None` where it does not run, as it does for all of Y.
    timer: Option<Timer>,
    /// Where the source timer is queued.
    pub(crate) slot: Slot,
    /// Since when there is this record.
    pub(crate) since: Instant,
}

impl Source {
    /// The source timer, where it runs.
    pub(crate) fn timer(&self) -> Option<Timer> {
        self.timer
    }

    /// The source timer, where it runs, to move its end.
    pub(crate) fn timer_mut(&mut self) -> Option<&mut Timer> {
        self.timer.as_mut()
    }

    /// Sets the source timer. Answers whether it did not run before.
    pub(crate) fn start(&mut self, address: Ipv4Addr, timer: Timer, journal: &mut Journal<'_>) -> bool {
        let started = self.timer.replace(timer).is_none();
        if started {
            journal.source(address);
        }
        started
    }

    /// Ends the source timer. Answers whether it ran.
    pub(crate) fn stop(&mut self, address: Ipv4Addr, journal: &mut Journal<'_>) -> bool {
        let stopped = self.timer.take().is_some();
        if stopped {
            journal.source(address);
        }
        stopped
    }

    /// What hosts say of the source by there being this record: A and X are wanted, Y is blocked.
    pub(crate) fn wish(&self) -> Wish {
        let is_running = self.timer.is_some();
        Wish {
            wanted: Origins::HOSTS.when(is_running),
            blocked: Origins::HOSTS.when(!is_running),
        }
    }
}

/// The source records of a group, by address.
#[derive(Debug, Default)]
pub(crate) struct Sources(BTreeMap<Ipv4Addr, Source>);

impl Sources {
    /// No sources.
    pub(crate) const fn none() -> Self {
        Self(BTreeMap::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, address: Ipv4Addr) -> bool {
        self.0.contains_key(&address)
    }

    pub(crate) fn get(&self, address: Ipv4Addr) -> Option<&Source> {
        self.0.get(&address)
    }

    pub(crate) fn get_mut(&mut self, address: Ipv4Addr) -> Option<&mut Source> {
        self.0.get_mut(&address)
    }

    /// The record of a source; where there is none, a new one whose timer does not run.
    pub(crate) fn get_or_insert(
        &mut self,
        address: Ipv4Addr,
        now: Instant,
        budget: &mut Budget,
        journal: &mut Journal<'_>,
    ) -> &mut Source {
        match self.0.entry(address) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                budget.add_source();
                journal.source(address);
                entry.insert(Source {
                    timer: None,
                    slot: Slot::default(),
                    since: now,
                })
            }
        }
    }

    pub(crate) fn remove(&mut self, address: Ipv4Addr, budget: &mut Budget, journal: &mut Journal<'_>) {
        if self.0.remove(&address).is_some() {
            budget.remove_sources(1);
            journal.source(address);
        }
    }

    /// Forgets the sources whose timers do not run.
    pub(crate) fn retain_running(&mut self, budget: &mut Budget, journal: &mut Journal<'_>) {
        let before = self.len();
        self.0.retain(|&address, source| {
            let is_running = source.timer.is_some();
            if !is_running {
                journal.source(address);
            }
            is_running
        });
        budget.remove_sources(before - self.len());
    }

    /// All records, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Ipv4Addr, &Source)> {
        self.0.iter().map(|(&address, source)| (address, source))
    }

    /// All records, ascending.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Ipv4Addr, &mut Source)> {
        self.0.iter_mut().map(|(&address, source)| (address, source))
    }
}
