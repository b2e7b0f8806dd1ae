//! Groups that the configuration wants (`static-group` of RFC 8652).
//!
//! They lie beside the state that hosts report and are never mixed into it: a static member is one more host that never
//! leaves. Only what the router tells about a group is the sum of both.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    InterfaceId,
    config::StaticGroup,
    forwarding::{Changes, Origins, Wish},
    time::Instant,
};

/// What the configuration wants of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StaticMembers {
    /// Whether all sources are wanted.
    pub(crate) any_source: bool,
    /// Sources that are wanted by name.
    pub(crate) sources: BTreeSet<Ipv4Addr>,
    /// Since when the group is configured.
    pub(crate) since: Instant,
}

impl StaticMembers {
    /// Whether a source is wanted, by name or with all others.
    pub(crate) fn wants(&self, source: Ipv4Addr) -> bool {
        self.any_source || self.sources.contains(&source)
    }

    /// What the configuration says of a source by name: nothing is ever blocked.
    pub(crate) fn wish(&self, source: Ipv4Addr) -> Wish {
        Wish {
            wanted: Origins::STATIC.when(self.sources.contains(&source)),
            blocked: Origins::NONE,
        }
    }
}

/// What the configuration wants on one interface, by group. It is only replaced as a whole, with a note of what differs
/// then, since routes follow from it.
#[derive(Debug, Default)]
pub(crate) struct Statics(BTreeMap<Ipv4Addr, StaticMembers>);

impl Statics {
    pub(crate) fn get(&self, group: Ipv4Addr) -> Option<&StaticMembers> {
        self.0.get(&group)
    }

    pub(crate) fn contains(&self, group: Ipv4Addr) -> bool {
        self.0.contains_key(&group)
    }

    /// The groups from `from` on, ascending.
    pub(crate) fn groups(&self, from: Ipv4Addr) -> impl Iterator<Item = Ipv4Addr> {
        self.0.range(from..).map(|(&group, _)| group)
    }

    /// Replaces what is wanted and answers what was.
    pub(crate) fn replace(
        &mut self,
        interface: InterfaceId,
        after: BTreeMap<Ipv4Addr, StaticMembers>,
        changes: &mut Changes,
    ) -> BTreeMap<Ipv4Addr, StaticMembers> {
        let before = core::mem::replace(&mut self.0, after);
        let none = BTreeSet::new();
        let groups: BTreeSet<Ipv4Addr> = before.keys().chain(self.0.keys()).copied().collect();
        for group in groups {
            let [old, new] = [before.get(&group), self.0.get(&group)];
            let mut journal = changes.of(interface, group);
            let [had, has] = [old, new].map(|members| members.is_some_and(|members| members.any_source));
            if had != has {
                journal.any_source();
            }
            let [old, new] = [old, new].map(|members| members.map_or(&none, |members| &members.sources));
            for &source in old.symmetric_difference(new) {
                journal.source(source);
            }
        }
        before
    }
}

/// Sorts a configuration by groups.
pub(crate) fn by_group(configured: &[StaticGroup], now: Instant) -> BTreeMap<Ipv4Addr, StaticMembers> {
    let mut groups = BTreeMap::new();
    for &StaticGroup { group, source } in configured {
        let members = groups.entry(group).or_insert_with(|| StaticMembers {
            any_source: false,
            sources: BTreeSet::new(),
            since: now,
        });
        match source {
            None => members.any_source = true,
            Some(source) => {
                members.sources.insert(source);
            }
        }
    }
    groups
}
