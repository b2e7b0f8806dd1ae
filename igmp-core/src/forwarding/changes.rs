//! What an event has touched of what members want.

use core::net::Ipv4Addr;

use crate::InterfaceId;

/// Something that a member on an interface wants, or has ceased to want.
///
/// The order is that in which it is looked at: by groups, and within a group what concerns all sources first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    /// The group.
    pub(super) group: Ipv4Addr,
    /// The source, `None` for the wish for any source.
    pub(super) source: Option<Ipv4Addr>,
    /// Where the member is.
    pub(super) interface: InterfaceId,
}

/// What was touched since routes were last told.
///
/// What members want is kept by types that can only be changed with a [`Journal`] at hand. Noted is where something
/// changed, and not what: by the time routes are computed it may have changed again, or back.
#[derive(Debug, Default)]
pub(crate) struct Changes(Vec<Change>);

impl Changes {
    /// The journal of a group on an interface.
    pub(crate) fn of(&mut self, interface: InterfaceId, group: Ipv4Addr) -> Journal<'_> {
        Journal {
            changes: self,
            interface,
            group,
        }
    }

    /// Hands over all changes, in order and each once.
    pub(super) fn take(&mut self) -> Vec<Change> {
        let mut changes = core::mem::take(&mut self.0);
        if changes.len() > 1 {
            changes.sort_unstable();
            changes.dedup();
        }
        changes
    }

    /// Gives back what [`take`](Self::take) handed over, so that the room for it can be used again.
    pub(super) fn give_back(&mut self, mut changes: Vec<Change>) {
        changes.clear();
        self.0 = changes;
    }
}

/// Where it is noted what of one group changed on one interface.
pub(crate) struct Journal<'a> {
    changes: &'a mut Changes,
    interface: InterfaceId,
    group: Ipv4Addr,
}

impl Journal<'_> {
    /// Whether any source is wanted may have changed.
    pub(crate) fn any_source(&mut self) {
        self.note(None);
    }

    /// Whether this source is wanted, or excluded, may have changed.
    pub(crate) fn source(&mut self, source: Ipv4Addr) {
        self.note(Some(source));
    }

    fn note(&mut self, source: Option<Ipv4Addr>) {
        self.changes.0.push(Change {
            group: self.group,
            source,
            interface: self.interface,
        });
    }
}
