//! The macros of RFC 7761 §4.1.5, §4.2, §4.5 and §4.6, under the names that they have there, to be held against its text.
//!
//! A set of interfaces is a predicate here: `A (+) B (-) C` is `(a || b) && !c`, from left to right (§2.2). In the
//! source-specific range there is no (\*,G) state, so what depends on it is empty by itself (§4.8.1).

use core::net::Ipv4Addr;

use smallvec::SmallVec;

use super::{
    assert::{Metric, Standing},
    rpf::Hop,
    tree::{Source, Tree},
};
use crate::{InterfaceId, SourceWish, pim::links::Links};

/// Outgoing interfaces, ascending.
pub(super) type Olist = SmallVec<[InterfaceId; 4]>;

/// The state that the macros are about: of a group, and of one source.
#[derive(Clone, Copy)]
pub(super) struct Macros<'a> {
    any: &'a Tree,
    source: &'a Source,
    links: &'a Links,
    /// SPTbit(S,G), which counts as always set in the source-specific range (§4.8.2).
    pub(super) spt_bit: bool,
    /// Whether KeepaliveTimer(S,G) is running. It counts as always running there.
    pub(super) keepalive: bool,
}

impl<'a> Macros<'a> {
    /// The macros of (\*,G), (S,G) and (S,G,rpt).
    pub(super) fn new(any: &'a Tree, source: &'a Source, is_ssm: bool, links: &'a Links) -> Self {
        Self {
            any,
            source,
            links,
            spt_bit: is_ssm || source.spt_bit,
            keepalive: is_ssm || source.keepalive.is_some(),
        }
    }

    // §4.1.5: what there is on an interface.

    fn local_receiver_include_any(&self, i: InterfaceId) -> bool {
        (self.any.ports.get(i)).is_some_and(|port| port.wish == SourceWish::Include)
    }

    fn local_receiver_include(&self, i: InterfaceId) -> bool {
        (self.source.tree.ports.get(i)).is_some_and(|port| port.wish == SourceWish::Include)
    }

    fn local_receiver_exclude(&self, i: InterfaceId) -> bool {
        self.local_receiver_include_any(i)
            && (self.source.tree.ports.get(i)).is_some_and(|port| port.wish == SourceWish::Exclude)
    }

    fn joins_any(&self, i: InterfaceId) -> bool {
        (self.any.ports.get(i)).is_some_and(|port| port.downstream.is_joined())
    }

    fn joins(&self, i: InterfaceId) -> bool {
        (self.source.tree.ports.get(i)).is_some_and(|port| port.downstream.is_joined())
    }

    fn prunes_rpt(&self, i: InterfaceId) -> bool {
        (self.source.tree.ports.get(i)).is_some_and(|port| port.rpt.is_pruned())
    }

    fn i_am_dr(&self, i: InterfaceId) -> bool {
        self.links.is_up(i) && self.links.is_dr(i)
    }

    fn pim_include_any(&self, i: InterfaceId) -> bool {
        ((self.i_am_dr(i) && !self.lost_assert_any(i)) || self.is_assert_winner_any(i))
            && self.local_receiver_include_any(i)
    }

    fn pim_include(&self, i: InterfaceId) -> bool {
        ((self.i_am_dr(i) && !self.lost_assert(i)) || self.is_assert_winner(i))
            && self.local_receiver_include(i)
    }

    fn pim_exclude(&self, i: InterfaceId) -> bool {
        ((self.i_am_dr(i) && !self.lost_assert_any(i)) || self.is_assert_winner_any(i))
            && self.local_receiver_exclude(i)
    }

    // §4.1.5: outgoing interface lists.

    fn is_in_immediate_olist_any(&self, i: InterfaceId) -> bool {
        (self.joins_any(i) || self.pim_include_any(i)) && !self.lost_assert_any(i)
    }

    fn is_in_immediate_olist(&self, i: InterfaceId) -> bool {
        (self.joins(i) || self.pim_include(i)) && !self.lost_assert(i)
    }

    pub(super) fn is_in_inherited_olist_rpt(&self, i: InterfaceId) -> bool {
        ((self.joins_any(i) && !self.prunes_rpt(i)) || (self.pim_include_any(i) && !self.pim_exclude(i)))
            && !(self.lost_assert_any(i) || self.lost_assert_rpt(i))
    }

    pub(super) fn is_in_inherited_olist(&self, i: InterfaceId) -> bool {
        (self.is_in_inherited_olist_rpt(i) || self.joins(i) || self.pim_include(i)) && !self.lost_assert(i)
    }

    /// `immediate_olist(*,G)`
    pub(super) fn immediate_olist_any(&self) -> Olist {
        let ports = self.any.ports.iter().map(|port| port.interface);
        ports.filter(|&i| self.is_in_immediate_olist_any(i)).collect()
    }

    /// `inherited_olist(S,G,rpt)`, of which nothing is outside of the (\*,G) tree.
    pub(super) fn inherited_olist_rpt(&self) -> Olist {
        let ports = self.any.ports.iter().map(|port| port.interface);
        ports.filter(|&i| self.is_in_inherited_olist_rpt(i)).collect()
    }

    /// `inherited_olist(S,G)`
    pub(super) fn inherited_olist(&self) -> Olist {
        let mut olist: Olist = self
            .interfaces()
            .filter(|&i| self.is_in_inherited_olist(i))
            .collect();
        olist.sort_unstable();
        olist.dedup();
        olist
    }

    /// Where packets go that come in on RPF_interface(RP(G)) while that is RPF_interface(S) as well and the SPTbit is not set.
    ///
    /// By §4.2 that is `inherited_olist(S,G,rpt)` until an Assert(S,G) tells that the packets are those of the source's tree
    /// (§4.2.2). But there is none where only they come, as the router that would send those of the shared tree receives them
    /// there itself, and who wants the source alone would wait for ever. Both kinds come in on the same interface, so that nobody
    /// gets more of them if it is served already.
    pub(super) fn olist_of_shared_interface(&self) -> Olist {
        let ports = self.interfaces();
        let mut olist: Olist = ports
            .filter(|&i| {
                self.is_in_inherited_olist_rpt(i)
                    || (self.is_in_immediate_olist(i)
                        && self.assert_winner_not_me(&self.source.tree, i).is_none())
            })
            .collect();
        olist.sort_unstable();
        olist.dedup();
        olist
    }

    pub(super) fn is_inherited_olist_rpt_null(&self) -> bool {
        !(self.any.ports.iter()).any(|port| self.is_in_inherited_olist_rpt(port.interface))
    }

    pub(super) fn is_inherited_olist_null(&self) -> bool {
        !self.interfaces().any(|i| self.is_in_inherited_olist(i))
    }

    fn is_immediate_olist_null(&self) -> bool {
        !(self.source.tree.ports.iter()).any(|port| self.is_in_immediate_olist(port.interface))
    }

    /// The interfaces of which there is anything to say, some twice.
    fn interfaces(&self) -> impl Iterator<Item = InterfaceId> {
        let ports = self.any.ports.iter().chain(self.source.tree.ports.iter());
        ports.map(|port| port.interface)
    }

    // §4.1.5: upstream neighbours.

    fn hop(interface: Option<InterfaceId>, neighbor: Ipv4Addr) -> Option<Hop> {
        let interface = interface?;
        Some(Hop { interface, neighbor })
    }

    /// `RPF'(*,G)`
    pub(super) fn rpf_prime_any(&self) -> Option<Hop> {
        match self.i_am_assert_loser_to_any() {
            Some(winner) => Self::hop(self.any.rpf.interface, winner),
            None => self.any.rpf.hop(),
        }
    }

    /// `RPF'(S,G,rpt)`
    pub(super) fn rpf_prime_rpt(&self) -> Option<Hop> {
        let interface = self.any.rpf.interface;
        match interface.and_then(|i| self.assert_winner_not_me(&self.source.tree, i)) {
            Some(winner) => Self::hop(interface, winner),
            None => self.rpf_prime_any(),
        }
    }

    /// `RPF'(S,G)`
    pub(super) fn rpf_prime(&self) -> Option<Hop> {
        match self.i_am_assert_loser_to() {
            Some(winner) => Self::hop(self.source.tree.rpf.interface, winner),
            None => self.source.tree.rpf.hop(),
        }
    }

    /// The assert winner on RPF_interface(RP(G)), where that is another router.
    pub(super) fn i_am_assert_loser_to_any(&self) -> Option<Ipv4Addr> {
        self.assert_winner_not_me(self.any, self.any.rpf.interface?)
    }

    /// The assert winner on RPF_interface(S), where that is another router.
    pub(super) fn i_am_assert_loser_to(&self) -> Option<Ipv4Addr> {
        self.assert_winner_not_me(&self.source.tree, self.source.tree.rpf.interface?)
    }

    // §4.2: packets.

    /// What of `Update_SPTbit(S,G,iif)` does not depend on a packet having come in on RPF_interface(S) although the RP is
    /// elsewhere.
    pub(super) fn is_spt_at_once(&self) -> bool {
        self.join_desired()
            && (self.source.tree.rpf.is_connected
                || self.is_inherited_olist_rpt_null()
                || (self.rpf_prime() == self.rpf_prime_any() && self.rpf_prime().is_some()))
    }

    /// Whether `Update_SPTbit(S,G,iif)` sets the SPTbit.
    pub(super) fn update_spt_bit(&self, iif: InterfaceId) -> bool {
        let rpf_interface = self.source.tree.rpf.interface;
        rpf_interface == Some(iif)
            && self.join_desired()
            && (self.source.tree.rpf.is_connected
                || rpf_interface != self.any.rpf.interface
                || self.is_inherited_olist_rpt_null()
                || (self.rpf_prime() == self.rpf_prime_any() && self.rpf_prime().is_some())
                || self.i_am_assert_loser_to().is_some())
    }

    /// `pim_include(*,G) (-) pim_exclude(S,G) (+) pim_include(S,G) != NULL`, of `CheckSwitchToSpt(S,G)`.
    pub(super) fn has_local_receivers(&self) -> bool {
        self.interfaces()
            .any(|i| (self.pim_include_any(i) && !self.pim_exclude(i)) || self.pim_include(i))
    }

    // §4.5: what is asked for upstream.

    /// `JoinDesired(*,G)`, which is also `RPTJoinDesired(G)`.
    pub(super) fn join_desired_any(&self) -> bool {
        (self.any.ports.iter()).any(|port| self.is_in_immediate_olist_any(port.interface))
    }

    /// `JoinDesired(S,G)`
    pub(super) fn join_desired(&self) -> bool {
        !self.is_immediate_olist_null() || (self.keepalive && !self.is_inherited_olist_null())
    }

    /// `PruneDesired(S,G,rpt)`
    pub(super) fn prune_desired(&self) -> bool {
        self.join_desired_any()
            && (self.is_inherited_olist_rpt_null()
                || (self.spt_bit && self.rpf_prime_any() != self.rpf_prime()))
    }

    /// Whether a Prune(S,G,rpt) goes with a Join(\*,G) (§4.5.6).
    pub(super) fn is_pruned_with_join(&self) -> bool {
        if self.spt_bit {
            self.rpf_prime_any() != self.rpf_prime()
        } else {
            self.is_inherited_olist_rpt_null() || self.rpf_prime_any() != self.rpf_prime_rpt()
        }
    }

    // §4.6: asserts.

    fn assert_winner_not_me(&self, tree: &Tree, i: InterfaceId) -> Option<Ipv4Addr> {
        let held = tree.ports.get(i)?.assert.as_ref()?;
        (held.standing == Standing::Loser).then_some(held.winner.address)
    }

    fn is_assert_winner_any(&self, i: InterfaceId) -> bool {
        let held = self.any.ports.get(i).and_then(|port| port.assert.as_ref());
        held.is_some_and(|held| held.standing == Standing::Winner)
    }

    fn is_assert_winner(&self, i: InterfaceId) -> bool {
        let held = (self.source.tree.ports.get(i)).and_then(|port| port.assert.as_ref());
        held.is_some_and(|held| held.standing == Standing::Winner)
    }

    fn lost_assert_rpt(&self, i: InterfaceId) -> bool {
        if self.any.rpf.interface == Some(i) || (self.source.tree.rpf.interface == Some(i) && self.spt_bit) {
            false
        } else {
            self.assert_winner_not_me(&self.source.tree, i).is_some()
        }
    }

    fn lost_assert(&self, i: InterfaceId) -> bool {
        if self.source.tree.rpf.interface == Some(i) {
            return false;
        }
        let held = (self.source.tree.ports.get(i)).and_then(|port| port.assert.as_ref());
        held.is_some_and(|held| {
            held.standing == Standing::Loser && held.winner.is_better_than(&self.spt_assert_metric(i))
        })
    }

    fn lost_assert_any(&self, i: InterfaceId) -> bool {
        if self.any.rpf.interface == Some(i) {
            return false;
        }
        self.assert_winner_not_me(self.any, i).is_some()
    }

    /// `CouldAssert(*,G,I)`
    pub(super) fn could_assert_any(&self, i: InterfaceId) -> bool {
        (self.joins_any(i) || self.pim_include_any(i)) && self.any.rpf.interface != Some(i)
    }

    /// `CouldAssert(S,G,I)`
    pub(super) fn could_assert(&self, i: InterfaceId) -> bool {
        self.spt_bit
            && self.source.tree.rpf.interface != Some(i)
            && ((((self.joins_any(i) && !self.prunes_rpt(i))
                || (self.pim_include_any(i) && !self.pim_exclude(i)))
                && !self.lost_assert_any(i))
                || self.joins(i)
                || self.pim_include(i))
    }

    /// `AssertTrackingDesired(*,G,I)`
    pub(super) fn assert_tracking_desired_any(&self, i: InterfaceId) -> bool {
        self.could_assert_any(i)
            || (self.local_receiver_include_any(i) && (self.i_am_dr(i) || self.is_assert_winner_any(i)))
            || (self.any.rpf.interface == Some(i) && self.join_desired_any())
    }

    /// `AssertTrackingDesired(S,G,I)`
    pub(super) fn assert_tracking_desired(&self, i: InterfaceId) -> bool {
        ((((self.joins_any(i) && !self.prunes_rpt(i)) || (self.pim_include_any(i) && !self.pim_exclude(i)))
            && !self.lost_assert_any(i))
            || self.joins(i))
            || (self.local_receiver_include(i) && (self.i_am_dr(i) || self.is_assert_winner(i)))
            || (self.source.tree.rpf.interface == Some(i) && self.join_desired())
            || (self.any.rpf.interface == Some(i) && self.join_desired_any() && !self.spt_bit)
    }

    fn my_ip_address(&self, i: InterfaceId) -> Ipv4Addr {
        self.links.address(i).unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// `spt_assert_metric(S,I)` (§4.6.3)
    pub(super) fn spt_assert_metric(&self, i: InterfaceId) -> Metric {
        let rpf = &self.source.tree.rpf;
        Metric {
            rpt: false,
            preference: rpf.preference,
            metric: rpf.metric,
            address: self.my_ip_address(i),
        }
    }

    /// `rpt_assert_metric(G,I)`
    pub(super) fn rpt_assert_metric(&self, i: InterfaceId) -> Metric {
        Metric {
            rpt: true,
            preference: self.any.rpf.preference,
            metric: self.any.rpf.metric,
            address: self.my_ip_address(i),
        }
    }

    /// `my_assert_metric(S,G,I)`
    pub(super) fn my_assert_metric(&self, i: InterfaceId) -> Metric {
        if self.could_assert(i) {
            self.spt_assert_metric(i)
        } else {
            self.my_assert_metric_any(i)
        }
    }

    /// `my_assert_metric(*,G,I)`
    pub(super) fn my_assert_metric_any(&self, i: InterfaceId) -> Metric {
        if self.could_assert_any(i) {
            self.rpt_assert_metric(i)
        } else {
            Metric::INFINITE
        }
    }
}
