//! The engine `kernel`: keeping the kernel's multicast routing in step with the routes.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io,
    net::Ipv4Addr,
    os::fd::{AsFd, OwnedFd},
};

use igmp_core::Instant;
use igmp_wire::abi::{INCOMING_ASK, INCOMING_NONE};
use tracing::error;

use super::{
    sources::Sources,
    table::{Incoming, RouteId},
};
use crate::{
    agent::throttle::Throttle,
    mroute::{
        Flow, KernelRouting, MrouteSocket, OpenError, Received, RouteView, Rpf, SlotCounters, VifWanted,
    },
};

/// A route as the core told it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// Where its packets have to come in.
    pub(super) incoming: Incoming,
    /// The slots with members.
    pub(super) outgoing: Vec<u32>,
    /// Since when there is such a route.
    pub(super) since: Instant,
}

/// The kernel's multicast routing, and what it was told.
#[derive(Debug)]
pub(in crate::agent) struct KernelForwarding {
    routing: KernelRouting<MrouteSocket>,
    pub(super) routes: BTreeMap<RouteId, Told>,
    /// The slots that packets can leave through.
    ports: BTreeSet<u32>,
    upstream: Option<u32>,
    /// When the kernel's questions may be answered again, where there were too many.
    paused_until: Option<Instant>,
    errors: Throttle,
}

impl KernelForwarding {
    /// Takes over the kernel's multicast routing, for at most `max_entries` sources of groups.
    ///
    /// # Errors
    ///
    /// [`OpenError`] where another daemon has it, or something is missing.
    pub(super) fn open(max_entries: usize) -> Result<Self, OpenError> {
        Ok(Self {
            routing: KernelRouting::new(MrouteSocket::open()?, max_entries),
            routes: BTreeMap::new(),
            ports: BTreeSet::new(),
            upstream: None,
            paused_until: None,
            errors: Throttle::default(),
        })
    }

    /// A descriptor that becomes readable when the kernel asks something.
    pub(super) fn fd(&self) -> io::Result<OwnedFd> {
        self.routing.socket().as_fd().try_clone_to_owned()
    }

    /// Sets a route. Returns whether there was none before, and sources for which the kernel's routing table is to be
    /// asked.
    pub(super) fn set_route(
        &mut self,
        now: Instant,
        id: RouteId,
        incoming: Incoming,
        outgoing: Vec<u32>,
        sources: &Sources,
    ) -> (bool, BTreeSet<Ipv4Addr>) {
        let usable = self.usable(&outgoing);
        let since = self.routes.get(&id).map_or(now, |told| told.since);
        let told = Told {
            incoming,
            outgoing,
            since,
        };
        let is_new = self.routes.insert(id, told).is_none();
        let unlocated = self
            .with_rpf(sources, |routing, rpf| {
                routing.set_route(now, id.0, id.1, &usable, rpf);
            })
            .1;
        self.report(now);
        (is_new, unlocated)
    }

    /// Removes a route. Returns whether there was one, and sources for which the kernel's routing table is to be asked.
    pub(super) fn remove_route(
        &mut self,
        now: Instant,
        id: RouteId,
        sources: &Sources,
    ) -> (bool, BTreeSet<Ipv4Addr>) {
        let was_there = self.routes.remove(&id).is_some();
        let unlocated = self
            .with_rpf(sources, |routing, rpf| routing.remove_route(now, id.0, id.1, rpf))
            .1;
        self.report(now);
        (was_there, unlocated)
    }

    /// Has packets noted that PIM acts on, or not.
    pub(super) fn set_signals(&mut self, now: Instant, on: bool) {
        self.routing.set_signals(now, on);
    }

    /// Packets that PIM acts on, as their slots and flows, since the last call.
    pub(super) fn take_packets(&mut self) -> Vec<(u32, Flow)> {
        self.routing.take_packets()
    }

    /// When the last packet of a source was noticed, see [`KernelRouting::last_packet`].
    pub(super) fn last_packet(&mut self, now: Instant, group: Ipv4Addr, source: Ipv4Addr) -> Option<Instant> {
        self.routing.last_packet(now, Flow { group, source })
    }

    /// Takes in the interfaces, those of them that packets can leave through, and the upstream interface of a proxy. Returns
    /// sources for which the kernel's routing table is to be asked.
    pub(super) fn set_interfaces(
        &mut self,
        now: Instant,
        vifs: &BTreeMap<u32, VifWanted>,
        ports: BTreeSet<u32>,
        upstream: Option<u32>,
        sources: &Sources,
    ) -> BTreeSet<Ipv4Addr> {
        let mut unlocated = BTreeSet::new();
        for error in self.routing.set_interfaces(now, vifs) {
            error!("{error}");
        }
        if self.ports != ports || self.upstream != upstream {
            self.ports = ports;
            self.upstream = upstream;
            let upstream = self.usable(&[]);
            self.routing.set_default(now, &upstream);
            let routes: Vec<(RouteId, Vec<u32>)> = self
                .routes
                .iter()
                .map(|(&id, told)| (id, self.usable(&told.outgoing)))
                .collect();
            unlocated = self
                .with_rpf(sources, |routing, rpf| {
                    for ((group, source), usable) in routes {
                        routing.set_route(now, group, source, &usable, rpf);
                    }
                })
                .1;
        }
        self.report(now);
        unlocated
    }

    /// The ways to sources have changed. Returns sources for which the kernel is to be asked.
    pub(super) fn sources_changed(&mut self, now: Instant, sources: &Sources) -> BTreeSet<Ipv4Addr> {
        let unlocated = self
            .with_rpf(sources, |routing, rpf| routing.rpf_changed(now, rpf))
            .1;
        self.report(now);
        unlocated
    }

    /// Answers what the kernel asks. Returns whether there is nothing more to be read for now, and sources for which the
    /// kernel's routing table is to be asked.
    pub(super) fn receive(&mut self, now: Instant, sources: &Sources) -> (bool, BTreeSet<Ipv4Addr>) {
        let (received, unlocated) = self.with_rpf(sources, |routing, rpf| routing.receive(now, rpf));
        self.paused_until = match received {
            Received::Paused(until) => Some(until),
            Received::Empty | Received::More => None,
        };
        self.report(now);
        (received != Received::More, unlocated)
    }

    /// When [`serve`](Self::serve) is to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.routing.poll_timeout(), self.paused_until]
            .into_iter()
            .flatten()
            .min()
    }

    /// Serves what is due.
    pub(super) fn serve(&mut self, now: Instant, sources: &Sources) -> BTreeSet<Ipv4Addr> {
        self.routing.handle_timeout(now);
        if self.paused_until.is_some_and(|until| until <= now) {
            return self.receive(now, sources).1;
        }
        BTreeSet::new()
    }

    /// The kernel's entries, ordered by group and source, from the first after `after` on.
    pub(super) fn entries(&mut self, now: Instant, after: Option<Flow>, max: usize) -> Vec<RouteView> {
        self.routing.routes(now, after, max)
    }

    /// What was counted for an interface, as of this moment.
    pub(super) fn counters(&mut self, slot: u32) -> Option<SlotCounters> {
        self.routing.slot_counters(slot)
    }

    /// Brings what [`counters`](Self::counters) tells up to this moment.
    pub(super) fn read_counters(&mut self, now: Instant) {
        self.routing.read_counters(now);
    }

    /// Where packets have to come in that the route of a source carries, or that of its group where it has none.
    pub(super) fn incoming(&self, id: RouteId) -> Incoming {
        incoming(&self.routes, id)
    }

    /// The slots that packets of a route leave through.
    pub(super) fn usable(&self, outgoing: &[u32]) -> Vec<u32> {
        let slots: BTreeSet<u32> = outgoing.iter().copied().chain(self.upstream).collect();
        slots.intersection(&self.ports).copied().collect()
    }

    /// Calls `work` with the way to sources, and collects those for which the kernel is to be asked.
    fn with_rpf<T>(
        &mut self,
        sources: &Sources,
        work: impl FnOnce(&mut KernelRouting<MrouteSocket>, Rpf<'_>) -> T,
    ) -> (T, BTreeSet<Ipv4Addr>) {
        if self.upstream.is_some() {
            return (work(&mut self.routing, Rpf::Arrival), BTreeSet::new());
        }
        let unlocated = RefCell::new(BTreeSet::new());
        let Self { routing, routes, .. } = self;
        let towards = |Flow { group, source }: Flow| match incoming(routes, (group, Some(source))) {
            Incoming::Slot(slot) => Some(slot),
            Incoming::Nowhere => None,
            Incoming::Rpf => match sources.towards(source) {
                INCOMING_ASK => {
                    unlocated.borrow_mut().insert(source);
                    None
                }
                slot => (slot < INCOMING_NONE).then_some(slot),
            },
        };
        let outcome = work(routing, Rpf::Lookup(&towards));
        (outcome, unlocated.into_inner())
    }

    fn report(&mut self, now: Instant) {
        if let Some(error) = self.routing.take_error()
            && let Some(count) = self.errors.note(now, 1)
        {
            error!(count, "the kernel's multicast routing does not follow: {error}");
        }
    }
}

fn incoming(routes: &BTreeMap<RouteId, Told>, (group, source): RouteId) -> Incoming {
    let route = routes
        .get(&(group, source))
        .or_else(|| routes.get(&(group, None)));
    route.map(|told| told.incoming).unwrap_or_default()
}
