//! Routers, hosts and the link between them, on virtual time.
//!
//! Whatever will happen waits in one queue, ordered by its time; what it leads to is queued in turn.
//!
//! | module | holds |
//! |---|---|
//! | `happening` | what waits in the queue |
//! | `frames` | sending and receiving |
//! | `members` | hosts that join, leave and answer |
//! | `wishes` | what hosts are promised, and from when on |
//! | `agents` | when the agents of routers wake up and act |
//! | `disturbances` | what breaks, and how it is repaired |
//! | `looks` | checks while the simulation goes on |
//! | `end` | checks of what is left once all has settled |

mod agents;
mod disturbances;
mod end;
mod frames;
mod happening;
mod looks;
mod members;
mod wishes;

use core::net::Ipv4Addr;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use igmp_core::{Duration, Instant};

use self::{
    end::Watched,
    happening::{Happening, Queued},
};
use crate::{
    failure::{Failure, Kind},
    host::Host,
    link::Link,
    message::Node,
    rng::Rng,
    router::Router,
    scenario::{Scenario, Weather},
    trace::Trace,
};

/// What was counted over a run, to know that it was worth it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) frames: u64,
    pub(crate) events: u64,
    pub(crate) looks: u64,
    pub(crate) virtual_time: Duration,
}

/// The world of one scenario.
pub(crate) struct World<'a> {
    scenario: &'a Scenario,
    now: Instant,
    order: u64,
    queue: BinaryHeap<Reverse<Queued>>,
    rng: Rng,
    routers: Vec<Router>,
    hosts: Vec<Host>,
    nodes: Vec<Node>,
    link: Link,
    /// When the earliest planned wake-up of each router and host is.
    armed: BTreeMap<Node, Instant>,
    looks: BTreeSet<(usize, Instant)>,
    /// Since when each host wants each source of each group, and from when it is promised its traffic.
    wanted: BTreeMap<(usize, usize, usize), Instant>,
    calm: bool,
    /// Events that each router had lost when hosts came to rest.
    lost_at_rest: Vec<u64>,
    watching: Option<Watched>,
    tally: Tally,
    failure: Option<Failure>,
    trace: Trace,
}

impl<'a> World<'a> {
    pub(crate) fn new(scenario: &'a Scenario, trace: bool) -> Self {
        let routers: Vec<_> = scenario
            .routers
            .iter()
            .enumerate()
            .map(|(index, &address)| Router::new(index, address, scenario))
            .collect();
        let hosts: Vec<_> = scenario
            .hosts
            .iter()
            .map(|&(address, version)| Host::new(address, version, scenario.config.robustness_variable))
            .collect();
        let nodes = (0..routers.len())
            .map(Node::Router)
            .chain((0..hosts.len()).map(Node::Host))
            .collect();
        Self {
            scenario,
            now: Instant::from_nanos(1_000_000_000),
            order: 0,
            queue: BinaryHeap::new(),
            // The scenario's own draws are not to be repeated.
            rng: Rng::new(!scenario.seed),
            routers,
            hosts,
            nodes,
            link: Link::new(scenario),
            armed: BTreeMap::new(),
            looks: BTreeSet::new(),
            wanted: BTreeMap::new(),
            calm: false,
            lost_at_rest: Vec::new(),
            watching: None,
            tally: Tally::default(),
            failure: None,
            trace: Trace::new(trace),
        }
    }

    /// Runs to the end or to the first failure.
    pub(crate) fn run(mut self) -> (Result<Tally, Failure>, Trace) {
        let scenario = self.scenario;
        for index in 0..self.routers.len() {
            self.routers[index].announce(scenario);
            self.arm_router(index);
        }
        self.plan(scenario.handling(), Happening::Change);
        if scenario.weather == Weather::Foul {
            self.plan(scenario.disturbance_gap, Happening::Disturb);
        }
        let settled = scenario.active + scenario.settling();
        let watch = scenario.config.query_interval * 3;
        self.plan(scenario.active, Happening::Calm);
        self.plan(settled, Happening::Watch);
        self.plan(settled + watch, Happening::End);

        while let Some(Reverse(Queued { at, happening, .. })) = self.queue.pop() {
            self.now = at;
            if matches!(happening, Happening::End) {
                // The maps and the core can only be compared while the agent has nothing to do.
                if self
                    .routers
                    .iter()
                    .any(|router| router.is_busy() || router.has_events())
                {
                    self.plan(Duration::from_millis(10), Happening::End);
                    continue;
                }
                self.check_end();
                break;
            }
            self.happen(happening);
            if self.failure.is_some() {
                break;
            }
        }
        self.tally.virtual_time = self.now.since(Instant::ZERO);
        (self.failure.map_or(Ok(self.tally), Err), self.trace)
    }

    fn plan(&mut self, after: Duration, happening: Happening) {
        self.plan_at(self.now + after, happening);
    }

    fn plan_at(&mut self, at: Instant, happening: Happening) {
        self.order += 1;
        self.queue.push(Reverse(Queued {
            at,
            order: self.order,
            happening,
        }));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Deliver { to, frame } => self.arrive(to, &frame),
            Happening::Wake { router, incarnation } => self.wake(router, incarnation),
            Happening::Act { router, incarnation } => self.act(router, incarnation),
            Happening::Host(index) => self.host_fires(index),
            Happening::Change => self.change(),
            Happening::Disturb => self.disturb(),
            Happening::Repair(repair) => self.repair(repair),
            Happening::Look(router) => {
                self.looks.remove(&(router, self.now));
                self.look(router);
            }
            Happening::Calm => self.come_to_rest(),
            Happening::Watch => {
                self.watching = Some(Watched {
                    lost: self.routers.iter().map(|router| router.kernel.lost).collect(),
                    events: self
                        .routers
                        .iter()
                        .map(|router| router.kernel.events.clone())
                        .collect(),
                    ..Watched::default()
                });
            }
            Happening::End => {}
        }
    }

    fn fail(&mut self, kind: Kind, group: Option<Ipv4Addr>, text: String) {
        let at = self.now;
        self.failure.get_or_insert(Failure {
            kind,
            at,
            group,
            text,
        });
    }
}
