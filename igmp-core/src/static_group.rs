//! Groups that the configuration wants (`static-group` of RFC 8652).
//!
//! They lie beside the state that hosts report and are never mixed into it: a static member is one more host that never
//! leaves. Only what the router tells about a group is the sum of both.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use crate::{config::StaticGroup, time::Instant};

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
