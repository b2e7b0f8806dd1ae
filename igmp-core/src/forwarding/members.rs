//! The members of one group on all interfaces, and the port sets that follow from them.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, btree_map::Entry};

use smallvec::SmallVec;

use super::origins::{Origins, Wish};
use crate::{InterfaceId, action::Outgoing};

/// What is said on one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At<T> {
    interface: InterfaceId,
    said: T,
}

/// What is said on each interface where anything is said, ascending. Nearly every group has members on one or two
/// interfaces only, which then take no memory elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ByInterface<T>(SmallVec<[At<T>; 2]>);

impl<T> Default for ByInterface<T> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<T: Copy + Default + PartialEq> ByInterface<T> {
    /// Replaces what is said on an interface.
    fn set(&mut self, interface: InterfaceId, said: T) {
        let Self(list) = self;
        let place = list.binary_search_by_key(&interface, |at| at.interface);
        match place {
            Ok(index) if said == T::default() => {
                list.remove(index);
                if list.spilled() && list.len() <= list.inline_size() {
                    list.shrink_to_fit();
                }
            }
            Ok(index) => {
                if let Some(at) = list.get_mut(index) {
                    at.said = said;
                }
            }
            Err(_) if said == T::default() => {}
            Err(index) => list.insert(index, At { interface, said }),
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is said on an interface.
    fn on(&self, interface: InterfaceId) -> T {
        let Self(list) = self;
        let place = list.binary_search_by_key(&interface, |at| at.interface);
        let at = place.ok().and_then(|index| list.get(index));
        at.map_or_else(T::default, |at| at.said)
    }

    fn interfaces(&self) -> impl Iterator<Item = InterfaceId> {
        self.0.iter().map(|at| at.interface)
    }
}

/// Who wants any source of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AnySource(ByInterface<Origins>);

impl AnySource {
    /// The port set of the group.
    pub(super) fn ports(&self) -> Outgoing {
        self.interfaces().collect()
    }

    /// Whether the port set is that of `other`.
    pub(super) fn has_ports_of(&self, other: &Self) -> bool {
        self.interfaces().eq(other.interfaces())
    }

    /// The interfaces where anybody wants any source, ascending.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = InterfaceId> {
        self.0.interfaces()
    }

    /// Who wants any source on an interface.
    pub(super) fn on(&self, interface: InterfaceId) -> Origins {
        self.0.on(interface)
    }

    /// Whether anybody wants any source on another interface than `except`.
    pub(super) fn is_wanted(&self, except: InterfaceId) -> bool {
        self.0.0.iter().any(|at| at.interface != except)
    }
}

/// What is said of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OneSource(ByInterface<Wish>);

impl OneSource {
    /// The interfaces where anything is said of the source, ascending.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = InterfaceId> {
        self.0.interfaces()
    }

    /// What is said of the source on an interface.
    pub(super) fn on(&self, interface: InterfaceId) -> Wish {
        self.0.on(interface)
    }

    /// Whether the source is forwarded out of any other interface than `except`.
    pub(super) fn is_granted(&self, any_source: &AnySource, except: InterfaceId) -> bool {
        let said = &self.0.0;
        let says_nothing = |at: &At<Origins>| said.iter().all(|other| other.interface != at.interface);
        let is_granted = |at: &At<Wish>| at.said.is_granted(any_source.on(at.interface));
        (said.iter()).any(|at| at.interface != except && is_granted(at))
            || (any_source.0.0.iter()).any(|at| at.interface != except && says_nothing(at))
    }

    /// The port set of the source, unless it is that of the group anyway.
    pub(super) fn ports(&self, any_source: &AnySource) -> Option<Outgoing> {
        let mut any = any_source.0.0.iter().copied().peekable();
        let mut ports = Outgoing::with_capacity(any.len() + self.0.0.len());
        let mut differs = false;
        for &At { interface, said } in &self.0.0 {
            while let Some(other) = any.next_if(|at| at.interface < interface) {
                ports.push(other.interface);
            }
            let origins = any
                .next_if(|at| at.interface == interface)
                .map_or(Origins::NONE, |at| at.said);
            let is_granted = said.is_granted(origins);
            differs |= is_granted == origins.is_empty();
            if is_granted {
                ports.push(interface);
            }
        }
        ports.extend(any.map(|at| at.interface));
        differs.then_some(ports)
    }
}

/// The members of a group.
#[derive(Debug, Default)]
#[expect(
    clippy::box_collection,
    reason = "the map itself is three times as large as the pointer, and there may be a million of them"
)]
pub(super) struct Members {
    any_source: AnySource,
    /// The sources of which anything is said.
    sources: Option<Box<BTreeMap<Ipv4Addr, OneSource>>>,
}

impl Members {
    pub(super) fn is_empty(&self) -> bool {
        self.any_source.0.is_empty() && self.sources.is_none()
    }

    pub(super) fn any_source(&self) -> &AnySource {
        &self.any_source
    }

    /// Where members want any source and who they are, if that is on one interface and nothing is said of single sources.
    pub(super) fn only_any_source(&self) -> Option<(InterfaceId, Origins)> {
        match self.any_source.0.0.as_slice() {
            [At { interface, said }] if self.sources.is_none() => Some((*interface, *said)),
            _ => None,
        }
    }

    /// The sources of which anything is said, from `from` on, ascending.
    pub(super) fn sources(&self, from: Ipv4Addr) -> impl Iterator<Item = (Ipv4Addr, &OneSource)> {
        let sources = self.sources.iter().flat_map(move |sources| sources.range(from..));
        sources.map(|(&address, source)| (address, source))
    }

    /// Replaces who wants any source on some interfaces. Answers who wanted it before.
    pub(super) fn set_any_source(
        &mut self,
        changes: impl Iterator<Item = (InterfaceId, Origins)>,
    ) -> AnySource {
        let before = self.any_source.clone();
        for (interface, origins) in changes {
            self.any_source.0.set(interface, origins);
        }
        before
    }

    /// Replaces what is said of a source on some interfaces. Answers what was said before and what is said now.
    pub(super) fn set_source(
        &mut self,
        address: Ipv4Addr,
        changes: impl Iterator<Item = (InterfaceId, Wish)>,
    ) -> [OneSource; 2] {
        let mut entry = match self.sources.get_or_insert_default().entry(address) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => entry.insert_entry(OneSource::default()),
        };
        let before = entry.get().clone();
        for (interface, wish) in changes {
            entry.get_mut().0.set(interface, wish);
        }
        let after = entry.get().clone();
        if after.0.is_empty() {
            entry.remove();
            if self.sources.as_ref().is_some_and(|sources| sources.is_empty()) {
                self.sources = None;
            }
        }
        [before, after]
    }
}

#[cfg(test)]
mod tests {
    use super::{At, Members, Origins, Wish};

    /// Members on two interfaces take no memory but their place in a map.
    #[test]
    fn members_on_two_interfaces_take_no_memory_elsewhere() {
        assert!(size_of::<Members>() <= 32);
        assert_eq!([size_of::<At<Origins>>(), size_of::<At<Wish>>()], [8, 8]);
    }
}
