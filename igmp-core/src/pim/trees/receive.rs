//! Joins and prunes of downstream neighbours (RFC 7761 §4.5.1 to §4.5.3).

use core::net::Ipv4Addr;
use std::collections::BTreeSet;

use igmp_wire::address::{is_ssm, is_unicast};

use super::{
    Trees,
    assert::Standing,
    downstream::{Arrival, JoinEvent, JoinState, PruneEvent, PruneState},
    rp,
    rpf::Hop,
    tree::TreeId,
};
use crate::{
    InterfaceId,
    pim::{JoinPrune, PimWarning, Surroundings, Target, context::Context, links::Links},
    time::{Duration, Instant},
};

/// The hold time that never ends (§4.9.5).
pub(super) const FOR_EVER: u16 = 0xffff;

/// What the tables need to know of a message on an interface.
pub(super) fn arrival(interface: InterfaceId, expires: Instant, links: &Links, now: Instant) -> Arrival {
    let has_others = links.neighbors_count(interface) > 1;
    Arrival {
        now,
        expires,
        override_interval: has_others.then(|| links.join_prune_override_interval(interface)),
    }
}

impl Trees {
    /// A Join/Prune of a neighbour (§4.5), for this router or for another.
    pub(in crate::pim) fn join_prune<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        sender: Ipv4Addr,
        message: &JoinPrune,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        if links.address(interface) == Some(message.upstream_neighbor) {
            self.receive(interface, sender, message, links, cx);
        } else {
            self.overhear(interface, message, links, cx);
        }
    }

    fn receive<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        sender: Ipv4Addr,
        message: &JoinPrune,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        let expires = match message.hold_time {
            FOR_EVER => Instant::MAX,
            seconds => cx.now + Duration::from_secs(seconds.into()),
        };
        let arrival = arrival(interface, expires, links, cx.now);
        let mut joined = BTreeSet::new();
        for set in &message.groups {
            let group = set.group;
            let targets = (set.joins.iter().map(|&target| (target, true)))
                .chain(set.prunes.iter().map(|&target| (target, false)));
            for (target, is_join) in targets {
                if is_join && message.hold_time == 0 {
                    // It would be timed out immediately (§4.9.5).
                    continue;
                }
                if !is_allowed(group, target) {
                    links.refusals_mut(interface).group += 1;
                    continue;
                }
                let event = if is_join {
                    JoinEvent::ReceiveJoin
                } else {
                    JoinEvent::ReceivePrune
                };
                match target {
                    Target::AnySource { rp } => {
                        if is_join {
                            if !self.is_rp(interface, sender, group, rp, links, cx) {
                                continue;
                            }
                            if joined.insert(group) {
                                self.receive_join_any_source(interface, group, &arrival);
                            }
                        }
                        self.downstream(interface, (group, None), event, &arrival, links, cx);
                    }
                    Target::Source(source) => {
                        self.downstream(interface, (group, Some(source)), event, &arrival, links, cx);
                    }
                    Target::SourceRpt(source) => {
                        let event = if is_join {
                            PruneEvent::ReceiveJoinRpt
                        } else {
                            PruneEvent::ReceivePruneRpt
                        };
                        self.downstream_rpt(interface, (group, source), event, &arrival, links, cx);
                    }
                }
            }
        }
        for group in joined {
            self.end_of_message(interface, group, &arrival);
        }
    }

    /// Whether a Join(\*,G) names the RP that this router takes for that of the group. One that does not counts for nothing.
    fn is_rp<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        neighbor: Ipv4Addr,
        group: Ipv4Addr,
        theirs: Ipv4Addr,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) -> bool {
        let ours = match self.groups.get(&group) {
            Some(group) => group.rp,
            None => rp::of(cx.config, group),
        };
        if ours == Some(theirs) {
            return true;
        }
        links.refusals_mut(interface).rp += 1;
        let warning = PimWarning::RpMismatch {
            interface,
            neighbor,
            group,
            theirs,
            ours,
        };
        self.limits.warn_rp_mismatch(warning, cx);
        false
    }

    /// A Join(\*,G) or Join(S,G), or a prune, for the state machine of an interface.
    pub(super) fn downstream<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        id: TreeId,
        event: JoinEvent,
        arrival: &Arrival,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        let is_new = self
            .tree_mut(id)
            .and_then(|tree| tree.ports.get(interface))
            .is_none_or(|port| port.downstream.state == JoinState::NoInfo);
        let tree = if event != JoinEvent::ReceiveJoin {
            // A prune of what nobody has joined.
            if is_new {
                return;
            }
            self.tree_mut(id)
        } else if is_new {
            self.admit(interface, id, links, cx)
        } else {
            self.tree_mut(id)
        };
        let Some(tree) = tree else {
            return;
        };
        let port = tree.ports.entry(interface);
        let before = port.downstream.state;
        let has_echo = port.downstream.step(event, arrival);
        let mut is_changed = port.downstream.state != before;
        // §4.6: who joins here may know that the winner is gone.
        let lost = |held: &super::assert::Held| held.standing == Standing::Loser;
        if event == JoinEvent::ReceiveJoin && port.assert.as_deref().is_some_and(lost) {
            port.assert = None;
            is_changed = true;
        }
        tree.wake_port(id, interface, cx.timers);
        if has_echo {
            self.echo(interface, id, links);
        }
        if is_changed {
            self.dirty.note(id.0, id.1);
        }
    }

    /// PruneEcho(\*,G) and PruneEcho(S,G): a prune that names this router as the upstream neighbour.
    pub(super) fn echo(&mut self, interface: InterfaceId, (group, source): TreeId, links: &Links) {
        let Some(neighbor) = links.address(interface) else {
            return;
        };
        let target = match source {
            Some(source) => Target::Source(source),
            None => {
                let rp = self.groups.get(&group).and_then(|group| group.rp);
                Target::AnySource {
                    rp: rp.unwrap_or(Ipv4Addr::UNSPECIFIED),
                }
            }
        };
        let hop = Hop { interface, neighbor };
        self.outbox.push(hop, group, target, false);
    }

    fn downstream_rpt<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        (group, source): (Ipv4Addr, Ipv4Addr),
        event: PruneEvent,
        arrival: &Arrival,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        let id = (group, Some(source));
        let is_new = self
            .tree_mut(id)
            .and_then(|tree| tree.ports.get(interface))
            .is_none_or(|port| port.rpt.state == PruneState::NoInfo);
        let tree = if event == PruneEvent::ReceivePruneRpt && is_new {
            self.admit(interface, id, links, cx)
        } else {
            self.tree_mut(id)
        };
        let Some(port) = tree.and_then(|tree| {
            if is_new && event != PruneEvent::ReceivePruneRpt {
                return None;
            }
            Some(tree.ports.entry(interface))
        }) else {
            return;
        };
        port.rpt.step(event, arrival);
        if let Some(group) = self.groups.get_mut(&group) {
            group.rpt_prunes.insert((interface, source));
            if let Some(tree) = group.tree_mut(id.1) {
                tree.wake_port(id, interface, cx.timers);
            }
        }
        self.dirty.note(id.0, id.1);
    }

    /// A Join(\*,G) may take back each Prune(S,G,rpt) that is not repeated in the same message.
    fn receive_join_any_source(&mut self, interface: InterfaceId, address: Ipv4Addr, arrival: &Arrival) {
        self.step_rpt(interface, address, PruneEvent::ReceiveJoinAnySource, arrival);
    }

    /// Those that were not repeated are taken back.
    fn end_of_message(&mut self, interface: InterfaceId, address: Ipv4Addr, arrival: &Arrival) {
        self.step_rpt(interface, address, PruneEvent::EndOfMessage, arrival);
    }

    /// Something that concerns all (S,G,rpt) of a group on an interface.
    fn step_rpt(&mut self, interface: InterfaceId, address: Ipv4Addr, event: PruneEvent, arrival: &Arrival) {
        let Some(group) = self.groups.get_mut(&address) else {
            return;
        };
        let all = (interface, Ipv4Addr::UNSPECIFIED)..=(interface, Ipv4Addr::BROADCAST);
        for &(_, source) in group.rpt_prunes.range(all) {
            let tree = group.sources.get_mut(&source).map(|source| &mut source.tree);
            if let Some(port) = tree.and_then(|tree| tree.ports.get_mut(interface)) {
                port.rpt.step(event, arrival);
                self.dirty.note(address, Some(source));
            }
        }
    }
}

/// Whether this may be joined or pruned: not the groups of a link (RFC 5771 §4), only single sources in the source-specific
/// range (RFC 7761 §4.8.1), and no address that cannot be a source's.
fn is_allowed(group: Ipv4Addr, target: Target) -> bool {
    rp::is_routable(group)
        && match target {
            Target::AnySource { .. } => !is_ssm(group),
            Target::Source(source) => is_unicast(source),
            Target::SourceRpt(source) => is_unicast(source) && !is_ssm(group),
        }
}
