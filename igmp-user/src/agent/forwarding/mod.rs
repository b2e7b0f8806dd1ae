//! Forwarding multicast data: whoever does it, the routes are the same.
//!
//! | module | holds |
//! |---|---|
//! | `xdp` | the engine `xdp`: the maps of the programs in the kernel |
//! | `port_sets`, `table` | port sets and their numbers; the routes |
//! | `sources` | from which interface packets of a source are accepted |
//! | `ports` | which interfaces packets can leave through |
//! | `flows` | sources that have gone silent |
//! | `show` | routes for operators |

mod flows;
mod port_sets;
mod ports;
mod show;
mod sources;
mod table;
mod xdp;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use igmp_core::{Instant, InterfaceId, Reason};
use igmp_wire::abi::INCOMING_NONE;
use tokio::sync::mpsc;

use self::{sources::Sources, xdp::XdpForwarding};
use super::{Agent, clock, translate};
use crate::{
    api::MonitorEventKind,
    config,
    kernel::Kernel,
    netlink::{RouteAsker, RouteTable},
};

/// How many answers of the kernel may wait for the agent.
const ANSWERS: usize = 1_024;

/// An answer of the kernel to the question where a source is.
pub(super) type Answer = (Ipv4Addr, Option<u32>);

/// Groups that sockets of this machine have joined, by the kernel's index of the interface.
pub type LocalGroups = BTreeSet<(u32, Ipv4Addr)>;

/// Who forwards.
#[derive(Debug)]
enum Engine {
    /// Nobody.
    None,
    /// The programs in the kernel.
    Xdp(Box<XdpForwarding>),
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
    /// Puts it together; `answers` of the kernel are to be handed to [`Agent::take_answer`].
    pub(super) fn new(
        config: config::Forwarding,
        kernel: &Kernel,
        asker: RouteAsker,
    ) -> (Self, mpsc::Receiver<Answer>) {
        let (sender, answers) = mpsc::channel(ANSWERS);
        let engine = match config {
            config::Forwarding::Xdp => Engine::Xdp(Box::new(XdpForwarding::adopt(kernel))),
            config::Forwarding::Kernel | config::Forwarding::None => Engine::None,
        };
        let forwarding = Self {
            engine,
            sources: Sources::with_told(kernel.source_prefixes()),
            table: Arc::default(),
            local: Arc::default(),
            asker,
            answers: sender,
            flows: flows::Watch::default(),
        };
        (forwarding, answers)
    }
}

impl Agent {
    /// Sets a route that the core has told of.
    pub(super) fn set_route(
        &mut self,
        now: Instant,
        group: Ipv4Addr,
        source: Option<Ipv4Addr>,
        outgoing: &[InterfaceId],
        reason: Reason,
    ) {
        let slots: Vec<u32> = outgoing.iter().map(|interface| interface.0).collect();
        let added = match &mut self.forwarding.engine {
            Engine::None => false,
            Engine::Xdp(xdp) => xdp.set_route(&mut self.kernel, now, (group, source), &slots),
        };
        if added {
            self.publish_route(MonitorEventKind::RouteAdded, group, source, reason);
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
        let removed = match &mut self.forwarding.engine {
            Engine::None => false,
            Engine::Xdp(xdp) => xdp.remove_route(&mut self.kernel, now, (group, source)),
        };
        if removed {
            self.publish_route(MonitorEventKind::RouteRemoved, group, source, reason);
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
        let sources = self.forwarding.sources.forget_answers();
        self.locate_sources();
        for source in sources {
            self.ask_for(source);
        }
    }

    /// Takes in which groups sockets of the router have joined.
    pub(super) fn take_local_groups(&mut self, local: Arc<LocalGroups>) {
        self.forwarding.local = local;
        self.reconcile();
    }

    /// Asks the kernel where a source is, which has several ways to it.
    pub(super) fn ask_for(&mut self, source: Ipv4Addr) {
        let now = clock::now();
        if !self.forwarding.sources.ask(source, now) {
            return;
        }
        let asker = self.forwarding.asker.clone();
        let answers = self.forwarding.answers.clone();
        tokio::spawn(async move {
            let answer = asker.interface_towards(source).await;
            // It fails where the agent has ended.
            let _ = answers.send((source, answer)).await;
        });
    }

    /// Takes an answer of the kernel in.
    pub(super) fn take_answer(&mut self, (source, answer): Answer) {
        let Some(told) = self.forwarding.sources.answer(source, answer) else {
            return;
        };
        if let Engine::Xdp(xdp) = &mut self.forwarding.engine {
            let difference = sources::Difference {
                set: vec![told],
                remove: Vec::new(),
            };
            xdp.set_sources(&mut self.kernel, &difference);
            xdp.commit(&mut self.kernel);
        }
    }

    /// Works out anew where sources are.
    fn locate_sources(&mut self) {
        let ways = self.ways();
        let Forwarding {
            engine,
            sources,
            table,
            ..
        } = &mut self.forwarding;
        let difference = sources.update(table, ways);
        if let Engine::Xdp(xdp) = engine {
            xdp.set_sources(&mut self.kernel, &difference);
            xdp.commit(&mut self.kernel);
        }
    }

    /// Brings forwarding to what interfaces are like now.
    pub(super) fn reconcile_forwarding(&mut self) {
        let now = clock::now();
        let ports = self.ports();
        let upstream = self.upstream();
        self.attach_classifiers(&ports);
        let local = self.local_groups();
        if let Engine::Xdp(xdp) = &mut self.forwarding.engine {
            xdp.set_local_groups(&mut self.kernel, local);
            xdp.set_ports(&mut self.kernel, now, ports, upstream);
        }
        self.locate_sources();
        self.commit_routes();
    }

    /// Ends the adoption of what an earlier agent left.
    pub(super) fn end_adoption_of_routes(&mut self) {
        if let Engine::Xdp(xdp) = &mut self.forwarding.engine {
            xdp.end_adoption(&mut self.kernel);
            xdp.commit(&mut self.kernel);
        }
        self.kernel.drop_stale_classifiers();
    }

    /// Does what is to be done from time to time.
    pub(super) fn tend_forwarding(&mut self, now: Instant) {
        if let Engine::Xdp(xdp) = &mut self.forwarding.engine {
            xdp.free_sets(&mut self.kernel, now);
        }
        self.forget_silent_sources(now);
    }

    fn publish_route(
        &self,
        event: MonitorEventKind,
        group: Ipv4Addr,
        source: Option<Ipv4Addr>,
        reason: Reason,
    ) {
        let incoming = self.incoming_of(source).unwrap_or_default();
        self.publish(translate::about_route(event, incoming, (group, source), reason));
    }

    /// The interface that packets of a route come in on, where that is exactly one.
    fn incoming_of(&self, source: Option<Ipv4Addr>) -> Option<&str> {
        if let Some(upstream) = self.upstream() {
            return match source {
                None => self.slots.owner(upstream),
                Some(_) => None,
            };
        }
        let slot = self.forwarding.sources.towards(source?);
        (slot < INCOMING_NONE).then(|| self.slots.owner(slot)).flatten()
    }

    /// The groups that sockets of the router have joined, by slot.
    fn local_groups(&self) -> BTreeSet<(u32, Ipv4Addr)> {
        let slots: BTreeMap<u32, u32> = self
            .interfaces
            .values()
            .filter_map(|served| Some((served.wanted.binding.as_ref()?.shown_ifindex, served.slot?)))
            .collect();
        let most = igmp_wire::abi::MAX_LOCAL_GROUPS as usize;
        let groups = self.forwarding.local.iter();
        groups
            .filter_map(|&(ifindex, group)| Some((*slots.get(&ifindex)?, group)))
            .take(most)
            .collect()
    }
}
