//! All entries, with indexes for what must not search them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use igmp_core::Instant;

use super::{Flow, entry::Entry};

/// The entries by flow, by the time to look at them, and those that lead nowhere by age.
#[derive(Debug, Default)]
pub(super) struct Entries {
    flows: BTreeMap<Flow, Entry>,
    due: BTreeSet<(Instant, Flow)>,
    negative: BTreeSet<(Instant, Flow)>,
}

impl Entries {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// The entry of a flow.
    pub(super) fn get(&self, flow: Flow) -> Option<&Entry> {
        self.flows.get(&flow)
    }

    /// Sets the entry of a flow.
    pub(super) fn insert(&mut self, flow: Flow, entry: Entry) {
        self.remove(flow);
        self.index(flow, &entry);
        self.flows.insert(flow, entry);
    }

    /// Changes an entry, if there is one, and keeps the indexes right.
    pub(super) fn update<T>(&mut self, flow: Flow, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let mut entry = self.remove(flow)?;
        let answer = change(&mut entry);
        self.index(flow, &entry);
        self.flows.insert(flow, entry);
        Some(answer)
    }

    /// Removes an entry.
    pub(super) fn remove(&mut self, flow: Flow) -> Option<Entry> {
        let entry = self.flows.remove(&flow)?;
        self.due.remove(&(entry.look_at, flow));
        if let Some(since) = entry.negative_since {
            self.negative.remove(&(since, flow));
        }
        Some(entry)
    }

    /// The flows of all entries.
    pub(super) fn flows(&self) -> Vec<Flow> {
        self.flows.keys().copied().collect()
    }

    /// The flows of a group's entries.
    pub(super) fn flows_of(&self, group: Ipv4Addr) -> Vec<Flow> {
        let first = Flow {
            group,
            source: Ipv4Addr::UNSPECIFIED,
        };
        let last = Flow {
            group,
            source: Ipv4Addr::BROADCAST,
        };
        self.flows.range(first..=last).map(|(&flow, _)| flow).collect()
    }

    /// Up to `max` flows in ascending order, from the first after `after` on.
    pub(super) fn flows_after(&self, after: Option<Flow>, max: usize) -> Vec<Flow> {
        use std::ops::Bound::{Excluded, Unbounded};

        let start = after.map_or(Unbounded, Excluded);
        self.flows
            .range((start, Unbounded))
            .take(max)
            .map(|(&flow, _)| flow)
            .collect()
    }

    /// The entry that is to be looked at first, and when.
    pub(super) fn next_due(&self) -> Option<(Instant, Flow)> {
        self.due.first().copied()
    }

    /// The entry that has led nowhere for the longest time.
    pub(super) fn oldest_negative(&self) -> Option<Flow> {
        self.negative.first().map(|&(_, flow)| flow)
    }

    fn index(&mut self, flow: Flow, entry: &Entry) {
        self.due.insert((entry.look_at, flow));
        if let Some(since) = entry.negative_since {
            self.negative.insert((since, flow));
        }
    }

    /// Whether the indexes say what the entries say.
    #[cfg(test)]
    pub(super) fn is_consistent(&self) -> bool {
        let due = self.flows.iter().map(|(&flow, entry)| (entry.look_at, flow));
        let negative = self
            .flows
            .iter()
            .filter_map(|(&flow, entry)| Some((entry.negative_since?, flow)));
        due.collect::<BTreeSet<_>>() == self.due && negative.collect::<BTreeSet<_>>() == self.negative
    }
}
