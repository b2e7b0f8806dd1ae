//! Forwarding multicast data: whoever does it, the routes are the same.
//!
//! | module | holds |
//! |---|---|
//! | `xdp` | the engine `xdp`: the maps of the programs in the kernel |
//! | `mrouting` | the engine `kernel`: the kernel's multicast routing |
//! | `earlier` | routes that an earlier agent left |
//! | `maker` | making port sets in a thread of its own |
//! | `port_sets`, `table` | port sets and their numbers; the routes |
//! | `locate` | finding out where sources are |
//! | `upcalls` | what the kernel's multicast routing asks and counts |
//! | `sources` | from which interface packets of a source are accepted |
//! | `ports` | which interfaces packets can leave through |
//! | `classifiers` | attaching the classifier that forwards what XDP cannot redirect |
//! | `activity` | when sources were last active |
//! | `flows` | what sources sent, and those that have gone silent |
//! | `show` | routes for operators |

mod activity;
mod classifiers;
mod earlier;
mod flows;
mod locate;
mod maker;
mod mrouting;
mod port_sets;
mod ports;
mod show;
mod sources;
mod table;
mod upcalls;
mod xdp;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::Ipv4Addr,
    sync::Arc,
};

use igmp_core::{Instant, InterfaceId, Reason, Router, pim::Pim};
use igmp_wire::abi::{INCOMING_NONE, MAX_LOCAL_GROUPS, RouteEntry, RouteKey};
use tokio::sync::mpsc;
use tracing::warn;

pub(super) use self::{activity::Activity, sources::Ways, table::Incoming};
use self::{mrouting::KernelForwarding, sources::Sources, table::RouteId, xdp::XdpForwarding};
use super::{Agent, clock, translate};
use crate::{
    api::MonitorEventKind,
    config::{self, Config},
    kernel::{Flows, Kernel},
    netlink::{LocalGroups, NoAnswer, RouteAsker, RouteTable},
};

/// How many answers of the kernel may wait for the agent.
const ANSWERS: usize = 1_024;

/// An answer of the kernel to the question where a source is.
pub(super) type Answer = (Ipv4Addr, Result<Option<u32>, NoAnswer>);

/// Where what others found out arrives.
pub(super) struct Arrivals {
    /// For [`Agent::take_answer`].
    pub(super) answers: mpsc::Receiver<Answer>,
    /// For [`Agent::take_reading`].
    pub(super) readings: mpsc::Receiver<flows::Reading>,
}

/// Who forwards.
#[derive(Debug)]
enum Engine {
    /// Nobody.
    None,
    /// The programs in the kernel.
    Xdp(Box<XdpForwarding>),
    /// The kernel's multicast routing.
    Kernel(Box<KernelForwarding>),
}

/// Everything about forwarding.
pub(super) struct Forwarding {
    engine: Engine,
    sources: Sources,
    table: Arc<RouteTable>,
    local: Arc<LocalGroups>,
    asker: RouteAsker,
    answers: mpsc::Sender<Answer>,
    flows: flows::Watch,
}

impl Forwarding {
    /// Puts it together.
    ///
    /// # Errors
    ///
    /// Where the engine that is configured cannot be had.
    pub(super) fn new(config: &Config, kernel: &Kernel, asker: RouteAsker) -> io::Result<(Self, Arrivals)> {
        let (sender, answers) = mpsc::channel(ANSWERS);
        let (flows, readings) = flows::Watch::new();
        let engine = match config.forwarding {
            config::Forwarding::Xdp => Engine::Xdp(Box::new(XdpForwarding::adopt(kernel))),
            config::Forwarding::Kernel => {
                let forwarding = KernelForwarding::open(config.max_entries as usize);
                Engine::Kernel(Box::new(forwarding.map_err(io::Error::other)?))
            }
            config::Forwarding::None => Engine::None,
        };
        let forwarding = Self {
            engine,
            sources: Sources::with_told(kernel.source_prefixes()),
            table: Arc::default(),
            local: Arc::default(),
            asker,
            answers: sender,
            flows,
        };
        Ok((forwarding, Arrivals { answers, readings }))
    }
}

impl Forwarding {
    /// The kernel's routing table.
    pub(super) fn table(&self) -> &RouteTable {
        &self.table
    }

    /// The same, and when sources were last active. `flows` are those of the programs in the kernel.
    pub(super) fn table_and_activity(&mut self, flows: Flows) -> (&RouteTable, Activity<'_>) {
        let activity = match &mut self.engine {
            Engine::None => Activity::Unknown,
            Engine::Xdp(_) => Activity::Xdp(flows),
            Engine::Kernel(kernel) => Activity::Kernel(kernel),
        };
        (&self.table, activity)
    }

    /// The routes that are in force.
    pub(super) fn route_ids(&self) -> Vec<RouteId> {
        match &self.engine {
            Engine::Xdp(xdp) => xdp
                .table
                .from((Ipv4Addr::UNSPECIFIED, None))
                .map(|(id, _)| id)
                .collect(),
            Engine::Kernel(kernel) => kernel.routes.keys().copied().collect(),
            Engine::None => Vec::new(),
        }
    }

    /// Has routes go on to lead to these slots where those of an earlier agent do, until the adoption of routes ends.
    pub(super) fn await_slots(&mut self, kernel: &Kernel, slots: BTreeSet<u32>) {
        if let Engine::Xdp(xdp) = &mut self.engine {
            xdp.earlier.await_slots(kernel, slots);
        }
    }

    /// Routes of an earlier agent that nobody has confirmed so far.
    pub(super) fn unconfirmed_routes(&self) -> Vec<(RouteKey, RouteEntry)> {
        match &self.engine {
            Engine::Xdp(xdp) => xdp.earlier.unconfirmed().collect(),
            Engine::None | Engine::Kernel(_) => Vec::new(),
        }
    }

    /// The slot on which packets of a route have to come in, where there is the route and exactly one slot.
    pub(super) fn incoming_slot(&self, id: RouteId) -> Option<u32> {
        match self.incoming(id) {
            Incoming::Slot(slot) => Some(slot),
            Incoming::Rpf | Incoming::Nowhere => None,
        }
    }

    /// Where packets have to come in that the route of a source carries, or that of its group where it has none.
    fn incoming(&self, (group, source): RouteId) -> Incoming {
        let xdp = match &self.engine {
            Engine::None => return Incoming::Rpf,
            Engine::Xdp(xdp) => xdp,
            Engine::Kernel(kernel) => return kernel.incoming((group, source)),
        };
        let route = xdp
            .table
            .get((group, source))
            .or_else(|| xdp.table.get((group, None)));
        route.map(|route| route.incoming()).unwrap_or_default()
    }

    /// When there is something to do without being asked.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.engine {
            Engine::Kernel(kernel) => kernel.poll_timeout(),
            Engine::None | Engine::Xdp(_) => None,
        }
    }
}

impl Agent {
    /// Sets a route that the core has told of.
    pub(super) fn set_route(
        &mut self,
        now: Instant,
        (group, source): RouteId,
        incoming: Incoming,
        outgoing: &[InterfaceId],
        reason: Reason,
    ) {
        let Forwarding { engine, sources, .. } = &mut self.forwarding;
        let added = match engine {
            Engine::None => false,
            Engine::Xdp(xdp) => xdp.set_route(&mut self.kernel, now, (group, source), incoming, outgoing),
            Engine::Kernel(kernel) => {
                let slots = outgoing.iter().map(|interface| interface.0).collect();
                let (added, unlocated) = kernel.set_route(now, (group, source), incoming, slots, sources);
                self.ask_for(unlocated);
                added
            }
        };
        if added && self.has_listeners() {
            let incoming = self.incoming_of((group, source)).unwrap_or_default();
            self.publish_route(MonitorEventKind::RouteAdded, incoming, (group, source), reason);
        }
    }

    /// Removes a route that the core has told of.
    pub(super) fn remove_route(
        &mut self,
        now: Instant,
        group: Ipv4Addr,
        source: Option<Ipv4Addr>,
        reason: Reason,
    ) {
        // Afterwards nobody knows.
        let incoming = match self.has_listeners() {
            true => self.incoming_of((group, source)).unwrap_or_default().to_owned(),
            false => String::new(),
        };
        let Forwarding { engine, sources, .. } = &mut self.forwarding;
        let removed = match engine {
            Engine::None => false,
            Engine::Xdp(xdp) => xdp.remove_route(&mut self.kernel, now, (group, source)),
            Engine::Kernel(kernel) => {
                let (removed, unlocated) = kernel.remove_route(now, (group, source), sources);
                self.ask_for(unlocated);
                removed
            }
        };
        if removed && self.has_listeners() {
            self.publish_route(MonitorEventKind::RouteRemoved, &incoming, (group, source), reason);
        }
    }

    /// Has packets told that PIM acts on, or not. It counts from the next commit of routes on.
    pub(super) fn set_forwarding_signals(&mut self, on: bool) {
        match &mut self.forwarding.engine {
            Engine::None => {}
            Engine::Xdp(xdp) => xdp.set_signals(on),
            Engine::Kernel(kernel) => kernel.set_signals(clock::now(), on),
        }
    }

    /// Lets changes of routes count.
    pub(super) fn commit_routes(&mut self) {
        if let Engine::Xdp(xdp) = &mut self.forwarding.engine {
            xdp.commit(&mut self.kernel);
        }
    }

    /// Takes in what is known of the network before there is anything else.
    pub(super) fn begin_forwarding(&mut self, table: Arc<RouteTable>, local: Arc<LocalGroups>) {
        self.forwarding.table = table;
        self.forwarding.local = local;
    }

    /// Takes in the kernel's routing table.
    pub(super) fn take_routes(&mut self, table: Arc<RouteTable>) {
        self.forwarding.table = table;
        // With another table the kernel may answer otherwise.
        self.forwarding.sources.ask_again();
        self.locate_sources();
        self.send_questions();
        self.pim_routes_changed();
    }

    /// Takes in which groups sockets of the router have joined.
    pub(super) fn take_local_groups(&mut self, local: Arc<LocalGroups>) {
        let had_too_many = self.has_too_many_local_groups();
        self.forwarding.local = local;
        if self.has_too_many_local_groups() && !had_too_many {
            warn!(
                "sockets of this machine have joined more than {MAX_LOCAL_GROUPS} groups; multicast data of all groups \
                 passes to the network stack where they did"
            );
        }
        self.reconcile();
    }

    /// Brings forwarding to what interfaces are like now.
    pub(super) fn reconcile_forwarding(&mut self) {
        let now = clock::now();
        let ports = self.ports();
        let upstream = self.upstream();
        self.attach_classifiers();
        let local = self.local_groups();
        let vifs = self.vifs();
        match &mut self.forwarding.engine {
            Engine::None => {}
            Engine::Xdp(xdp) => {
                xdp.set_local_groups(&mut self.kernel, local);
                if xdp.set_ports(&mut self.kernel, now, ports, upstream) {
                    for (id, incoming, outgoing) in told_routes(self.pim.core(), &self.router) {
                        xdp.set_route(&mut self.kernel, now, id, incoming, &outgoing);
                    }
                }
            }
            Engine::Kernel(kernel) => {
                let ports = ports.into_keys().collect();
                let sources = &self.forwarding.sources;
                let unlocated = kernel.set_interfaces(now, &vifs, ports, upstream, sources);
                self.ask_for(unlocated);
            }
        }
        self.locate_sources();
        self.commit_routes();
    }

    /// Ends the adoption of routes that an earlier agent left. Returns those that are to be set once more; see
    /// [`Forwarding::await_slots`].
    pub(super) fn end_adoption_of_routes(&mut self) -> Vec<RouteId> {
        let Engine::Xdp(xdp) = &mut self.forwarding.engine else {
            return Vec::new();
        };
        let widened = xdp.end_adoption(&mut self.kernel);
        xdp.commit(&mut self.kernel);
        widened
    }

    /// Has packets leave towards members for as long as neighbours there know this router, should nothing more be heard of it.
    /// Then another one takes over, and there must not be two. Without neighbours nobody can.
    fn put_off_end_of_forwarding(&mut self, now: Instant) {
        let until = self
            .known_to_neighbors_for()
            .into_iter()
            .map(|(slot, time)| (slot, (now + time).as_nanos()))
            .collect();
        if let Engine::Xdp(xdp) = &mut self.forwarding.engine {
            xdp.set_valid_until(&mut self.kernel, until);
        }
    }

    /// Does what is to be done from time to time.
    pub(super) fn tend_forwarding(&mut self, now: Instant) {
        if let Engine::Xdp(xdp) = &mut self.forwarding.engine {
            xdp.free_sets(&mut self.kernel, now);
            xdp.prepare_sets(&mut self.kernel);
            let mut last = None;
            while let Some(id) = xdp.next_unplaced(last) {
                last = Some(id);
                if let Some((id, incoming, outgoing)) = told_route(self.pim.core(), &self.router, id) {
                    xdp.set_route(&mut self.kernel, now, id, incoming, &outgoing);
                }
            }
            xdp.commit(&mut self.kernel);
        }
        self.put_off_end_of_forwarding(now);
        self.forget_silent_sources(now);
    }

    fn publish_route(&self, event: MonitorEventKind, incoming: &str, id: RouteId, reason: Reason) {
        self.publish(translate::about_route(event, incoming, id, reason));
    }

    /// The interface that packets of a route come in on, where that is exactly one.
    fn incoming_of(&self, (group, source): RouteId) -> Option<&str> {
        match self.forwarding.incoming((group, source)) {
            Incoming::Rpf => {}
            Incoming::Slot(slot) => return self.slots.owner(slot),
            Incoming::Nowhere => return None,
        }
        let towards = source.map(|source| self.forwarding.sources.towards(source));
        let known = towards.filter(|&slot| slot < INCOMING_NONE);
        // A proxy accepts packets anywhere. In the tree that it is part of, what is in no network behind it comes from
        // upstream.
        let slot = known.or_else(|| self.upstream())?;
        self.slots.owner(slot)
    }

    /// The groups that sockets of the router have joined, by slot.
    fn local_groups(&self) -> BTreeSet<(u32, Ipv4Addr)> {
        let slots: BTreeMap<u32, u32> = self
            .interfaces
            .values()
            .filter_map(|served| Some((served.wanted.binding.as_ref()?.shown_ifindex, served.slot?)))
            .collect();
        if self.has_too_many_local_groups() {
            // Every group counts as one of them then, so that none is missed.
            return BTreeSet::new();
        }
        let groups = self.forwarding.local.iter();
        groups
            .filter_map(|&(ifindex, group)| Some((*slots.get(&ifindex)?, group)))
            .collect()
    }
}

/// A route as it was told: which, where packets have to come in, and where they leave.
type Told = (RouteId, Incoming, Vec<InterfaceId>);

/// All routes as they were told last: by PIM where it runs, else by the IGMP router.
fn told_routes(pim: Option<&Pim>, router: &Router) -> Vec<Told> {
    told_from(pim, router, (Ipv4Addr::UNSPECIFIED, None), usize::MAX)
}

/// The same of one route.
fn told_route(pim: Option<&Pim>, router: &Router, id: RouteId) -> Option<Told> {
    let told = told_from(pim, router, id, 1).pop();
    told.filter(|(found, ..)| *found == id)
}

/// Those from one on, ascending, at most `limit`.
fn told_from(pim: Option<&Pim>, router: &Router, from: RouteId, limit: usize) -> Vec<Told> {
    match pim {
        Some(pim) => {
            let routes = pim.routes(from, limit).into_iter();
            routes
                .map(|route| {
                    let incoming = route
                        .incoming
                        .map_or(Incoming::Nowhere, |interface| Incoming::Slot(interface.0));
                    ((route.group, route.source), incoming, route.outgoing)
                })
                .collect()
        }
        None => {
            let routes = router.routes(from, limit).into_iter();
            routes
                .map(|route| ((route.group, route.source), Incoming::Rpf, route.outgoing))
                .collect()
        }
    }
}
