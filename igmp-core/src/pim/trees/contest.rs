//! What comes of asserts (RFC 7761 §4.6).

use core::net::Ipv4Addr;

use igmp_wire::address::is_unicast;

use super::{
    Trees,
    assert::{
        AssertEvent, Facts, Held, Metric, RATE, Standing, Verdict, any_source_table, loser_time,
        source_table, winner_time,
    },
    olist::Macros,
    rp,
    tree::{Source, TreeId},
};
use crate::{
    InterfaceId,
    pim::{Assert, Surroundings, context::Context, links::Links},
};

/// Asserts to be sent.
#[derive(Debug, Default)]
pub(super) struct Asserts(Vec<(InterfaceId, Assert)>);

impl Asserts {
    fn push(&mut self, interface: InterfaceId, group: Ipv4Addr, source: Option<Ipv4Addr>, metric: &Metric) {
        self.0.push((
            interface,
            Assert {
                group,
                source,
                rpt: metric.rpt,
                metric_preference: metric.preference,
                metric: metric.metric,
            },
        ));
    }

    /// AssertCancel(\*,G) or AssertCancel(S,G) (§4.6.4).
    pub(super) fn cancel(&mut self, (group, source): TreeId, interface: InterfaceId) {
        self.push(interface, group, source, &Metric::INFINITE);
    }

    pub(super) fn take(&mut self) -> Vec<(InterfaceId, Assert)> {
        core::mem::take(&mut self.0)
    }
}

impl Trees {
    /// An Assert of a neighbour. It is matched against (S,G) first, and against (\*,G) only if that has no state before and
    /// after (§4.6.2).
    pub(in crate::pim) fn assert<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        sender: Ipv4Addr,
        message: &Assert,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        let group = message.group;
        let source = message.source.filter(|source| !source.is_unspecified());
        if !rp::is_routable(group) || source.is_some_and(|source| !is_unicast(source)) {
            links.refusals_mut(interface).group += 1;
            return;
        }
        let event = AssertEvent::Receive(Metric::of(sender, message));
        if let Some(source) = source {
            let id = (group, Some(source));
            self.catch_up(group, source, links, cx);
            let was_held = self.is_held(id, interface);
            if self.contest(interface, id, event, None, links, cx) != Verdict::Stay || was_held {
                return;
            }
        }
        if !igmp_wire::address::is_ssm(group) {
            self.contest(interface, (group, None), event, None, links, cx);
        }
    }

    fn is_held(&mut self, id: TreeId, interface: InterfaceId) -> bool {
        self.tree_mut(id)
            .and_then(|tree| tree.ports.get(interface))
            .is_some_and(|port| port.assert.is_some())
    }

    /// Goes through a transition of the assert state of a tree. `data_source` is whose packet has led to it, if one has.
    pub(super) fn contest<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        id: TreeId,
        event: AssertEvent,
        data_source: Option<Ipv4Addr>,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) -> Verdict {
        let Some(group) = self.groups.get(&id.0) else {
            return Verdict::Stay;
        };
        // Of a source that is not known nobody asks where it is: JoinDesired(S,G) and SPTbit(S,G) are false.
        let unknown = Source::default();
        let source =
            id.1.and_then(|source| group.sources.get(&source))
                .unwrap_or(&unknown);
        let macros = Macros::new(&group.any, source, group.is_ssm, links);
        let tree = if id.1.is_some() { &source.tree } else { &group.any };
        let held = tree
            .ports
            .get(interface)
            .and_then(|port| port.assert.as_deref())
            .copied();
        let (verdict, my_metric) = if id.1.is_some() {
            let facts = Facts {
                could_assert: macros.could_assert(interface),
                tracking_desired: macros.assert_tracking_desired(interface),
                my_metric: macros.my_assert_metric(interface),
            };
            let verdict = source_table(held.as_ref(), event, &facts);
            (verdict, macros.spt_assert_metric(interface))
        } else {
            let facts = Facts {
                could_assert: macros.could_assert_any(interface),
                tracking_desired: macros.assert_tracking_desired_any(interface),
                my_metric: macros.my_assert_metric_any(interface),
            };
            let verdict = any_source_table(held.as_ref(), event, &facts);
            (verdict, macros.rpt_assert_metric(interface))
        };
        match (verdict, event) {
            (Verdict::Win, _) => self.win(interface, id, held.as_ref(), my_metric, data_source, links, cx),
            (Verdict::Lose, AssertEvent::Receive(winner)) => {
                self.lose(interface, id, held.as_ref(), winner, links, cx);
            }
            (Verdict::Forget, _) => self.forget_assert(interface, id),
            (Verdict::Stay | Verdict::Lose | Verdict::Cancel, _) => {}
        }
        verdict
    }

    /// A1 and A3.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are what the action names, and the surroundings"
    )]
    pub(super) fn win<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        id: TreeId,
        held: Option<&Held>,
        winner: Metric,
        data_source: Option<Ipv4Addr>,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        let now = cx.now;
        let sent = held.and_then(|held| held.sent);
        let is_sent = sent.is_none_or(|sent| now.since(sent) >= RATE);
        let timer = now + winner_time(cx.config.assert_time);
        let Some(tree) = self.admit(interface, id, links, cx) else {
            return;
        };
        tree.ports.entry(interface).assert = Some(Box::new(Held {
            standing: Standing::Winner,
            winner,
            timer,
            sent: if is_sent { Some(now) } else { sent },
        }));
        tree.wake_port(id, interface, cx.timers);
        if is_sent {
            self.asserts.push(interface, id.0, id.1.or(data_source), &winner);
        }
        self.dirty.note(id.0, id.1);
    }

    /// A2 and A6.
    fn lose<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        id: TreeId,
        held: Option<&Held>,
        winner: Metric,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        let timer = cx.now + loser_time(cx.config.assert_time);
        let Some(tree) = self.admit(interface, id, links, cx) else {
            return;
        };
        tree.ports.entry(interface).assert = Some(Box::new(Held {
            standing: Standing::Loser,
            winner,
            timer,
            sent: held.and_then(|held| held.sent),
        }));
        tree.wake_port(id, interface, cx.timers);
        if held.is_none()
            && let Some(source) = id.1
            && let Some(state) = self
                .groups
                .get_mut(&id.0)
                .and_then(|group| group.sources.get_mut(&source))
            && state.tree.rpf.interface == Some(interface)
            && state.tree.upstream.is_joined()
        {
            state.spt_bit = true;
        }
        self.dirty.note(id.0, id.1);
    }

    /// A5.
    pub(super) fn forget_assert(&mut self, interface: InterfaceId, id: TreeId) {
        if let Some(port) = self.tree_mut(id).and_then(|tree| tree.ports.get_mut(interface)) {
            port.assert = None;
        }
        self.dirty.note(id.0, id.1);
    }

    /// The Assert Timer of a tree has ended on an interface: a winner repeats its assert, a loser forgets it.
    pub(super) fn assert_timer_expires<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        id: TreeId,
        held: &Held,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        if held.standing == Standing::Loser {
            self.forget_assert(interface, id);
            return;
        }
        let Some(group) = self.groups.get(&id.0) else {
            return;
        };
        let nothing = Source::default();
        let source =
            id.1.and_then(|source| group.sources.get(&source))
                .unwrap_or(&nothing);
        let macros = Macros::new(&group.any, source, group.is_ssm, links);
        let metric = match id.1 {
            Some(_) => macros.spt_assert_metric(interface),
            None => macros.rpt_assert_metric(interface),
        };
        self.win(interface, id, Some(held), metric, None, links, cx);
    }
}
