//! A router: the core behind a kernel, with an agent between them that takes its time.
//!
//! The agent wakes up for events and deadlines, tells the core, and carries out the actions a little later. Meanwhile the
//! kernel goes on by itself, which is where memberships could get lost.
//!
//! | module | holds |
//! |---|---|
//! | `actions` | doing what the core wants done |
//! | `removals` | deleting entries of the kernel's maps in two steps |
//! | `routes` | following what the core tells of routes |
//! | `resync` | entries that the agent was not told of: after a restart, and when the ring was full |
//! | `views` | what the core says of its groups |

mod actions;
mod removals;
mod resync;
mod routes;
mod views;

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, VecDeque};

use igmp_core::{Action, Duration, Event, Instant};
use igmp_wire::abi::GroupFlags;

use self::removals::{Entry, REMOVAL_DELAY, Removal};
use crate::{
    kernel::{Kernel, LINK},
    ledger::{Ledger, View},
    routes::Routes,
    sabotage::Sabotage,
    scenario::Scenario,
    trace::Trace,
};

/// What the agent is at.
#[derive(Debug)]
enum Work {
    Idle,
    /// The core has decided, and its actions are to be carried out.
    Acting {
        decided: Instant,
        actions: Vec<Action>,
    },
}

const REFRESH: u32 = GroupFlags::REFRESH_V1 | GroupFlags::REFRESH_V2 | GroupFlags::REFRESH_V3;

/// A router.
pub(crate) struct Router {
    pub(crate) index: usize,
    pub(crate) address: Ipv4Addr,
    /// Whether the agent runs.
    pub(crate) alive: bool,
    /// Whether the interface is up.
    pub(crate) up: bool,
    core: igmp_core::Router,
    pub(crate) kernel: Kernel,
    pub(crate) ledger: Ledger,
    pub(crate) views: Vec<View>,
    /// What the actions have made of the routes.
    routes: Routes,
    /// What was wrong with them first.
    pub(crate) routes_fault: Option<String>,
    sabotage: Option<Sabotage>,
    work: Work,
    /// What the agent hears from elsewhere than the ring.
    control: VecDeque<Event>,
    lost_seen: u64,
    /// Whether the agent has just started.
    starting: bool,
    /// Whether timers are served when the actions are done.
    timers_wait: bool,
    /// Entries of the kernel's maps that are on their way out.
    removals: BTreeMap<Entry, Removal>,
    /// Counts up with each restart of the agent, so that what was planned before is not done after it.
    pub(crate) incarnation: u64,
    pub(crate) mtu: u32,
}

impl Router {
    pub(crate) fn new(index: usize, address: Ipv4Addr, scenario: &Scenario) -> Self {
        Self {
            index,
            address,
            alive: true,
            up: true,
            core: igmp_core::Router::new(),
            kernel: Kernel::new(scenario.ring, scenario.config.version, scenario.sabotage),
            ledger: Ledger::new(scenario),
            views: vec![View::default(); scenario.groups.len()],
            routes: Routes::default(),
            routes_fault: None,
            sabotage: scenario.sabotage,
            work: Work::Idle,
            control: VecDeque::new(),
            lost_seen: 0,
            starting: true,
            timers_wait: false,
            removals: BTreeMap::new(),
            incarnation: 0,
            mtu: 1500,
        }
    }

    /// Tells the agent of the interface.
    pub(crate) fn announce(&mut self, scenario: &Scenario) {
        let mut config = scenario.config.clone();
        match scenario.sabotage {
            Some(Sabotage::ShortMemberships) => config.robustness_variable = 1,
            Some(Sabotage::LongMemberships) => {
                config.query_response_interval = config.query_response_interval * 3;
            }
            _ => {}
        }
        self.control.push_back(if self.up {
            Event::InterfaceUp {
                interface: LINK,
                config,
                address: Some(self.address),
                mtu: self.mtu,
            }
        } else {
            Event::InterfaceDown { interface: LINK }
        });
    }

    /// The operator clears all groups.
    pub(crate) fn clear(&mut self) {
        self.control.push_back(Event::Clear {
            interface: Some(LINK),
            group: None,
        });
    }

    /// The agent is killed. The kernel goes on if its maps are pinned.
    pub(crate) fn kill(&mut self, keep_maps: bool, scenario: &Scenario) {
        self.alive = false;
        self.incarnation += 1;
        self.work = Work::Idle;
        self.control.clear();
        if !keep_maps {
            self.kernel = Kernel::new(scenario.ring, scenario.config.version, scenario.sabotage);
        }
    }

    pub(crate) fn is_busy(&self) -> bool {
        !matches!(self.work, Work::Idle)
    }

    /// When the core or the agent wants to be woken.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let removal = self.removals.values().map(|removal| removal.due).min();
        self.core.poll_timeout().into_iter().chain(removal).min()
    }

    /// Whether something waits for the agent.
    pub(crate) fn has_events(&self) -> bool {
        !self.kernel.ring.is_empty() || !self.control.is_empty()
    }

    pub(crate) fn is_querier(&self) -> bool {
        self.core.interface(LINK).is_some_and(|view| view.is_querier)
    }

    pub(crate) fn querier(&self) -> Option<Ipv4Addr> {
        self.core.interface(LINK).and_then(|view| view.querier)
    }

    /// The agent wakes up: it tells the core what has happened and takes its decisions.
    pub(crate) fn wake(&mut self, now: Instant, scenario: &Scenario, trace: &mut Trace) {
        let mut actions = Vec::new();
        for found in self.finish_removals(now) {
            self.tell(now, Event::Found(found), &mut actions, trace);
        }
        // An agent that has just started takes over what was in the maps before anything that it hears since.
        if core::mem::take(&mut self.starting) {
            while let Some(event) = self.control.pop_front() {
                self.serve(now, event, &mut actions, trace);
            }
        }
        while let Some((event, inserted)) = self.kernel.ring.pop_front() {
            let first = actions.len();
            self.tell(now, event, &mut actions, trace);
            self.leave_out_what_is_done(first, inserted, &mut actions, scenario);
        }
        if self.kernel.lost != self.lost_seen && scenario.sabotage != Some(Sabotage::NoResync) {
            self.lost_seen = self.kernel.lost;
            for found in self.scan(false) {
                self.tell(now, Event::Found(found), &mut actions, trace);
            }
        }
        while let Some(event) = self.control.pop_front() {
            self.serve(now, event, &mut actions, trace);
        }
        if actions.is_empty() {
            self.core.handle_timeout(now, &mut self.kernel, &mut actions);
            self.follow_routes(now, &mut actions, 0);
        } else {
            // What the events led to is to be done first.
            self.timers_wait = true;
        }
        self.decided(now, actions);
    }

    fn serve(&mut self, now: Instant, event: Event, actions: &mut Vec<Action>, trace: &mut Trace) {
        // The kernel handles reports from when the agent says so until it says otherwise.
        match &event {
            Event::InterfaceUp { .. } => self.kernel.enabled = true,
            Event::InterfaceDown { .. } => {
                self.kernel.enabled = false;
                self.ledger.end_all(now);
            }
            Event::Clear { .. } => self.ledger.end_all(now),
            _ => {}
        }
        self.tell(now, event, actions, trace);
    }

    fn tell(&mut self, now: Instant, event: Event, actions: &mut Vec<Action>, trace: &mut Trace) {
        let group = match &event {
            Event::Report(report) => Some(report.group),
            Event::Query(query) => query.group,
            Event::Found(found) => Some(found.group),
            _ => None,
        };
        trace.note(now, group, || format!("router {} handles {event:?}", self.index));
        if let Event::Found(found) = &event {
            self.ledger.found(found, now);
        }
        let first = actions.len();
        self.core.handle(now, event, &mut self.kernel, actions);
        self.follow_routes(now, actions, first);
    }

    fn decided(&mut self, now: Instant, actions: Vec<Action>) {
        self.ledger.role(now, self.is_querier());
        if !actions.is_empty() {
            self.work = Work::Acting {
                decided: now,
                actions,
            };
        }
    }
}

/// How long the agent takes at most until the core's state follows a frame: the wait for the wake-up, a decision under
/// way, and the second step of a removal that a report has overtaken.
pub(crate) fn handling(event_delay: Duration, deciding: Duration) -> Duration {
    event_delay + deciding * 4 + REMOVAL_DELAY + Duration::from_millis(1)
}
