//! The state of a group and of its sources (RFC 7761 §4.1.2 to §4.1.4).

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use super::{TreeKey, port::Ports, routes::Route, rpf::Rpf, rpt::RptUpstream, upstream::Upstream};
use crate::{
    InterfaceId,
    pim::key::Key,
    time::Instant,
    timers::{Slot, Timers},
};

/// What a tree is called: its group, and its source unless it is (\*,G).
pub(super) type TreeId = (Ipv4Addr, Option<Ipv4Addr>);

/// What (\*,G) and (S,G) have in common.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// What is known of it on single interfaces.
    pub(super) ports: Ports,
    /// The way to the RP or the source.
    pub(super) rpf: Rpf,
    /// What the upstream neighbour was told.
    pub(super) upstream: Upstream,
    /// The route that was told.
    pub(super) told: Option<Route>,
    /// Whether it counts against the limit of entries.
    pub(super) is_counted: bool,
    /// Where the earliest deadline of the tree itself is queued.
    pub(super) slot: Slot,
}

impl Tree {
    /// Sees to it that the deadlines on an interface are kept.
    pub(super) fn wake_port(&mut self, id: TreeId, interface: InterfaceId, timers: &mut Timers<Key>) {
        if let Some(port) = self.ports.get_mut(interface) {
            let deadline = port.deadline();
            timers.wake_by(&mut port.slot, deadline, port_key(id, interface));
        }
    }

    /// Forgets interfaces of which there is nothing to say.
    fn remove_idle_ports(&mut self, id: TreeId, timers: &mut Timers<Key>) {
        self.ports
            .remove_idle(|port| timers.cancel(&mut port.slot, port_key(id, port.interface)));
    }

    fn is_idle(&self) -> bool {
        self.ports.is_empty() && !self.upstream.is_joined() && self.told.is_none()
    }

    /// Tidies up, and answers whether other routers or packets are why the tree is there.
    pub(super) fn tidy(&mut self, id: TreeId, timers: &mut Timers<Key>) -> bool {
        self.remove_idle_ports(id, timers);
        self.ports.iter().any(|port| port.is_foreign())
    }
}

/// Forgets all deadlines of the tree itself.
pub(super) fn cancel(tree: &mut Tree, id: TreeId, timers: &mut Timers<Key>) {
    timers.cancel(&mut tree.slot, upstream_key(id));
}

/// Sees to it that the tree itself is looked at no later than at a deadline.
pub(super) fn wake(tree: &mut Tree, id: TreeId, at: Instant, timers: &mut Timers<Key>) {
    timers.wake_by(&mut tree.slot, at, upstream_key(id));
}

/// Sees to it that the Join Timer is kept.
pub(super) fn rewake(tree: &mut Tree, id: TreeId, timers: &mut Timers<Key>) {
    let at = tree.upstream.join_timer;
    wake(tree, id, at, timers);
}

fn upstream_key((group, source): TreeId) -> Key {
    Key::Tree(TreeKey::Upstream(group, source))
}

fn port_key((group, source): TreeId, interface: InterfaceId) -> Key {
    Key::Tree(TreeKey::Port(group, source, interface))
}

/// A group.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// RP(G), `None` where the configuration has none, or in the source-specific range.
    pub(super) rp: Option<Ipv4Addr>,
    /// Whether it is in the source-specific range (§4.8).
    pub(super) is_ssm: bool,
    /// (\*,G).
    pub(super) any: Tree,
    /// (S,G) and (S,G,rpt) of each source of which there is anything to say.
    pub(super) sources: BTreeMap<Ipv4Addr, Source>,
    /// Where neighbours have pruned a source off the shared tree: each Join(\*,G) asks for that.
    pub(super) rpt_prunes: BTreeSet<(InterfaceId, Ipv4Addr)>,
    /// Until when all sources are about to be joined anew, since a Prune(\*,G) was seen.
    pub(super) overriding: Instant,
}

impl Group {
    /// (\*,G) or (S,G).
    pub(super) fn tree_mut(&mut self, source: Option<Ipv4Addr>) -> Option<&mut Tree> {
        match source {
            None => Some(&mut self.any),
            Some(source) => self.sources.get_mut(&source).map(|source| &mut source.tree),
        }
    }

    /// Whether there is nothing to say of it.
    pub(super) fn is_idle(&self) -> bool {
        self.sources.is_empty() && self.any.is_idle()
    }
}

/// (S,G) and (S,G,rpt).
#[derive(Debug, Default)]
pub(super) struct Source {
    /// (S,G).
    pub(super) tree: Tree,
    /// The upstream state of (S,G,rpt).
    pub(super) rpt: RptUpstream,
    /// When KeepaliveTimer(S,G) ends, while it runs.
    pub(super) keepalive: Option<Instant>,
    /// SPTbit(S,G).
    pub(super) spt_bit: bool,
}

impl Source {
    /// Whether packets or what other routers say to others are why it is there.
    pub(super) fn is_foreign(&self) -> bool {
        self.keepalive.is_some() || self.rpt.override_timer != Instant::MAX
    }

    /// Whether there is nothing to say of it.
    pub(super) fn is_idle(&self) -> bool {
        self.tree.is_idle() && self.keepalive.is_none() && self.rpt.is_idle()
    }

    /// The earliest deadline of the tree itself.
    pub(super) fn deadline(&self) -> Instant {
        let keepalive = self.keepalive.unwrap_or(Instant::MAX);
        (self.tree.upstream.join_timer)
            .min(self.rpt.override_timer)
            .min(keepalive)
    }
}
