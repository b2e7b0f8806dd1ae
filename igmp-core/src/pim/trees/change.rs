//! Links, unicast routes and the configuration change, and the end.

use core::net::Ipv4Addr;

use super::{
    Trees,
    assert::Standing,
    downstream::Downstream,
    rp,
    rpf::Hop,
    tree::{self, Tree, TreeId},
    upstream::{Circumstances, next_join},
};
use crate::{
    InterfaceId, SourceWish,
    pim::{
        Surroundings,
        context::Context,
        links::{LinkChange, Links},
    },
};

impl Trees {
    /// Another configuration holds: RPs, switchover, limits.
    pub(in crate::pim) fn reconfigure<S: Surroundings>(
        &mut self,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        for (&address, group) in &mut self.groups {
            let rp = rp::of(cx.config, address);
            if rp == group.rp {
                continue;
            }
            let id = (address, None);
            if let Some(before) = group.rp {
                self.rpf.unwatch(before, id);
            }
            if let Some(rp) = rp {
                self.rpf.watch(rp, id, links, cx.surroundings);
            }
            group.rp = rp;
            self.dirty.note(address, None);
        }
    }

    /// Unicast routes have changed. Each RP and source is asked for once, and only the trees whose way is another are looked at.
    pub(in crate::pim) fn routes_changed<S: Surroundings>(
        &mut self,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        self.rpf.ask_anew(links, cx.surroundings, &mut self.dirty);
    }

    /// Something happened to a link.
    pub(in crate::pim) fn link_changed<S: Surroundings>(
        &mut self,
        change: LinkChange,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        self.rpf.look_anew(links, &mut self.dirty);
        match change {
            LinkChange::Up(interface) if links.can_send(interface) => {
                self.touch(|tree| tree.ports.get(interface).is_some());
            }
            LinkChange::Dr(interface) => self.touch(|tree| {
                (tree.ports.get(interface)).is_some_and(|port| port.wish != SourceWish::AsAnySource)
            }),
            LinkChange::NeighborUp(..) => {}
            // What other routers have said there was said to PIM, which does not run any more.
            LinkChange::Up(interface) | LinkChange::Down(interface) => self.touch(|tree| {
                let Some(port) = tree.ports.get_mut(interface) else {
                    return false;
                };
                port.downstream = Downstream::default();
                port.rpt = Downstream::default();
                port.assert = None;
                true
            }),
            LinkChange::NeighborDown(interface, neighbor) => {
                self.forget_winner(interface, neighbor);
                if links.neighbors_count(interface) == 0 {
                    self.end_for_ever(interface, cx);
                }
            }
            LinkChange::NeighborRestarted(interface, neighbor) => {
                self.forget_winner(interface, neighbor);
                self.rejoin(Hop { interface, neighbor }, links, cx);
            }
        }
    }

    /// Has trees looked at for which `is_touched` answers so.
    fn touch(&mut self, mut is_touched: impl FnMut(&mut Tree) -> bool) {
        for (&address, group) in &mut self.groups {
            if is_touched(&mut group.any) {
                self.dirty.note(address, None);
            }
            for (&source, state) in &mut group.sources {
                if is_touched(&mut state.tree) {
                    self.dirty.note(address, Some(source));
                }
            }
        }
    }

    /// Current Winner's GenID Changes or NLT Expires (RFC 7761 §4.6.1, §4.6.2)
    fn forget_winner(&mut self, interface: InterfaceId, neighbor: Ipv4Addr) {
        self.touch(|tree| {
            let Some(port) = tree.ports.get_mut(interface) else {
                return false;
            };
            let is_winner = (port.assert.as_ref())
                .is_some_and(|held| held.standing == Standing::Loser && held.winner.address == neighbor);
            if is_winner {
                port.assert = None;
            }
            is_winner
        });
    }

    /// Joins that never end do so after all where nobody is left who could take them back, after the hold time of others.
    fn end_for_ever<S: Surroundings>(&mut self, interface: InterfaceId, cx: &mut Context<'_, S>) {
        let at = cx.now + cx.config.join_prune_interval * 7 / 2;
        let mut end = |id, tree: &mut Tree| {
            if let Some(port) = tree.ports.get_mut(interface) {
                port.downstream.end_by(at);
                port.rpt.end_by(at);
                tree.wake_port(id, interface, cx.timers);
            }
        };
        for (&address, group) in &mut self.groups {
            end((address, None), &mut group.any);
            for (&source, state) in &mut group.sources {
                end((address, Some(source)), &mut state.tree);
            }
        }
    }

    /// RPF' GenID changes (§4.5.4, §4.5.5). All trees take the same delay, so that they share messages.
    fn rejoin<S: Surroundings>(&mut self, hop: Hop, links: &Links, cx: &mut Context<'_, S>) {
        let t_override = cx.now + cx.random.delay(links.override_interval(hop.interface));
        for (&address, group) in &mut self.groups {
            if group.any.upstream.is_joined_to(hop) {
                group.any.upstream.hurry(t_override);
                tree::rewake(&mut group.any, (address, None), cx.timers);
            }
            for (&source, state) in &mut group.sources {
                if state.tree.upstream.is_joined_to(hop) {
                    state.tree.upstream.hurry(t_override);
                    tree::rewake(&mut state.tree, (address, Some(source)), cx.timers);
                }
            }
        }
    }

    /// Prunes everything that was joined, for a clean end.
    pub(in crate::pim) fn close<S: Surroundings>(&mut self, links: &mut Links, cx: &mut Context<'_, S>) {
        let circumstances = |(group, source): TreeId| Circumstances {
            group,
            source,
            now: cx.now,
            next_join: next_join(cx.now, cx.config.join_prune_interval),
            t_override: cx.now,
        };
        for (&address, group) in &self.groups {
            let at = circumstances((address, None));
            group.any.upstream.close(&at, &mut self.outbox);
            for (&source, state) in &group.sources {
                let at = circumstances((address, Some(source)));
                state.tree.upstream.close(&at, &mut self.outbox);
            }
        }
        self.send(links, cx);
    }
}
