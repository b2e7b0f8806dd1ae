//! The membership database of a proxy: what members on all downstream interfaces want together (RFC 4605 §4.1).
//!
//! RFC 9776 §3.2 merges by lists: EXCLUDE with the intersection of the lists of all EXCLUDE members without what an
//! INCLUDE member lists, or else INCLUDE with the union. A source is on the merged EXCLUDE list if and only if it is
//! granted to nobody, and on the merged INCLUDE list if and only if it is granted to anybody. So the list follows source
//! by source from what routes follow from as well, and a change of one source costs no look at the others.

use core::net::Ipv4Addr;

use igmp_wire::address::is_ssm;

use super::members::{AnySource, Members, OneSource};
use crate::{
    InterfaceId,
    mode::FilterMode,
    subscription::{SourceListChange, Subscription, SubscriptionChange},
};

/// What changed of the membership database since it was last asked for.
#[derive(Debug)]
pub(super) struct Subscriptions {
    /// Members here are no downstream members.
    pub(super) upstream: InterfaceId,
    changes: Vec<SubscriptionChange>,
}

impl Subscriptions {
    /// Begins with changes that were not asked for yet.
    pub(super) fn new(upstream: InterfaceId, changes: Vec<SubscriptionChange>) -> Self {
        Self { upstream, changes }
    }

    /// Hands over what changed.
    pub(super) fn take(&mut self) -> Vec<SubscriptionChange> {
        core::mem::take(&mut self.changes)
    }

    /// Tells a record as a whole.
    pub(super) fn replace(&mut self, subscription: Subscription) {
        let Subscription {
            group,
            filter_mode,
            sources,
        } = subscription;
        self.changes.push(SubscriptionChange {
            group,
            filter_mode,
            sources: SourceListChange::Replaced(sources),
        });
    }

    pub(super) fn tell(&mut self, difference: Difference) {
        let Difference {
            group,
            modes: [before, filter_mode],
            mut list,
            removed,
            ..
        } = difference;
        let sources = if before != filter_mode {
            list.sort_unstable();
            SourceListChange::Replaced(list)
        } else if list.is_empty() && removed.is_empty() {
            return;
        } else {
            SourceListChange::Changed { added: list, removed }
        };
        self.changes.push(SubscriptionChange {
            group,
            filter_mode,
            sources,
        });
    }
}

/// What becomes different of the record of one group.
#[derive(Debug)]
pub(super) struct Difference {
    group: Ipv4Addr,
    upstream: InterfaceId,
    modes: [FilterMode; 2],
    /// What is listed newly, or all that is listed where the mode changes.
    list: Vec<Ipv4Addr>,
    removed: Vec<Ipv4Addr>,
}

impl Difference {
    /// Begins with who wanted any source of the group before and who does now.
    pub(super) fn new(group: Ipv4Addr, upstream: InterfaceId, any_source: [&AnySource; 2]) -> Self {
        Self {
            group,
            upstream,
            modes: any_source.map(|any_source| filter_mode(group, any_source, upstream)),
            list: Vec::new(),
            removed: Vec::new(),
        }
    }

    /// Takes a source into account: what was said of it and what is, with who wanted any source. Where the mode changes it
    /// is to be called for each source.
    pub(super) fn compare(
        &mut self,
        address: Ipv4Addr,
        source: [&OneSource; 2],
        any_source: [&AnySource; 2],
    ) {
        let [before, after] = self.modes;
        let is_listed =
            |mode, which: usize| is_listed(mode, self.group, source[which], any_source[which], self.upstream);
        let is_now = is_listed(after, 1);
        if before != after {
            if is_now {
                self.list.push(address);
            }
            return;
        }
        match [is_listed(before, 0), is_now] {
            [false, true] => self.list.push(address),
            [true, false] => self.removed.push(address),
            _ => {}
        }
    }
}

/// The record of a group. `None` where nobody wants anything.
pub(super) fn merge(group: Ipv4Addr, members: &Members, upstream: InterfaceId) -> Option<Subscription> {
    let any_source = members.any_source();
    let filter_mode = filter_mode(group, any_source, upstream);
    let sources: Vec<Ipv4Addr> = members
        .sources(Ipv4Addr::UNSPECIFIED)
        .filter(|(_, source)| is_listed(filter_mode, group, source, any_source, upstream))
        .map(|(address, _)| address)
        .collect();
    let is_member = filter_mode == FilterMode::Exclude || !sources.is_empty();
    is_member.then_some(Subscription {
        group,
        filter_mode,
        sources,
    })
}

/// In the source-specific range there is no wish for any source, and nobody may ask for it (RFC 9776 §4.2.13).
fn filter_mode(group: Ipv4Addr, any_source: &AnySource, upstream: InterfaceId) -> FilterMode {
    if !is_ssm(group) && any_source.is_wanted(upstream) {
        FilterMode::Exclude
    } else {
        FilterMode::Include
    }
}

fn is_listed(
    mode: FilterMode,
    group: Ipv4Addr,
    source: &OneSource,
    any_source: &AnySource,
    upstream: InterfaceId,
) -> bool {
    let nobody = AnySource::default();
    let any_source = if is_ssm(group) { &nobody } else { any_source };
    source.is_granted(any_source, upstream) == (mode == FilterMode::Include)
}
