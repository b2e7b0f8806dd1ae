//! The way to each RP and source, asked once for all trees that need it.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use super::{dirty::Dirty, tree::TreeId};
use crate::{
    InterfaceId,
    pim::{Surroundings, Towards, Way, links::Links},
};

/// A neighbour on an interface, by its primary address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hop {
    /// The interface.
    pub(super) interface: InterfaceId,
    /// The neighbour.
    pub(super) neighbor: Ipv4Addr,
}

/// The way to an RP or a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rpf {
    /// `RPF_interface` (RFC 7761 §4.1.5), `None` where there is no way, or it ends here.
    pub(super) interface: Option<InterfaceId>,
    /// `NBR(RPF_interface, MRIB.next_hop)`, `None` where no neighbour is known there.
    pub(super) neighbor: Option<Ipv4Addr>,
    /// Whether there is nobody to send joins to: the source is on a connected network, or the address is this router's own.
    pub(super) is_connected: bool,
    /// `MRIB.pref`.
    pub(super) preference: u32,
    /// `MRIB.metric`.
    pub(super) metric: u32,
}

impl Default for Rpf {
    /// No way.
    fn default() -> Self {
        Self {
            interface: None,
            neighbor: None,
            is_connected: false,
            preference: 0x7fff_ffff,
            metric: u32::MAX,
        }
    }
}

impl Rpf {
    /// The neighbour and its interface.
    pub(super) fn hop(&self) -> Option<Hop> {
        Some(Hop {
            interface: self.interface?,
            neighbor: self.neighbor?,
        })
    }
}

/// What an address is looked up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A source needs no neighbour where it is on a connected network.
    Source,
    /// An RP on a connected network is the neighbour.
    Rp,
}

/// Of several equal ways the first with a neighbour at its next hop, else the first.
fn choose(address: Ipv4Addr, towards: &Towards, role: Role, links: &Links) -> Rpf {
    let ways = match towards {
        Towards::Nowhere => return Rpf::default(),
        Towards::Here => {
            return Rpf {
                is_connected: true,
                preference: 0,
                metric: 0,
                ..Rpf::default()
            };
        }
        Towards::Ways(ways) => ways,
    };
    let rpf = |way: &Way| {
        let next_hop = way.next_hop.or((role == Role::Rp).then_some(address));
        Rpf {
            interface: Some(way.interface),
            neighbor: next_hop.and_then(|next_hop| links.neighbor(way.interface, next_hop)),
            is_connected: next_hop.is_none(),
            preference: way.preference & 0x7fff_ffff,
            metric: way.metric,
        }
    };
    let usable = || ways.iter().filter(|way| links.is_up(way.interface)).map(rpf);
    usable()
        .find(|rpf| rpf.is_connected || rpf.neighbor.is_some())
        .or_else(|| usable().next())
        .unwrap_or_default()
}

#[derive(Debug, Default)]
struct Known {
    towards: Towards,
    as_source: Rpf,
    as_rp: Rpf,
    users: BTreeSet<TreeId>,
}

impl Known {
    fn choose(&mut self, address: Ipv4Addr, links: &Links) {
        self.as_source = choose(address, &self.towards, Role::Source, links);
        self.as_rp = choose(address, &self.towards, Role::Rp, links);
    }
}

/// The ways to all addresses that trees need.
#[derive(Debug, Default)]
pub(super) struct RpfTable(BTreeMap<Ipv4Addr, Known>);

impl RpfTable {
    /// The way to an address that a tree needs from now on.
    pub(super) fn watch(
        &mut self,
        address: Ipv4Addr,
        user: TreeId,
        links: &Links,
        surroundings: &mut impl Surroundings,
    ) -> Rpf {
        let known = self.0.entry(address).or_insert_with(|| {
            let mut known = Known {
                towards: surroundings.towards(address),
                ..Known::default()
            };
            known.choose(address, links);
            known
        });
        known.users.insert(user);
        Self::of(known, user)
    }

    /// A tree does not need the way any more.
    pub(super) fn unwatch(&mut self, address: Ipv4Addr, user: TreeId) {
        if let Some(known) = self.0.get_mut(&address) {
            known.users.remove(&user);
            if known.users.is_empty() {
                self.0.remove(&address);
            }
        }
    }

    /// The way that a tree needs.
    pub(super) fn get(&self, address: Ipv4Addr, user: TreeId) -> Rpf {
        self.0
            .get(&address)
            .map_or_else(Rpf::default, |known| Self::of(known, user))
    }

    /// The way to a source, which need not be kept.
    pub(super) fn look(&self, source: Ipv4Addr, links: &Links, surroundings: &mut impl Surroundings) -> Rpf {
        match self.0.get(&source) {
            Some(known) => known.as_source,
            None => choose(source, &surroundings.towards(source), Role::Source, links),
        }
    }

    /// Unicast routes may lead elsewhere.
    pub(super) fn ask_anew(
        &mut self,
        links: &Links,
        surroundings: &mut impl Surroundings,
        dirty: &mut Dirty,
    ) {
        for (&address, known) in &mut self.0 {
            known.towards = surroundings.towards(address);
            Self::compare(address, known, links, dirty);
        }
    }

    /// Interfaces or neighbours have changed.
    pub(super) fn look_anew(&mut self, links: &Links, dirty: &mut Dirty) {
        for (&address, known) in &mut self.0 {
            Self::compare(address, known, links, dirty);
        }
    }

    fn compare(address: Ipv4Addr, known: &mut Known, links: &Links, dirty: &mut Dirty) {
        let before = (known.as_source, known.as_rp);
        known.choose(address, links);
        if before != (known.as_source, known.as_rp) {
            dirty.extend(&known.users);
        }
    }

    /// A (\*,G) tree looks for its RP.
    fn of(known: &Known, (_, source): TreeId) -> Rpf {
        match source {
            None => known.as_rp,
            Some(_) => known.as_source,
        }
    }
}
