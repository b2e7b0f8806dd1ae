//! Trees: who wants a group, from whom it is asked for, and where packets go.
//!
//! | module | holds |
//! |---|---|
//! | `tree`, `port` | the state of (\*,G), (S,G) and (S,G,rpt), as a whole and on single interfaces (RFC 7761 §4.1.2 to §4.1.4) |
//! | `olist` | the macros of §4.1.5, §4.2, §4.5 and §4.6, under their names there |
//! | `rp`, `rpf` | the RP of a group (§4.7.1); the ways to RPs and sources |
//! | `member` | what local members want |
//! | `receive`, `downstream` | joins and prunes for this router, and the state tables for them (§4.5.1 to §4.5.3) |
//! | `overhear` | joins and prunes for others |
//! | `upstream`, `rpt` | what upstream neighbours are told (§4.5.4, §4.5.5; §4.5.7) |
//! | `assert`, `contest` | the tables and metrics of asserts (§4.6), and what comes of them |
//! | `packet` | packets that were seen (§4.2) |
//! | `timer` | deadlines |
//! | `change` | links, unicast routes, the configuration |
//! | `dirty`, `settle` | what follows from what an event has changed |
//! | `routes` | the routes of the forwarding plane |
//! | `packing`, `send` | few messages instead of many (§4.9.5) |
//! | `limits`, `view` | how much there may be; looking at it |
//!
//! An event changes what other routers, members and packets have left behind and notes the trees that this touches. When it is
//! handled completely, each of them is looked at once ([`Trees::resolve`]): what is asked of upstream neighbours, where packets go.
//! So the work of an event is that of the trees it touches, however many there are.

mod assert;
mod change;
mod contest;
mod dirty;
mod downstream;
mod limits;
mod member;
mod olist;
mod overhear;
mod packet;
mod packing;
mod port;
mod receive;
mod routes;
mod rp;
mod rpf;
mod rpt;
mod send;
mod settle;
mod timer;
mod tree;
mod upstream;
mod view;

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, btree_map::Entry};

use self::{
    contest::Asserts,
    dirty::Dirty,
    limits::Limits,
    packing::Outbox,
    rpf::RpfTable,
    rpt::RptUpstream,
    tree::{Group, Source, Tree, TreeId},
};
use super::{Surroundings, context::Context, links::Links};
use crate::InterfaceId;

/// How many sources of one group there may be because of other routers and of packets. What happens to a group concerns all of
/// them.
const MAX_GROUP_SOURCES: usize = 16_384;

/// What a deadline of a tree belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TreeKey {
    /// The Expiry, Prune-Pending and Assert Timers of (\*,G), or of (S,G) and (S,G,rpt), on an interface.
    Port(Ipv4Addr, Option<Ipv4Addr>, InterfaceId),
    /// The Join Timer of (\*,G), or the Join Timer, Override Timer and Keepalive Timer of (S,G) and (S,G,rpt).
    Upstream(Ipv4Addr, Option<Ipv4Addr>),
}

/// All trees.
#[derive(Debug, Default)]
pub(super) struct Trees {
    groups: BTreeMap<Ipv4Addr, Group>,
    rpf: RpfTable,
    dirty: Dirty,
    outbox: Outbox,
    asserts: Asserts,
    limits: Limits,
}

impl Trees {
    /// Tells neighbours (several groups per message) and the forwarding plane what is different now.
    pub(super) fn resolve<S: Surroundings>(&mut self, links: &mut Links, cx: &mut Context<'_, S>) {
        self.settle(links, cx);
        self.send(links, cx);
    }

    fn tree_mut(&mut self, (group, source): TreeId) -> Option<&mut Tree> {
        self.groups.get_mut(&group)?.tree_mut(source)
    }

    /// A group, which from now on there is.
    fn group<S: Surroundings>(
        &mut self,
        address: Ipv4Addr,
        links: &Links,
        cx: &mut Context<'_, S>,
    ) -> &mut Group {
        match self.groups.entry(address) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let mut group = Group {
                    rp: rp::of(cx.config, address),
                    is_ssm: igmp_wire::address::is_ssm(address),
                    ..Group::default()
                };
                if let Some(rp) = group.rp {
                    group.any.rpf = self.rpf.watch(rp, (address, None), links, cx.surroundings);
                }
                self.dirty.note(address, None);
                entry.insert(group)
            }
        }
    }

    /// A source, which from now on there is.
    fn source<S: Surroundings>(
        &mut self,
        group: Ipv4Addr,
        address: Ipv4Addr,
        links: &Links,
        cx: &mut Context<'_, S>,
    ) -> &mut Source {
        let is_known = self
            .groups
            .get(&group)
            .is_some_and(|group| group.sources.contains_key(&address));
        let rpf = (!is_known).then(|| {
            self.dirty.note(group, Some(address));
            let id = (group, Some(address));
            self.rpf.watch(address, id, links, cx.surroundings)
        });
        let now = cx.now;
        let group = self.group(group, links, cx);
        let is_any_joined = group.any.upstream.is_joined();
        group.sources.entry(address).or_insert_with(|| {
            let mut source = Source {
                rpt: RptUpstream::new(is_any_joined && !group.is_ssm, now),
                ..Source::default()
            };
            source.tree.rpf = rpf.unwrap_or_default();
            source
        })
    }

    /// A tree, which from now on there is.
    fn entry<S: Surroundings>(
        &mut self,
        (group, source): TreeId,
        links: &Links,
        cx: &mut Context<'_, S>,
    ) -> &mut Tree {
        match source {
            None => &mut self.group(group, links, cx).any,
            Some(source) => &mut self.source(group, source, links, cx).tree,
        }
    }

    /// A tree that another router or a packet is the reason for. `None`, counted and at times warned of: there are as many as
    /// there may be.
    fn admit<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        id: TreeId,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) -> Option<&mut Tree> {
        let is_counted = self.tree_mut(id).is_some_and(|tree| tree.is_counted);
        if !is_counted {
            let sources = self.groups.get(&id.0).map_or(0, |group| group.sources.len());
            let limit = if self.limits.entries >= cx.config.max_entries {
                Some(cx.config.max_entries)
            } else {
                (id.1.is_some() && sources >= MAX_GROUP_SOURCES).then_some(MAX_GROUP_SOURCES)
            };
            if let Some(limit) = limit {
                links.refusals_mut(interface).limit += 1;
                self.limits.warn_too_many(interface, id.0, limit, cx);
                return None;
            }
            self.limits.entries += 1;
            self.dirty.note(id.0, id.1);
        }
        let tree = self.entry(id, links, cx);
        tree.is_counted = true;
        Some(tree)
    }
}
