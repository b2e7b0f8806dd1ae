//! Trees: who wants a group, from whom it is asked for, and where packets go.

use core::net::Ipv4Addr;

use super::{
    Assert, JoinPrune, PimJoinView, PimRouteView, Surroundings,
    context::Context,
    links::{LinkChange, Links},
};
use crate::{InterfaceId, MemberChange, time::Instant};

/// What a deadline of a tree belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TreeKey {
    /// Upstream Join Timer (§4.5.4, §4.5.5) of (\*,G) or (S,G).
    Join(Ipv4Addr, Option<Ipv4Addr>),
}

/// All trees.
#[derive(Debug, Default)]
pub(super) struct Trees {}

#[expect(unused_variables, reason = "PLACEHOLDER, to be replaced")]
impl Trees {
    /// Another configuration holds: RPs, switchover, limits.
    pub(super) fn reconfigure<S: Surroundings>(&mut self, links: &mut Links, cx: &mut Context<'_, S>) {}
    /// A Join/Prune of a neighbour (§4.5).
    pub(super) fn join_prune<S: Surroundings>(&mut self, interface: InterfaceId, sender: Ipv4Addr, message: &JoinPrune, links: &mut Links, cx: &mut Context<'_, S>) {}
    /// An Assert of a neighbour (§4.6).
    pub(super) fn assert<S: Surroundings>(&mut self, interface: InterfaceId, sender: Ipv4Addr, message: &Assert, links: &mut Links, cx: &mut Context<'_, S>) {}
    /// Members want something else.
    pub(super) fn member<S: Surroundings>(&mut self, change: MemberChange, links: &mut Links, cx: &mut Context<'_, S>) {}
    /// Packets were seen (§4.2).
    pub(super) fn packet<S: Surroundings>(&mut self, interface: InterfaceId, source: Ipv4Addr, group: Ipv4Addr, links: &mut Links, cx: &mut Context<'_, S>) {}
    /// Unicast routes have changed.
    pub(super) fn routes_changed<S: Surroundings>(&mut self, links: &mut Links, cx: &mut Context<'_, S>) {}
    /// Something happened to a link.
    pub(super) fn link_changed<S: Surroundings>(&mut self, change: LinkChange, links: &mut Links, cx: &mut Context<'_, S>) {}
    /// A timer has ended.
    pub(super) fn timer<S: Surroundings>(&mut self, key: TreeKey, links: &mut Links, cx: &mut Context<'_, S>) {}
    /// Tells neighbours (several groups per message) and the forwarding plane what is different now.
    pub(super) fn resolve<S: Surroundings>(&mut self, links: &mut Links, cx: &mut Context<'_, S>) {}
    /// Prunes everything that was joined, for a clean end.
    pub(super) fn close<S: Surroundings>(&mut self, links: &mut Links, cx: &mut Context<'_, S>) {}
    /// What is asked of upstream neighbours.
    pub(super) fn joins(&self, now: Instant, from: (Ipv4Addr, Option<Ipv4Addr>), limit: usize, links: &Links) -> Vec<PimJoinView> { Vec::new() }
    /// The routes that were told.
    pub(super) fn routes(&self, from: (Ipv4Addr, Option<Ipv4Addr>), limit: usize) -> Vec<PimRouteView> { Vec::new() }
}
