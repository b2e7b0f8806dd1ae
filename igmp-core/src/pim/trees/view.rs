//! Looking at trees.

use core::net::Ipv4Addr;

use super::{
    Trees,
    olist::Macros,
    rpt::RptState,
    tree::{Group, Tree, TreeId},
};
use crate::{
    pim::{PimJoinState, PimJoinView, PimRouteView, links::Links},
    time::Instant,
};

impl Trees {
    /// What is asked of upstream neighbours.
    pub(in crate::pim) fn joins(
        &self,
        now: Instant,
        from: TreeId,
        limit: usize,
        links: &Links,
    ) -> Vec<PimJoinView> {
        let views = self.from(from).flat_map(|(address, group, first)| {
            let of_any = first.is_none().then(|| of_tree(now, (address, None), &group.any));
            let sources = group.sources.range(first.unwrap_or(Ipv4Addr::UNSPECIFIED)..);
            let of_sources = sources.map(move |(&source, state)| {
                let id = (address, Some(source));
                of_tree(now, id, &state.tree).or_else(|| {
                    let hop = Macros::new(&group.any, state, group.is_ssm, links).rpf_prime_rpt();
                    (state.rpt.state == RptState::Pruned).then_some(PimJoinView {
                        group: address,
                        source: Some(source),
                        interface: group.any.rpf.interface,
                        upstream_neighbor: hop.map(|hop| hop.neighbor),
                        state: PimJoinState::Pruned,
                        up_time: now.since(state.rpt.since),
                    })
                })
            });
            of_any.into_iter().chain(of_sources).flatten()
        });
        views.take(limit).collect()
    }

    /// The routes that were told.
    pub(in crate::pim) fn routes(&self, from: TreeId, limit: usize) -> Vec<PimRouteView> {
        let views = self.from(from).flat_map(|(address, group, first)| {
            let of_any = first.is_none().then_some((None, &group.any));
            let sources = group.sources.range(first.unwrap_or(Ipv4Addr::UNSPECIFIED)..);
            let of_sources = sources.map(|(&source, state)| (Some(source), &state.tree));
            (of_any.into_iter().chain(of_sources)).filter_map(move |(source, tree)| {
                let route = tree.told.as_ref()?;
                Some(PimRouteView {
                    group: address,
                    source,
                    incoming: route.incoming,
                    outgoing: route.outgoing.to_vec(),
                })
            })
        });
        views.take(limit).collect()
    }

    /// The groups from one on, each with the source to begin with, `None` for (\*,G).
    fn from(&self, (first, source): TreeId) -> impl Iterator<Item = (Ipv4Addr, &Group, Option<Ipv4Addr>)> {
        let groups = self.groups.range(first..);
        groups.map(move |(&address, group)| (address, group, source.filter(|_| address == first)))
    }
}

fn of_tree(now: Instant, (group, source): TreeId, tree: &Tree) -> Option<PimJoinView> {
    let upstream = &tree.upstream;
    upstream.is_joined().then(|| PimJoinView {
        group,
        source,
        interface: upstream.hop().map(|hop| hop.interface).or(tree.rpf.interface),
        upstream_neighbor: upstream.hop().map(|hop| hop.neighbor),
        state: if upstream.hop().is_some() {
            PimJoinState::Joined
        } else if tree.rpf.is_connected {
            PimJoinState::Connected
        } else {
            PimJoinState::Pending
        },
        up_time: now.since(upstream.since()),
    })
}
