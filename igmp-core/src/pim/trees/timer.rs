//! Deadlines of trees.

use core::net::Ipv4Addr;

use super::{
    TreeKey, Trees,
    downstream::JoinEvent,
    olist::Macros,
    receive::arrival,
    tree::{self, TreeId},
    upstream::{Circumstances, next_join},
};
use crate::{
    InterfaceId,
    pim::{Surroundings, Target, context::Context, links::Links},
    time::Instant,
    timers::Slot,
};

impl Trees {
    /// A deadline has come, which may have moved meanwhile.
    pub(in crate::pim) fn timer<S: Surroundings>(
        &mut self,
        key: TreeKey,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        match key {
            TreeKey::Port(group, source, interface) => self.port_timer(interface, (group, source), links, cx),
            TreeKey::Upstream(group, None) => self.any_source_timer(group, cx),
            TreeKey::Upstream(group, Some(source)) => self.source_timer(group, source, links, cx),
        }
    }

    /// Expiry, Prune-Pending and Assert Timers.
    fn port_timer<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        id: TreeId,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        let now = cx.now;
        let arrival = arrival(interface, now, links, now);
        let Some(port) = self.tree_mut(id).and_then(|tree| tree.ports.get_mut(interface)) else {
            return;
        };
        port.slot = Slot::default();
        let before = (port.downstream.state, port.rpt.state);
        let mut has_echo = false;
        while let Some(event) = port.downstream.due(now) {
            has_echo |= port.downstream.step(event, &arrival) && event == JoinEvent::PrunePendingTimerExpires;
        }
        while let Some(event) = port.rpt.due(now) {
            port.rpt.step(event, &arrival);
        }
        let is_changed = before != (port.downstream.state, port.rpt.state);
        let ended = port.assert.as_deref().filter(|held| held.timer <= now).copied();
        if has_echo {
            self.echo(interface, id, links);
        }
        if is_changed {
            self.dirty.note(id.0, id.1);
        }
        if let Some(held) = ended {
            self.assert_timer_expires(interface, id, &held, links, cx);
        }
        if let Some(tree) = self.tree_mut(id) {
            tree.wake_port(id, interface, cx.timers);
        }
    }

    /// The Join Timer of (\*,G).
    fn any_source_timer<S: Surroundings>(&mut self, address: Ipv4Addr, cx: &mut Context<'_, S>) {
        let at = periodic((address, None), cx);
        let Some(group) = self.groups.get_mut(&address) else {
            return;
        };
        group.any.slot = Slot::default();
        if group.any.upstream.join_timer <= cx.now {
            group.any.upstream.join_timer_expires(&at, &mut self.outbox);
        }
        tree::rewake(&mut group.any, (address, None), cx.timers);
    }

    /// The Join Timer of (S,G), its Keepalive Timer, and the Override Timer of (S,G,rpt).
    fn source_timer<S: Surroundings>(
        &mut self,
        address: Ipv4Addr,
        source: Ipv4Addr,
        links: &Links,
        cx: &mut Context<'_, S>,
    ) {
        let id = (address, Some(source));
        let at = periodic(id, cx);
        let now = cx.now;
        let Some(group) = self.groups.get_mut(&address) else {
            return;
        };
        let Some(state) = group.sources.get_mut(&source) else {
            return;
        };
        state.tree.slot = Slot::default();
        if state.tree.upstream.join_timer <= now {
            state.tree.upstream.join_timer_expires(&at, &mut self.outbox);
        }
        if state.keepalive.is_some_and(|at| at <= now) {
            // Packets are seen by the forwarding plane alone, which is asked only when the timer would end.
            let last = cx.surroundings.last_packet(address, source);
            let until = last.map(|last| last + cx.config.keepalive_period);
            state.keepalive = until.filter(|&until| until > now);
            if state.keepalive.is_none() {
                self.dirty.note(address, Some(source));
            }
        }
        let overrides = state.rpt.override_timer <= now;
        if overrides {
            state.rpt.override_timer = Instant::MAX;
            self.dirty.note(address, Some(source));
        }
        let deadline = state.deadline();
        tree::wake(&mut state.tree, id, deadline, cx.timers);
        if overrides && let Some(state) = group.sources.get(&source) {
            let macros = Macros::new(&group.any, state, group.is_ssm, links);
            let hop = macros.rpf_prime_rpt().filter(|_| state.rpt.is_not_pruned());
            // Another router than RPF'(*,G) may have no (*,G) state, and would not know what to do with it.
            if let Some(hop) = hop.filter(|&hop| macros.rpf_prime_any() == Some(hop)) {
                self.outbox.push(hop, address, Target::SourceRpt(source), true);
            }
        }
    }
}

/// What the state machine looks at when its Join Timer has ended.
fn periodic<S: Surroundings>((group, source): TreeId, cx: &Context<'_, S>) -> Circumstances {
    Circumstances {
        group,
        source,
        now: cx.now,
        next_join: next_join(cx.now, cx.config.join_prune_interval),
        t_override: cx.now,
    }
}
