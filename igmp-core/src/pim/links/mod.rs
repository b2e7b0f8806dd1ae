//! Interfaces and the routers on them: Hellos, neighbours, the Designated Router (RFC 7761 §4.3).
//!
//! | module | holds |
//! |---|---|
//! | `interface` | an interface, and PIM on it |
//! | `hello` | when Hellos are sent, and what they say (§4.3.1) |
//! | `neighbors` | who is heard, and their addresses (§4.3.2, §4.3.4) |
//! | `election` | the Designated Router (§4.3.2) |
//! | `lan_delay` | how long prunes and overrides take (§4.3.3) |
//!
//! A neighbour is known by the source address of its Hellos. It need not lie in a network of the interface: RFC 7761
//! does not ask for it, and on links without numbers of their own it does not.

mod churn;
mod election;
mod hello;
mod interface;
mod lan_delay;
mod neighbors;

#[cfg(test)]
mod tests;

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use self::interface::{Interface, Running, Settings};
use super::{
    Hello, Message, NeighborView, PimAction, PimInterfaceConfig, PimInterfaceView, PimRefusals,
    context::Context,
};
use crate::{
    InterfaceId,
    time::{Duration, Instant},
};

/// Something that trees have to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkChange {
    /// The interface is up, or its configuration or address has changed.
    Up(InterfaceId),
    /// It is not up any more.
    Down(InterfaceId),
    /// There is a new neighbour, or a neighbour has other addresses than before.
    NeighborUp(InterfaceId, Ipv4Addr),
    /// A neighbour is gone.
    NeighborDown(InterfaceId, Ipv4Addr),
    /// A neighbour has another Generation ID: it has lost what it was told, and what it told holds no more.
    NeighborRestarted(InterfaceId, Ipv4Addr),
    /// This router has become the Designated Router, or ceased to be it.
    Dr(InterfaceId),
}

/// All interfaces.
#[derive(Debug, Default)]
pub(super) struct Links {
    interfaces: BTreeMap<InterfaceId, Interface>,
    changes: Vec<LinkChange>,
    /// What was refused, also where PIM does not run.
    refusals: BTreeMap<InterfaceId, PimRefusals>,
}

impl Links {
    /// Takes in that an interface is up, or what changed about it.
    pub(super) fn up<S>(
        &mut self,
        interface: InterfaceId,
        config: Option<PimInterfaceConfig>,
        address: Option<Ipv4Addr>,
        secondary_addresses: Vec<Ipv4Addr>,
        mtu: u32,
        cx: &mut Context<'_, S>,
    ) {
        let settings = Settings {
            config,
            address,
            secondary_addresses,
            mtu,
        };
        if !self.is_up(interface) {
            let new = Interface::new(interface, settings, cx);
            self.interfaces.insert(interface, new);
            self.changes.push(LinkChange::Up(interface));
            return;
        }
        self.change(interface, cx, |known, _, changes, cx| {
            if known.settings() == settings {
                return;
            }
            let gone = known.reconfigure(settings, cx);
            let gone = gone.into_iter();
            changes.extend(gone.map(|address| LinkChange::NeighborDown(interface, address)));
            changes.push(LinkChange::Up(interface));
        });
    }

    /// Takes in that it is not.
    pub(super) fn down<S>(&mut self, interface: InterfaceId, cx: &mut Context<'_, S>) {
        self.refusals.remove(&interface);
        if let Some(mut known) = self.interfaces.remove(&interface) {
            known.leave(cx);
            known.close(cx);
            self.changes.push(LinkChange::Down(interface));
        }
    }

    /// A Hello.
    pub(super) fn hello<S>(
        &mut self,
        interface: InterfaceId,
        sender: Ipv4Addr,
        hello: &Hello,
        cx: &mut Context<'_, S>,
    ) {
        if self.is_from_another(interface, sender) {
            self.change(interface, cx, |known, refusals, changes, cx| {
                known.hear(sender, hello, refusals, changes, cx);
            });
        }
    }

    /// The Hello Timer.
    pub(super) fn hello_timer<S>(&mut self, interface: InterfaceId, cx: &mut Context<'_, S>) {
        if let Some(known) = self.interfaces.get_mut(&interface) {
            known.hello_timer(cx);
        }
    }

    /// A Neighbor Liveness Timer.
    pub(super) fn neighbor_timer<S>(
        &mut self,
        interface: InterfaceId,
        address: Ipv4Addr,
        cx: &mut Context<'_, S>,
    ) {
        self.change(interface, cx, |known, _, changes, cx| {
            known.neighbor_timer(address, changes, cx);
        });
    }

    /// Says goodbye everywhere, after which no Hello is sent any more.
    pub(super) fn close<S>(&mut self, cx: &mut Context<'_, S>) {
        for interface in self.interfaces.values_mut() {
            interface.leave(cx);
            interface.hush(cx);
        }
    }

    /// Whether a Join/Prune or Assert of this sender counts (§4.3.1). One that does not is counted as refused.
    pub(super) fn admits(&mut self, interface: InterfaceId, sender: Ipv4Addr) -> bool {
        if !self.is_from_another(interface, sender) {
            return false;
        }
        let is_known = self
            .running(interface)
            .is_some_and(|pim| pim.neighbors.contains(sender));
        if !is_known {
            self.refusals_mut(interface).unknown_neighbor += 1;
        }
        is_known
    }

    /// Whether this sender, refused by [`admits`](Self::admits), is another router that has said no Hello yet.
    pub(super) fn is_unknown(&self, interface: InterfaceId, sender: Ipv4Addr) -> bool {
        let known = self.interfaces.get(&interface);
        known.is_some_and(|known| {
            !known.is_own(sender) && (known.pim.as_ref()).is_some_and(|pim| !pim.neighbors.contains(sender))
        })
    }

    /// To be called before a Join/Prune or Assert is sent: neighbours refuse those of routers that have not said Hello
    /// (§4.3.1).
    pub(super) fn greet_first<S>(&mut self, interface: InterfaceId, cx: &mut Context<'_, S>) {
        if let Some(known) = self.interfaces.get_mut(&interface) {
            known.greet_first(cx);
        }
    }

    /// Sends a message from the primary address, with a Hello before it where neighbours would refuse it otherwise.
    /// Nothing is sent where PIM cannot.
    pub(super) fn send<S>(&mut self, interface: InterfaceId, message: Message, cx: &mut Context<'_, S>) {
        if !self.can_send(interface) {
            return;
        }
        if let Some(source) = self.address(interface) {
            self.greet_first(interface, cx);
            cx.actions.push(PimAction::Send {
                interface,
                source,
                message,
            });
        }
    }

    /// What happened since this was last asked.
    pub(super) fn take_changes(&mut self) -> Vec<LinkChange> {
        core::mem::take(&mut self.changes)
    }

    /// Whether the interface is up, with PIM or without.
    pub(super) fn is_up(&self, interface: InterfaceId) -> bool {
        self.interfaces.contains_key(&interface)
    }

    /// Whether PIM runs there and can send.
    pub(super) fn can_send(&self, interface: InterfaceId) -> bool {
        self.running(interface).is_some() && self.address(interface).is_some()
    }

    /// Whether this router acts for the members there: `I_am_DR(I)`. True where PIM does not run, and false where the
    /// interface is not up.
    ///
    /// Without an address neighbours cannot know of this router, so that it acts only if there is no other.
    pub(super) fn is_dr(&self, interface: InterfaceId) -> bool {
        self.interfaces.get(&interface).is_some_and(Interface::is_dr)
    }

    /// The primary address.
    pub(super) fn address(&self, interface: InterfaceId) -> Option<Ipv4Addr> {
        self.interfaces.get(&interface)?.address
    }

    /// MTU in bytes.
    pub(super) fn mtu(&self, interface: InterfaceId) -> u32 {
        self.interfaces.get(&interface).map_or(0, |known| known.mtu)
    }

    /// `NBR(I, A)` (§4.1.6): the primary address of the neighbour that has this address.
    pub(super) fn neighbor(&self, interface: InterfaceId, address: Ipv4Addr) -> Option<Ipv4Addr> {
        self.running(interface)?.neighbors.primary_address(address)
    }

    /// How many neighbours there are.
    pub(super) fn neighbors_count(&self, interface: InterfaceId) -> usize {
        self.running(interface).map_or(0, |pim| pim.neighbors.len())
    }

    /// Effective_Override_Interval(I) (§4.3.3), the `t_override` limit. None at all where PIM does not run.
    pub(super) fn override_interval(&self, interface: InterfaceId) -> Duration {
        let pim = self.running(interface);
        pim.map_or(Duration::ZERO, |pim| pim.lan_delay.override_interval)
    }

    /// J/P_Override_Interval(I) (§4.3.3). None at all where PIM does not run.
    pub(super) fn join_prune_override_interval(&self, interface: InterfaceId) -> Duration {
        let pim = self.running(interface);
        pim.map_or(Duration::ZERO, |pim| pim.lan_delay.join_prune_override_interval())
    }

    /// Whether joins are suppressed by those of others: not where all neighbours can do without (§4.3.3).
    pub(super) fn is_suppression_enabled(&self, interface: InterfaceId) -> bool {
        let pim = self.running(interface);
        pim.is_none_or(|pim| pim.lan_delay.suppression)
    }

    /// What is refused there, to count in.
    pub(super) fn refusals_mut(&mut self, interface: InterfaceId) -> &mut PimRefusals {
        self.refusals.entry(interface).or_default()
    }

    /// What was refused there.
    pub(super) fn refusals(&self, interface: InterfaceId) -> PimRefusals {
        self.refusals.get(&interface).copied().unwrap_or_default()
    }

    /// The interfaces that run PIM.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = InterfaceId> {
        let interfaces = self.interfaces.iter();
        interfaces.filter_map(|(&id, known)| known.pim.as_ref().map(|_| id))
    }

    /// What is known of an interface.
    pub(super) fn view(&self, interface: InterfaceId) -> Option<PimInterfaceView> {
        self.interfaces.get(&interface)?.view(self.refusals(interface))
    }

    /// What is known of neighbours.
    pub(super) fn neighbors(&self, now: Instant) -> impl Iterator<Item = NeighborView> {
        let running = self
            .interfaces
            .iter()
            .filter_map(|(&id, known)| Some((id, known.pim.as_ref()?)));
        running.flat_map(move |(id, pim)| pim.neighbors.views(id, now))
    }

    fn running(&self, interface: InterfaceId) -> Option<&Running> {
        self.interfaces.get(&interface)?.pim.as_ref()
    }

    /// Whether PIM runs there and the sender is another router. Else the message is counted as refused.
    fn is_from_another(&mut self, interface: InterfaceId, sender: Ipv4Addr) -> bool {
        let known = self.interfaces.get(&interface);
        let Some(known) = known.filter(|known| known.pim.is_some()) else {
            self.refusals_mut(interface).not_enabled += 1;
            return false;
        };
        let is_own = known.is_own(sender);
        if is_own {
            self.refusals_mut(interface).own_address += 1;
        }
        !is_own
    }

    /// Has something happen to an interface, and notes whether the Designated Router is another one then.
    fn change<S>(
        &mut self,
        interface: InterfaceId,
        cx: &mut Context<'_, S>,
        happen: impl FnOnce(&mut Interface, &mut PimRefusals, &mut Vec<LinkChange>, &mut Context<'_, S>),
    ) {
        let Some(known) = self.interfaces.get_mut(&interface) else {
            return;
        };
        let was_dr = known.is_dr();
        let refusals = self.refusals.entry(interface).or_default();
        happen(known, refusals, &mut self.changes, cx);
        if known.is_dr() != was_dr {
            self.changes.push(LinkChange::Dr(interface));
        }
    }
}
