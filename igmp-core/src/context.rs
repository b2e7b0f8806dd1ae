//! What the parts of the router pass to each other.

use core::net::Ipv4Addr;

use crate::{
    action::Action,
    budget::Budget,
    deadlines::{Deadlines, Key},
    forwarding::{Changes, Journal},
    liveness::Liveness,
    parameters::Parameters,
    static_group::StaticMembers,
    time::Instant,
};

/// The surroundings of a call into the router.
pub(crate) struct Context<'a, L> {
    /// The time.
    pub(crate) now: Instant,
    /// All deadlines.
    pub(crate) timers: &'a mut Deadlines,
    /// The kernel's times.
    pub(crate) liveness: &'a mut L,
    /// How many records there are on all interfaces.
    pub(crate) budget: &'a mut Budget,
    /// What members want differently than before.
    pub(crate) changes: &'a mut Changes,
    /// What the caller is to do.
    pub(crate) actions: &'a mut Vec<Action>,
}

impl<L: Liveness> Context<'_, L> {
    /// Has sources of a group read together, where there is more than one.
    pub(crate) fn prefetch_sources(
        &mut self,
        site: &Site<'_>,
        sources: impl ExactSizeIterator<Item = Ipv4Addr>,
    ) {
        if sources.len() > 1 {
            let keys: Vec<_> = sources
                .map(|source| (site.parameters.interface, site.group, Some(source)))
                .collect();
            self.liveness.prefetch(&keys);
        }
    }
}

/// A group's place: its interface and its address.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    /// What is in force on the interface.
    pub(crate) parameters: &'a Parameters,
    /// The group.
    pub(crate) group: Ipv4Addr,
    /// What the configuration wants of the group whether or not a host does.
    pub(crate) statics: Option<&'a StaticMembers>,
}

impl Site<'_> {
    pub(crate) fn group_key(&self) -> Key {
        Key::Group(self.parameters.interface, self.group)
    }

    pub(crate) fn series_key(&self) -> Key {
        Key::Series(self.parameters.interface, self.group)
    }

    pub(crate) fn source_key(&self, source: Ipv4Addr) -> Key {
        Key::Source(self.parameters.interface, self.group, source)
    }

    /// Where it is noted what changes of the group.
    pub(crate) fn journal<'a>(&self, changes: &'a mut Changes) -> Journal<'a> {
        changes.of(self.parameters.interface, self.group)
    }

    /// Whether the configuration wants this source, by itself or with all others.
    pub(crate) fn wants_statically(&self, source: Ipv4Addr) -> bool {
        self.statics.is_some_and(|statics| statics.wants(source))
    }
}
