//! Virtual interfaces: the numbers under which the kernel's multicast routing knows interfaces.

use std::collections::BTreeMap;

use super::{MAX_VIFS, Traffic};

/// An interface that multicast data should be forwarded on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VifWanted {
    /// The kernel's index of the interface.
    pub ifindex: u32,
    /// Its name, for messages.
    pub name: String,
}

/// A set of virtual interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VifSet(u32);

const _: () = assert!(
    MAX_VIFS == u32::BITS as usize,
    "a set has one bit for each virtual interface"
);

impl VifSet {
    /// The set of none.
    pub const EMPTY: Self = Self(0);

    /// Adds a virtual interface. Numbers that the kernel does not have are left out.
    pub fn insert(&mut self, vif: u16) {
        self.0 |= 1_u32.checked_shl(vif.into()).unwrap_or(0);
    }

    /// Whether a virtual interface is in the set.
    pub fn contains(self, vif: u16) -> bool {
        self.0 & 1_u32.checked_shl(vif.into()).unwrap_or(0) != 0
    }

    /// Whether there is none in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The virtual interfaces, ascending.
    pub fn iter(self) -> impl Iterator<Item = u16> {
        (0..MAX_VIFS as u16).filter(move |&vif| self.contains(vif))
    }
}

/// A virtual interface that the kernel was told of.
#[derive(Clone, Debug)]
pub(super) struct Vif {
    /// The slot of the interface.
    pub(super) slot: u32,
    /// The interface.
    pub(super) wanted: VifWanted,
    /// What was forwarded out of it when its counters were last read.
    pub(super) forwarded: Traffic,
}

/// The virtual interfaces and the slots that they serve.
#[derive(Debug)]
pub(super) struct Vifs {
    /// By number.
    vifs: [Option<Vif>; MAX_VIFS],
    /// The numbers by slot.
    slots: BTreeMap<u32, u16>,
}

impl Vifs {
    /// None at all.
    pub(super) fn new() -> Self {
        Self {
            vifs: [const { None }; MAX_VIFS],
            slots: BTreeMap::new(),
        }
    }

    /// The virtual interface that serves a slot.
    pub(super) fn of(&self, slot: u32) -> Option<u16> {
        self.slots.get(&slot).copied()
    }

    /// A virtual interface by its number.
    pub(super) fn get(&self, vif: u16) -> Option<&Vif> {
        self.vifs.get(usize::from(vif))?.as_ref()
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, vif: u16) -> Option<&mut Vif> {
        self.vifs.get_mut(usize::from(vif))?.as_mut()
    }

    /// The slot that a virtual interface serves.
    pub(super) fn slot(&self, vif: u16) -> Option<u32> {
        self.get(vif).map(|vif| vif.slot)
    }

    /// All that there are, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, &Vif)> {
        (0_u16..)
            .zip(&self.vifs)
            .filter_map(|(number, vif)| Some((number, vif.as_ref()?)))
    }

    /// The lowest number that is not taken.
    pub(super) fn free(&self) -> Option<u16> {
        (0_u16..)
            .zip(&self.vifs)
            .find_map(|(number, vif)| vif.is_none().then_some(number))
    }

    /// Notes a virtual interface under a number that [`free`](Self::free) gave.
    pub(super) fn insert(&mut self, number: u16, vif: Vif) {
        if let Some(place) = self.vifs.get_mut(usize::from(number)) {
            self.slots.insert(vif.slot, number);
            *place = Some(vif);
        }
    }

    /// Forgets a virtual interface.
    pub(super) fn remove(&mut self, number: u16) -> Option<Vif> {
        let vif = self.vifs.get_mut(usize::from(number))?.take()?;
        self.slots.remove(&vif.slot);
        Some(vif)
    }

    /// The virtual interfaces of those slots that have one.
    pub(super) fn set_of(&self, slots: impl Iterator<Item = u32>) -> VifSet {
        let mut set = VifSet::EMPTY;
        for vif in slots.filter_map(|slot| self.of(slot)) {
            set.insert(vif);
        }
        set
    }
}
