//! Joins and prunes that a neighbour is told by others (RFC 7761 §4.5.4, §4.5.5, §4.5.7).

use core::net::Ipv4Addr;

use super::{
    Trees,
    olist::Macros,
    receive::FOR_EVER,
    rpf::Hop,
    tree::{self, Group},
    upstream::period,
};
use crate::{
    InterfaceId,
    pim::{JoinPrune, Surroundings, Target, context::Context, links::Links},
    time::{Duration, Instant},
};

/// When timers end that are set because of a message.
#[derive(Clone, Copy)]
struct Delays {
    joinsuppress: Instant,
    r#override: Instant,
}

impl Trees {
    /// Sees a message to another router: its joins make this router's own unnecessary for a while, its prunes make them
    /// urgent.
    pub(super) fn overhear<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        message: &JoinPrune,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        self.see(interface, message, true, links, cx);
    }

    /// Sees the prunes of a router that is no neighbour yet, as after a link has come back, when it may have heard this
    /// router's Hello on another network before it has said its own here.
    ///
    /// §4.3.1 has its message discarded, and nothing of it holds. But the router upstream knows the sender and acts on its
    /// prunes, so that without an override this router would get nothing until its next periodic Join.
    pub(in crate::pim) fn overhear_stranger<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        message: &JoinPrune,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        self.see(interface, message, false, links, cx);
    }

    fn see<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        message: &JoinPrune,
        trusts_joins: bool,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        let hop = Hop {
            interface,
            neighbor: message.upstream_neighbor,
        };
        let delays = delays(interface, message.hold_time, links, cx);
        for set in &message.groups {
            for &target in set.joins.iter().filter(|_| trusts_joins) {
                self.see_join(hop, set.group, target, delays, links, cx);
            }
            for &target in &set.prunes {
                self.see_prune(hop, set.group, target, delays, links, cx);
            }
        }
    }

    fn see_join<S: Surroundings>(
        &mut self,
        hop: Hop,
        address: Ipv4Addr,
        target: Target,
        delays: Delays,
        links: &Links,
        cx: &mut Context<'_, S>,
    ) {
        let Some(group) = self.groups.get_mut(&address) else {
            return;
        };
        match target {
            Target::AnySource { rp } => {
                if group.any.upstream.is_joined_to(hop) && group.rp == Some(rp) {
                    group.any.upstream.see_join(delays.joinsuppress);
                    tree::rewake(&mut group.any, (address, None), cx.timers);
                }
            }
            Target::Source(source) => {
                if let Some(state) = group.sources.get_mut(&source)
                    && state.tree.upstream.is_joined_to(hop)
                {
                    state.tree.upstream.see_join(delays.joinsuppress);
                }
            }
            Target::SourceRpt(source) => {
                if is_rpf_prime_rpt(group, source, hop, links)
                    && let Some(state) = group.sources.get_mut(&source)
                {
                    state.rpt.see_join();
                    self.dirty.note(address, Some(source));
                }
            }
        }
    }

    fn see_prune<S: Surroundings>(
        &mut self,
        hop: Hop,
        address: Ipv4Addr,
        target: Target,
        delays: Delays,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        let Some(group) = self.groups.get_mut(&address) else {
            return;
        };
        match target {
            Target::AnySource { .. } => {
                if group.any.upstream.is_joined_to(hop) {
                    group.any.upstream.hurry(delays.r#override);
                    tree::rewake(&mut group.any, (address, None), cx.timers);
                }
                // The sources as well, for the sake of routers that follow RFC 2362. One override is enough for many prunes.
                if group.overriding > cx.now {
                    return;
                }
                group.overriding = delays.r#override;
                for (&source, state) in &mut group.sources {
                    if state.tree.upstream.is_joined_to(hop) {
                        state.tree.upstream.hurry(delays.r#override);
                        let deadline = state.deadline();
                        tree::wake(&mut state.tree, (address, Some(source)), deadline, cx.timers);
                    }
                }
            }
            Target::Source(source) | Target::SourceRpt(source) => {
                if let Some(state) = group.sources.get_mut(&source)
                    && state.tree.upstream.is_joined_to(hop)
                {
                    state.tree.upstream.hurry(delays.r#override);
                    let deadline = state.deadline();
                    tree::wake(&mut state.tree, (address, Some(source)), deadline, cx.timers);
                }
                self.override_rpt(hop, address, source, delays, links, cx);
            }
        }
    }

    /// See Prune(S,G,rpt) or Prune(S,G) to RPF'(S,G,rpt). A source that is not known is in the state NotPruned where the group
    /// is joined.
    fn override_rpt<S: Surroundings>(
        &mut self,
        hop: Hop,
        address: Ipv4Addr,
        source: Ipv4Addr,
        delays: Delays,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        let id = (address, Some(source));
        let is_wanted = self.groups.get(&address).is_some_and(|group| {
            group.any.upstream.is_joined() && is_rpf_prime_rpt(group, source, hop, links)
        });
        let is_source = igmp_wire::address::is_unicast(source);
        if !is_wanted || !is_source || self.admit(hop.interface, id, links, cx).is_none() {
            return;
        }
        let state = self.source(address, source, links, cx);
        state.rpt.hurry(delays.r#override);
        let deadline = state.deadline();
        tree::wake(&mut state.tree, id, deadline, cx.timers);
        self.dirty.note(address, Some(source));
    }
}

fn is_rpf_prime_rpt(group: &Group, source: Ipv4Addr, hop: Hop, links: &Links) -> bool {
    let nothing = tree::Source::default();
    let state = group.sources.get(&source).unwrap_or(&nothing);
    let macros = Macros::new(&group.any, state, group.is_ssm, links);
    !group.is_ssm && macros.rpf_prime_rpt() == Some(hop)
}

fn delays<S: Surroundings>(
    interface: InterfaceId,
    hold_time: u16,
    links: &Links,
    cx: &mut Context<'_, S>,
) -> Delays {
    let period = period(cx.config.join_prune_interval);
    let suppressed = if links.is_suppression_enabled(interface) {
        // rand(1.1 * t_periodic, 1.4 * t_periodic)
        period * 11 / 10 + cx.random.delay(period * 3 / 10)
    } else {
        Duration::ZERO
    };
    let joinsuppress = match hold_time {
        FOR_EVER => suppressed,
        seconds => suppressed.min(Duration::from_secs(seconds.into())),
    };
    let t_override = cx.random.delay(links.override_interval(interface));
    Delays {
        joinsuppress: cx.now + joinsuppress,
        r#override: cx.now + t_override,
    }
}
