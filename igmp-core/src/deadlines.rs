//! All deadlines of a router.
//!
//! There is an index for each kind of record, so that an entry is no larger than what names a record of its kind: there may
//! be a million groups, each with a deadline.

use core::net::Ipv4Addr;

use crate::{
    InterfaceId,
    time::Instant,
    timers::{Slot, Timers},
};

/// What a deadline belongs to. The order is that in which deadlines of the same instant are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The General Query timer or the Other Querier Present timer of an interface.
    Interface(InterfaceId),
    /// The next transmission of a group's specific queries.
    Series(InterfaceId, Ipv4Addr),
    /// A source timer: interface, group, source.
    Source(InterfaceId, Ipv4Addr, Ipv4Addr),
    /// The group timer, the older-host timers, or a look at a group that was put off.
    Group(InterfaceId, Ipv4Addr),
}

/// The deadlines.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    interfaces: Timers<InterfaceId>,
    series: Timers<(InterfaceId, Ipv4Addr)>,
    sources: Timers<(InterfaceId, Ipv4Addr, Ipv4Addr)>,
    groups: Timers<(InterfaceId, Ipv4Addr)>,
}

impl Deadlines {
    /// Sees to it that the record of `slot` is looked at no later than `at`.
    pub(crate) fn wake_by(&mut self, slot: &mut Slot, at: Instant, key: Key) {
        match key {
            Key::Interface(interface) => self.interfaces.wake_by(slot, at, interface),
            Key::Series(interface, group) => self.series.wake_by(slot, at, (interface, group)),
            Key::Source(interface, group, source) => {
                self.sources.wake_by(slot, at, (interface, group, source));
            }
            Key::Group(interface, group) => self.groups.wake_by(slot, at, (interface, group)),
        }
    }

    /// Forgets the record of `slot`.
    pub(crate) fn cancel(&mut self, slot: &mut Slot, key: Key) {
        match key {
            Key::Interface(interface) => self.interfaces.cancel(slot, interface),
            Key::Series(interface, group) => self.series.cancel(slot, (interface, group)),
            Key::Source(interface, group, source) => self.sources.cancel(slot, (interface, group, source)),
            Key::Group(interface, group) => self.groups.cancel(slot, (interface, group)),
        }
    }

    /// Takes out the earliest entry, if it is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Key> {
        let next = self.next().filter(|&next| next <= now)?;
        // One of them has it: none is due before.
        let interface = self.interfaces.pop_due(next).map(Key::Interface);
        let series = |series: &mut Timers<_>| series.pop_due(next).map(|(id, group)| Key::Series(id, group));
        let source = |sources: &mut Timers<_>| {
            let due = sources.pop_due(next);
            due.map(|(id, group, source)| Key::Source(id, group, source))
        };
        let group = |groups: &mut Timers<_>| groups.pop_due(next).map(|(id, group)| Key::Group(id, group));
        interface
            .or_else(|| series(&mut self.series))
            .or_else(|| source(&mut self.sources))
            .or_else(|| group(&mut self.groups))
    }

    /// When the earliest entry is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        let Self {
            interfaces,
            series,
            sources,
            groups,
        } = self;
        [interfaces.next(), series.next(), sources.next(), groups.next()]
            .into_iter()
            .flatten()
            .min()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn key() -> impl Strategy<Value = Key> {
        let id = || (0..2_u32).prop_map(InterfaceId);
        let address = || (0..3_u32).prop_map(Ipv4Addr::from_bits);
        prop_oneof![
            id().prop_map(Key::Interface),
            (id(), address()).prop_map(|(id, group)| Key::Series(id, group)),
            (id(), address(), address()).prop_map(|(id, group, source)| Key::Source(id, group, source)),
            (id(), address()).prop_map(|(id, group)| Key::Group(id, group)),
        ]
    }

    proptest! {
        /// However the kinds are kept, they come in the order of instant and key.
        #[test]
        fn all_kinds_come_in_one_order(
            wanted in vec((0..6_u64, key()), 0..60),
            ended in vec(any::<prop::sample::Index>(), 0..20),
            now in 0..7_u64,
        ) {
            let mut deadlines = Deadlines::default();
            let mut slots = std::collections::BTreeMap::new();
            for &(at, key) in &wanted {
                let slot = slots.entry(key).or_insert_with(Slot::default);
                deadlines.wake_by(slot, Instant::from_nanos(at), key);
            }
            for index in &ended {
                if !wanted.is_empty() {
                    let (_, key) = *index.get(&wanted);
                    if let Some(slot) = slots.get_mut(&key) {
                        deadlines.cancel(slot, key);
                    }
                }
            }
            let mut model: BTreeSet<(Instant, Key)> =
                slots.iter().filter_map(|(key, slot)| Some((slot.at()?, *key))).collect();
            let now = Instant::from_nanos(now);
            while let Some(key) = deadlines.pop_due(now) {
                let first = model.pop_first();
                prop_assert_eq!(first.map(|(_, key)| key), Some(key));
                prop_assert!(first.is_some_and(|(at, _)| at <= now));
            }
            prop_assert!(model.first().is_none_or(|(at, _)| *at > now));
            prop_assert_eq!(deadlines.next(), model.first().map(|(at, _)| *at));
        }
    }
}
