//! Interfaces and the routers on them: Hellos, neighbours, the Designated Router (RFC 7761 §4.3).

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use super::{
    Hello, NeighborView, PimInterfaceConfig, PimInterfaceView, PimRefusals, Surroundings, context::Context,
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
    /// A neighbour has another Generation ID: it has lost what it was told.
    NeighborRestarted(InterfaceId, Ipv4Addr),
    /// This router has become the Designated Router, or ceased to be it.
    Dr(InterfaceId),
}

/// All interfaces.
#[derive(Debug, Default)]
pub(super) struct Links {
    changes: Vec<LinkChange>,
    refusals: BTreeMap<InterfaceId, PimRefusals>,
}

#[expect(unused_variables, reason = "PLACEHOLDER, to be replaced")]
impl Links {
    /// Takes in that an interface is up, or what changed about it.
    pub(super) fn up<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        config: Option<PimInterfaceConfig>,
        address: Option<Ipv4Addr>,
        secondary_addresses: Vec<Ipv4Addr>,
        mtu: u32,
        cx: &mut Context<'_, S>,
    ) {
    }
    /// Takes in that it is not.
    pub(super) fn down<S: Surroundings>(&mut self, interface: InterfaceId, cx: &mut Context<'_, S>) {}
    /// A Hello.
    pub(super) fn hello<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        sender: Ipv4Addr,
        hello: &Hello,
        cx: &mut Context<'_, S>,
    ) {
    }
    /// The Hello Timer.
    pub(super) fn hello_timer<S: Surroundings>(&mut self, interface: InterfaceId, cx: &mut Context<'_, S>) {}
    /// A Neighbor Liveness Timer.
    pub(super) fn neighbor_timer<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        address: Ipv4Addr,
        cx: &mut Context<'_, S>,
    ) {
    }
    /// Says goodbye everywhere.
    pub(super) fn close<S: Surroundings>(&mut self, cx: &mut Context<'_, S>) {}
    /// Whether a Join/Prune or Assert of this sender counts (§4.3.1). One that does not is counted as refused.
    pub(super) fn admits(&mut self, interface: InterfaceId, sender: Ipv4Addr) -> bool {
        false
    }
    /// To be called before a Join/Prune or Assert is sent: neighbours refuse those of routers that have not said Hello (§4.3.1).
    pub(super) fn greet_first<S: Surroundings>(&mut self, interface: InterfaceId, cx: &mut Context<'_, S>) {}
    /// What happened since this was last asked.
    pub(super) fn take_changes(&mut self) -> Vec<LinkChange> {
        core::mem::take(&mut self.changes)
    }
    /// Whether the interface is up, with PIM or without.
    pub(super) fn is_up(&self, interface: InterfaceId) -> bool {
        false
    }
    /// Whether PIM runs there and can send.
    pub(super) fn can_send(&self, interface: InterfaceId) -> bool {
        false
    }
    /// Whether this router acts for the members there: `I_am_DR(I)`. True where PIM does not run.
    pub(super) fn is_dr(&self, interface: InterfaceId) -> bool {
        false
    }
    /// The primary address.
    pub(super) fn address(&self, interface: InterfaceId) -> Option<Ipv4Addr> {
        None
    }
    /// MTU in bytes.
    pub(super) fn mtu(&self, interface: InterfaceId) -> u32 {
        0
    }
    /// `NBR(I, A)` (§4.1.6): the primary address of the neighbour that has this address.
    pub(super) fn neighbor(&self, interface: InterfaceId, address: Ipv4Addr) -> Option<Ipv4Addr> {
        None
    }
    /// How many neighbours there are.
    pub(super) fn neighbors_count(&self, interface: InterfaceId) -> usize {
        0
    }
    /// Effective_Override_Interval(I) (§4.3.3), the `t_override` limit.
    pub(super) fn override_interval(&self, interface: InterfaceId) -> Duration {
        Duration::ZERO
    }
    /// J/P_Override_Interval(I) (§4.3.3).
    pub(super) fn join_prune_override_interval(&self, interface: InterfaceId) -> Duration {
        Duration::ZERO
    }
    /// Whether joins are suppressed by those of others: not where all neighbours can do without (§4.3.3).
    pub(super) fn is_suppression_enabled(&self, interface: InterfaceId) -> bool {
        true
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
        [].into_iter()
    }
    /// What is known of an interface.
    pub(super) fn view(&self, interface: InterfaceId) -> Option<PimInterfaceView> {
        None
    }
    /// What is known of neighbours.
    pub(super) fn neighbors(&self, now: Instant) -> impl Iterator<Item = NeighborView> {
        [].into_iter()
    }
}
