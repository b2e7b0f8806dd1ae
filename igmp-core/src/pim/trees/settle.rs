//! What follows from what an event has changed, until nothing follows any more: asserts, what upstream neighbours are told,
//! routes.

use core::net::Ipv4Addr;

use smallvec::SmallVec;

use super::{
    Trees,
    assert::{Facts, Standing, Verdict, consequence_table},
    downstream::PruneState,
    olist::Macros,
    routes,
    rpt::RptWanted,
    tree::{self, Group, Source, TreeId},
    upstream::{Circumstances, Wanted, next_join},
};
use crate::{
    InterfaceId,
    pim::{Surroundings, context::Context, links::Links},
};

/// In how many rounds the state machines of a tree come to rest at most. Each round ends an assert or turns a tree round, of
/// which there are few.
const ROUNDS: usize = 8;

impl Trees {
    /// Looks at all trees that an event has touched.
    pub(super) fn settle<S: Surroundings>(&mut self, links: &mut Links, cx: &mut Context<'_, S>) {
        for ids in self.dirty.take().chunk_by(|one, other| one.0 == other.0) {
            let Some(&(address, first)) = ids.first() else {
                continue;
            };
            let Some(mut group) = self.groups.remove(&address) else {
                continue;
            };
            let only =
                first.map(|_| -> Vec<Ipv4Addr> { ids.iter().filter_map(|&(_, source)| source).collect() });
            if only.is_none() {
                self.settle_any_source(address, &mut group, links, cx);
            }
            let sources: Vec<Ipv4Addr> = match &only {
                Some(only) => only.clone(),
                None => group.sources.keys().copied().collect(),
            };
            for &source in &sources {
                if let Some(mut state) = group.sources.remove(&source) {
                    self.settle_source((address, source), &group, &mut state, links, cx);
                    group.sources.insert(source, state);
                }
            }
            routes::tell(address, &mut group, only.as_deref(), links, cx.actions);
            self.tidy(address, &mut group, &sources, cx);
            if group.is_idle() {
                if let Some(rp) = group.rp {
                    self.rpf.unwatch(rp, (address, None));
                }
                tree::cancel(&mut group.any, (address, None), cx.timers);
            } else {
                self.groups.insert(address, group);
            }
        }
    }

    fn settle_any_source<S: Surroundings>(
        &mut self,
        address: Ipv4Addr,
        group: &mut Group,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        let id = (address, None);
        group.any.rpf = group.rp.map_or_else(Default::default, |rp| self.rpf.get(rp, id));
        let mut left = group.any.upstream.replace_interface(group.any.rpf.interface);
        let nothing = Source::default();
        for _ in 0..ROUNDS {
            let macros = Macros::new(&group.any, &nothing, group.is_ssm, links);
            let facts = |i| Facts {
                could_assert: macros.could_assert_any(i),
                tracking_desired: macros.assert_tracking_desired_any(i),
                my_metric: macros.my_assert_metric_any(i),
            };
            let verdicts = consequences(&group.any, facts, left.take());
            let is_changed = !verdicts.is_empty();
            for (interface, verdict) in verdicts {
                self.end_assert(id, &mut group.any, interface, verdict);
            }
            let macros = Macros::new(&group.any, &nothing, group.is_ssm, links);
            let wanted = Wanted {
                join_desired: macros.join_desired_any(),
                hop: macros.rpf_prime_any(),
                by_assert: macros.i_am_assert_loser_to_any().is_some(),
                rp: group.rp,
            };
            let at = circumstances(id, wanted, links, cx);
            let is_turned = group.any.upstream.step(wanted, &at, &mut self.outbox);
            if !is_changed && !is_turned {
                break;
            }
        }
        let join_timer = group.any.upstream.join_timer;
        tree::wake(&mut group.any, id, join_timer, cx.timers);
    }

    fn settle_source<S: Surroundings>(
        &mut self,
        (address, source): (Ipv4Addr, Ipv4Addr),
        group: &Group,
        state: &mut Source,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        let id = (address, Some(source));
        state.tree.rpf = self.rpf.get(source, id);
        let mut left = state.tree.upstream.replace_interface(state.tree.rpf.interface);
        for _ in 0..ROUNDS {
            let macros = Macros::new(&group.any, state, group.is_ssm, links);
            let facts = |i| Facts {
                could_assert: macros.could_assert(i),
                tracking_desired: macros.assert_tracking_desired(i),
                my_metric: macros.my_assert_metric(i),
            };
            let verdicts = consequences(&state.tree, facts, left.take());
            let mut is_changed = !verdicts.is_empty();
            for (interface, verdict) in verdicts {
                self.end_assert(id, &mut state.tree, interface, verdict);
            }
            let macros = Macros::new(&group.any, state, group.is_ssm, links);
            let wanted = Wanted {
                join_desired: macros.join_desired(),
                hop: macros.rpf_prime(),
                by_assert: macros.i_am_assert_loser_to().is_some(),
                rp: None,
            };
            let at = circumstances(id, wanted, links, cx);
            is_changed |= state.tree.upstream.step(wanted, &at, &mut self.outbox);
            if !wanted.join_desired {
                is_changed |= core::mem::take(&mut state.spt_bit);
            } else if state.tree.rpf.is_connected && !state.spt_bit {
                // The first packet would set it, but the forwarding plane does not tell of packets that have a route of their own.
                state.spt_bit = true;
                is_changed = true;
            }
            if !is_changed {
                break;
            }
        }
        if !group.is_ssm {
            let macros = Macros::new(&group.any, state, group.is_ssm, links);
            let wanted = RptWanted {
                rpt_join_desired: macros.join_desired_any(),
                prune_desired: macros.prune_desired(),
                hop: macros.rpf_prime_rpt(),
                hop_of_any: macros.rpf_prime_any(),
            };
            let t_override = match wanted.hop {
                Some(hop) => cx.now + cx.random.delay(links.override_interval(hop.interface)),
                None => cx.now,
            };
            let name = (address, source);
            state.rpt.step(wanted, name, cx.now, t_override, &mut self.outbox);
        }
        let deadline = state.deadline();
        tree::wake(&mut state.tree, id, deadline, cx.timers);
    }

    fn end_assert(&mut self, id: TreeId, tree: &mut tree::Tree, interface: InterfaceId, verdict: Verdict) {
        if let Some(port) = tree.ports.get_mut(interface) {
            port.assert = None;
        }
        if verdict == Verdict::Cancel {
            self.asserts.cancel(id, interface);
        }
    }

    /// Forgets of the group what there is nothing to say of any more.
    fn tidy<S: Surroundings>(
        &mut self,
        address: Ipv4Addr,
        group: &mut Group,
        sources: &[Ipv4Addr],
        cx: &mut Context<'_, S>,
    ) {
        for &source in sources {
            let id = (address, Some(source));
            let Some(state) = group.sources.get_mut(&source) else {
                continue;
            };
            if !group.rpt_prunes.is_empty() {
                for port in state.tree.ports.iter() {
                    if port.rpt.state == PruneState::NoInfo {
                        group.rpt_prunes.remove(&(port.interface, source));
                    }
                }
            }
            let is_foreign = state.tree.tidy(id, cx.timers) || state.is_foreign();
            self.count(&mut state.tree, is_foreign);
            if state.is_idle() {
                tree::cancel(&mut state.tree, id, cx.timers);
                self.rpf.unwatch(source, id);
                group.sources.remove(&source);
            }
        }
        let is_foreign = group.any.tidy((address, None), cx.timers);
        self.count(&mut group.any, is_foreign);
    }

    /// Gives back the place of a tree that other routers and packets are no reason for any more.
    fn count(&mut self, tree: &mut tree::Tree, is_foreign: bool) {
        if tree.is_counted && !is_foreign {
            tree.is_counted = false;
            self.limits.entries = self.limits.entries.saturating_sub(1);
        }
    }
}

/// Which asserts come to an end because of other state.
fn consequences(
    tree: &tree::Tree,
    facts: impl Fn(InterfaceId) -> Facts,
    left: Option<InterfaceId>,
) -> SmallVec<[(InterfaceId, Verdict); 1]> {
    let held = (tree.ports.iter()).filter_map(|port| Some((port.interface, port.assert.as_ref()?)));
    held.map(|(interface, held)| {
        let has_left = held.standing == Standing::Loser && left == Some(interface);
        (interface, consequence_table(held, &facts(interface), has_left))
    })
    .filter(|&(_, verdict)| verdict != Verdict::Stay)
    .collect()
}

/// What the state machine of a tree looks at besides what is wanted of it.
fn circumstances<S: Surroundings>(
    (group, source): TreeId,
    wanted: Wanted,
    links: &Links,
    cx: &mut Context<'_, S>,
) -> Circumstances {
    let t_override = match wanted.hop {
        Some(hop) if wanted.join_desired => cx.now + cx.random.delay(links.override_interval(hop.interface)),
        _ => cx.now,
    };
    Circumstances {
        group,
        source,
        now: cx.now,
        next_join: next_join(cx.now, cx.config.join_prune_interval),
        t_override,
    }
}
