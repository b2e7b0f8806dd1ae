//! A router: PIM, the forwarding plane that follows it, and the unicast routes that it has heard of.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use igmp_core::{
    Instant, MemberChange, MemberWish, Pim, PimAction, PimEvent, SourceWish,
    pim::{PimConfig, PimInterfaceConfig, Surroundings, Towards},
};

use super::{
    network::{Lan, RouterId, Table, address as address_of, interface, secondary, towards},
    plane::Plane,
};

/// What the hosts of a link want of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    pub(crate) any_source: bool,
    pub(crate) sources: BTreeMap<Ipv4Addr, SourceWish>,
}

impl Wishes {
    /// Whether packets of a source are wanted.
    pub(crate) fn wants(&self, source: Ipv4Addr) -> bool {
        match self.sources.get(&source).copied().unwrap_or_default() {
            SourceWish::AsAnySource => self.any_source,
            SourceWish::Include => true,
            SourceWish::Exclude => false,
        }
    }
}

/// What PIM asks.
struct Around<'a> {
    router: RouterId,
    table: &'a Table,
    plane: &'a Plane,
}

impl Surroundings for Around<'_> {
    fn towards(&mut self, address: Ipv4Addr) -> Towards {
        towards(self.table, self.router, address)
    }

    fn last_packet(&mut self, group: Ipv4Addr, source: Ipv4Addr) -> Option<Instant> {
        self.plane.last_packet(group, source)
    }
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: RouterId,
    /// `None` while it is not running.
    pub(crate) pim: Option<Pim>,
    pub(crate) plane: Plane,
    pub(crate) table: Table,
    /// The links whose interfaces it takes for up.
    pub(crate) up: BTreeSet<Lan>,
    /// Its addresses where they are not those of the plan.
    pub(crate) addresses: BTreeMap<Lan, Ipv4Addr>,
    /// What IGMP knows.
    wishes: BTreeMap<(Lan, Ipv4Addr), Wishes>,
}

impl Node {
    pub(crate) fn new(id: RouterId, table: Table) -> Self {
        Self {
            id,
            pim: None,
            plane: Plane::default(),
            table,
            up: BTreeSet::new(),
            addresses: BTreeMap::new(),
            wishes: BTreeMap::new(),
        }
    }

    /// It starts, without interfaces.
    pub(crate) fn start(&mut self, seed: u64, config: PimConfig) {
        self.pim = Some(Pim::new(seed, config));
        self.plane = Plane::default();
        self.wishes.clear();
        self.up.clear();
    }

    /// It is gone from one moment to the next.
    pub(crate) fn crash(&mut self) {
        self.pim = None;
        self.plane = Plane::default();
        self.wishes.clear();
        self.up.clear();
    }

    /// The primary address on a link.
    pub(crate) fn address(&self, lan: Lan) -> Ipv4Addr {
        let address = self.addresses.get(&lan).copied();
        address.unwrap_or_else(|| address_of(lan, self.id))
    }

    /// An interface comes up.
    pub(crate) fn interface_up(
        &mut self,
        now: Instant,
        lan: Lan,
        config: Option<PimInterfaceConfig>,
    ) -> Vec<PimAction> {
        self.up.insert(lan);
        let event = PimEvent::InterfaceUp {
            interface: interface(lan),
            config,
            address: Some(self.address(lan)),
            secondary_addresses: vec![secondary(lan, self.id)],
            mtu: 1500,
        };
        self.handle(now, [event])
    }

    /// An interface goes down, and what IGMP knows of its hosts.
    pub(crate) fn interface_down(&mut self, now: Instant, lan: Lan) -> Vec<PimAction> {
        self.up.remove(&lan);
        let groups: Vec<Ipv4Addr> = self
            .wishes
            .keys()
            .filter(|(at, _)| *at == lan)
            .map(|(_, group)| *group)
            .collect();
        let mut events = Vec::new();
        for group in groups {
            events.extend(self.learn(lan, group, &Wishes::default()));
        }
        events.push(PimEvent::InterfaceDown {
            interface: interface(lan),
        });
        self.handle(now, events)
    }

    /// IGMP knows what the hosts of a link want of a group.
    pub(crate) fn members(
        &mut self,
        now: Instant,
        lan: Lan,
        group: Ipv4Addr,
        wishes: &Wishes,
    ) -> Vec<PimAction> {
        if !self.up.contains(&lan) {
            return Vec::new();
        }
        let events = self.learn(lan, group, wishes);
        self.handle(now, events)
    }

    /// What PIM is told of a change, in the order that `Router::take_member_changes` keeps.
    fn learn(&mut self, lan: Lan, group: Ipv4Addr, wishes: &Wishes) -> Vec<PimEvent> {
        let before = self
            .wishes
            .insert((lan, group), wishes.clone())
            .unwrap_or_default();
        let mut changes = Vec::new();
        for (&source, &wish) in &wishes.sources {
            if before.sources.get(&source) != Some(&wish) {
                changes.push(MemberWish::Source(source, wish));
            }
        }
        if before.any_source != wishes.any_source {
            changes.push(MemberWish::AnySource(wishes.any_source));
        }
        for &source in before.sources.keys() {
            if !wishes.sources.contains_key(&source) {
                changes.push(MemberWish::Source(source, SourceWish::AsAnySource));
            }
        }
        if *wishes == Wishes::default() {
            self.wishes.remove(&(lan, group));
        }
        let of_interface = |wish| {
            PimEvent::Member(MemberChange {
                interface: interface(lan),
                group,
                wish,
            })
        };
        changes.into_iter().map(of_interface).collect()
    }

    pub(crate) fn handle(
        &mut self,
        now: Instant,
        events: impl IntoIterator<Item = PimEvent>,
    ) -> Vec<PimAction> {
        self.with(|pim, around, actions| pim.handle_all(now, events, around, actions))
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<PimAction> {
        self.with(|pim, around, actions| pim.handle_timeout(now, around, actions))
    }

    pub(crate) fn close(&mut self, now: Instant) -> Vec<PimAction> {
        self.with(|pim, around, actions| pim.close(now, around, actions))
    }

    fn with(&mut self, call: impl FnOnce(&mut Pim, &mut Around<'_>, &mut Vec<PimAction>)) -> Vec<PimAction> {
        let mut actions = Vec::new();
        if let Some(pim) = &mut self.pim {
            let mut around = Around {
                router: self.id,
                table: &self.table,
                plane: &self.plane,
            };
            call(pim, &mut around, &mut actions);
        }
        actions
    }
}
