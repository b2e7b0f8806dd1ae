//! Routers, hosts and the link between them, on virtual time.

use core::net::Ipv4Addr;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    rc::Rc,
};

use igmp_core::{Duration, Instant, SendQuery};
use igmp_wire::{address, igmp::float};

use crate::{
    failure::{Failure, Kind},
    host::{Filter, Host, Outgoing},
    ledger::{Breach, seconds},
    link::Link,
    message::{Frame, Message, Node, Query},
    rng::Rng,
    router::Router,
    sabotage::Sabotage,
    scenario::{Scenario, Weather},
    trace::Trace,
};

/// Something that will happen.
enum Happening {
    Deliver {
        to: Node,
        frame: Rc<Frame>,
    },
    /// The agent of a router wakes up.
    Wake {
        router: usize,
        incarnation: u64,
    },
    /// It carries out what was decided.
    Act {
        router: usize,
        incarnation: u64,
    },
    Host(usize),
    /// A host changes its mind.
    Change,
    /// Something breaks.
    Disturb,
    /// Something is repaired.
    Repair(Repair),
    /// A router is looked at.
    Look(usize),
    /// Hosts and disturbances come to rest.
    Calm,
    /// Nothing has happened for long; what follows is watched closely.
    Watch,
    End,
}

#[derive(Clone, Copy)]
enum Repair {
    Restart(usize),
    LinkUp(usize),
    Rejoin,
}

struct Queued {
    at: Instant,
    order: u64,
    happening: Happening,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

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

/// What is seen while nothing changes any more.
#[derive(Default)]
struct Watched {
    /// Who sent General Queries, and when.
    general: Vec<(Ipv4Addr, Instant)>,
    specific: u64,
    /// Events that each router had lost when the watch began.
    lost: Vec<u64>,
    /// Events of each router and group when the watch began.
    events: Vec<BTreeMap<Ipv4Addr, u64>>,
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

    // Frames.

    fn send(&mut self, frame: Frame) {
        let now = self.now;
        self.trace.note(now, frame.message.groups().first().copied(), || {
            format!("{:?} sends {:?}", frame.from, frame.message)
        });
        let arrivals = self.link.deliver(&frame, &self.nodes, &mut self.rng);
        let frame = Rc::new(frame);
        for (to, after) in arrivals {
            let frame = Rc::clone(&frame);
            self.plan(after, Happening::Deliver { to, frame });
        }
    }

    fn arrive(&mut self, to: Node, frame: &Frame) {
        self.tally.frames += 1;
        let now = self.now;
        self.trace.note(now, frame.message.groups().first().copied(), || {
            format!("{to:?} receives {:?} of {:?}", frame.message, frame.from)
        });
        match to {
            Node::Router(index) => {
                let router = &mut self.routers[index];
                if !router.up {
                    return;
                }
                let querier = router.querier();
                let mut looks = Vec::new();
                for accepted in router.kernel.receive(now, frame) {
                    looks.extend(router.ledger.accepted(&accepted.event, accepted.lost, querier));
                }
                for at in looks {
                    self.plan_look(index, at);
                }
                self.arm_router(index);
            }
            Node::Host(index) => {
                let host = &mut self.hosts[index];
                match (&frame.message, frame.query) {
                    (Message::Query(query), Some(number)) => {
                        host.hear_query(now, query, number, &mut self.rng);
                    }
                    (Message::ReportV1(group), _) => host.hear_report(now, *group, 1),
                    (Message::ReportV2(group), _) => host.hear_report(now, *group, 2),
                    _ => {}
                }
                self.arm_host(index);
            }
        }
    }

    // Hosts.

    fn arm_host(&mut self, index: usize) {
        let Some(at) = self.hosts[index].deadline() else {
            return;
        };
        if self.armed.get(&Node::Host(index)).is_none_or(|&armed| at < armed) {
            self.armed.insert(Node::Host(index), at);
            self.plan_at(at, Happening::Host(index));
        }
    }

    fn host_fires(&mut self, index: usize) {
        self.armed.remove(&Node::Host(index));
        let out = self.hosts[index].fire(self.now, &mut self.rng);
        self.host_sends(index, out);
        self.arm_host(index);
    }

    fn host_sends(&mut self, index: usize, out: Vec<Outgoing>) {
        let source = self.hosts[index].address;
        for Outgoing { message, answers } in out {
            self.send(Frame {
                from: Node::Host(index),
                source,
                message,
                answers,
                query: None,
            });
        }
    }

    fn change(&mut self) {
        if self.calm {
            return;
        }
        let gap = self.rng.delay(self.scenario.action_gap * 2);
        self.plan(gap, Happening::Change);
        let index = self.rng.below(self.hosts.len() as u64) as usize;
        if self.rng.chance(30) {
            let now = self.now;
            self.trace.note(now, None, || format!("host {index} vanishes"));
            self.hosts[index].vanish();
            self.update_wanted(index);
            return;
        }
        let group_index = self.rng.below(self.scenario.groups.len() as u64) as usize;
        let group = self.scenario.groups[group_index];
        let filter = self.draw_filter(index, group);
        let now = self.now;
        self.trace.note(now, Some(group), || {
            format!("host {index} wants {filter:?} of {group}")
        });
        let out = self.hosts[index].set_filter(now, group, filter, &mut self.rng);
        self.host_sends(index, out);
        self.arm_host(index);
        self.update_wanted(index);
    }

    fn draw_filter(&mut self, host: usize, group: Ipv4Addr) -> Filter {
        let rng = &mut self.rng;
        // Leaving must be common enough that groups do end.
        if rng.chance(350) {
            return Filter::default();
        }
        // Hosts do not exclude sources in the source-specific range (RFC 4604 §2.2.1), and older ones cannot list any.
        let exclude = self.hosts[host].version < 3 || (!address::is_ssm(group) && rng.chance(500));
        let mut filter = Filter {
            exclude,
            ..Filter::default()
        };
        if self.hosts[host].version == 3 && !(exclude && rng.chance(500)) {
            let named = &self.scenario.sources[..self.scenario.sources.len() - 1];
            for &source in named {
                if rng.chance(500) {
                    filter.sources.insert(source);
                }
            }
        }
        filter
    }

    /// Whether the routers are to forward a source for this host, by what it can say and they can hear.
    fn counts(&self, host: usize, group: Ipv4Addr, source: Ipv4Addr) -> bool {
        let host = &self.hosts[host];
        let filter = host.filter(group);
        if address::is_ssm(group) {
            // Only version 3 counts there (RFC 4604 §3.5).
            return host.mode() == 3
                && self.scenario.config.version == 3
                && !filter.exclude
                && filter.wants(source);
        }
        if host.mode().min(self.scenario.config.version) < 3 {
            // Versions 1 and 2 ask for all sources.
            return filter.is_member();
        }
        filter.wants(source)
    }

    /// Takes down from when on a host is promised its traffic.
    fn update_wanted(&mut self, host: usize) {
        let scenario = self.scenario;
        let mode = self.hosts[host].mode();
        for (group_index, &group) in scenario.groups.iter().enumerate() {
            // To a host that speaks an older version a wish for more sources of a group is no change, and it says nothing:
            // it relies on what it has said of the group before.
            let reported = (self
                .wanted
                .range((host, group_index, 0)..(host, group_index + 1, 0)))
            .map(|(_, &from)| from)
            .max()
            .filter(|_| mode < 3);
            for (source_index, &source) in scenario.sources.iter().enumerate() {
                let key = (host, group_index, source_index);
                // A host of a newer version than the interface counts for what it will be heard to say.
                let filter = self.hosts[host].filter(group);
                let wants =
                    filter.wants(source) && (!address::is_ssm(group) || self.counts(host, group, source));
                if !wants {
                    self.wanted.remove(&key);
                } else if !self.wanted.contains_key(&key) {
                    let from = reported
                        .unwrap_or(self.now + scenario.join_time(mode))
                        .max(self.now);
                    self.wanted.insert(key, from);
                    if scenario.weather == Weather::Fair {
                        for router in 0..self.routers.len() {
                            self.plan_look(router, from);
                        }
                    }
                }
            }
        }
    }

    // Routers.

    fn arm_router(&mut self, index: usize) {
        let router = &self.routers[index];
        if !router.alive || router.is_busy() {
            return;
        }
        let deadline = router.deadline();
        let at = if router.has_events() {
            Some(self.now + self.rng.delay(self.scenario.event_delay))
        } else {
            deadline.map(|at| at.max(self.now))
        };
        // An event does not put off a deadline.
        let at = match (at, deadline) {
            (Some(at), Some(deadline)) => Some(at.min(deadline.max(self.now))),
            (at, _) => at,
        };
        let Some(at) = at else {
            return;
        };
        if self
            .armed
            .get(&Node::Router(index))
            .is_none_or(|&armed| at < armed)
        {
            self.armed.insert(Node::Router(index), at);
            let incarnation = router.incarnation;
            self.plan_at(
                at,
                Happening::Wake {
                    router: index,
                    incarnation,
                },
            );
        }
    }

    fn wake(&mut self, index: usize, incarnation: u64) {
        let router = &mut self.routers[index];
        if incarnation != router.incarnation || !router.alive || router.is_busy() {
            return;
        }
        self.armed.remove(&Node::Router(index));
        self.tally.events += router.kernel.ring.len() as u64;
        let querier = router.is_querier();
        router.wake(self.now, self.scenario, &mut self.trace);
        let (now, is_querier) = (self.now, router.is_querier());
        if querier != is_querier {
            self.trace
                .note(now, None, || format!("router {index} is querier: {is_querier}"));
        }
        self.after_step(index);
    }

    fn act(&mut self, index: usize, incarnation: u64) {
        let router = &mut self.routers[index];
        if incarnation != router.incarnation || !router.alive {
            return;
        }
        let (queries, timers_waited) = router.act(self.now, self.scenario);
        let (address, up) = (router.address, router.up);
        for query in queries {
            if up {
                self.send_query(index, address, &query);
            }
        }
        if timers_waited {
            self.look(index);
        }
        self.after_step(index);
    }

    fn after_step(&mut self, index: usize) {
        let router = &self.routers[index];
        if router.is_busy() {
            let incarnation = router.incarnation;
            let after = self.rng.delay(self.scenario.deciding);
            self.plan(
                after,
                Happening::Act {
                    router: index,
                    incarnation,
                },
            );
        } else {
            self.arm_router(index);
        }
    }

    fn send_query(&mut self, index: usize, source: Ipv4Addr, query: &SendQuery) {
        match (self.scenario.sabotage, query.group) {
            (Some(Sabotage::NoGeneralQueries), None) | (Some(Sabotage::NoSpecificQueries), Some(_)) => return,
            _ => {}
        }
        if let Some(watched) = &mut self.watching {
            match query.group {
                None => watched.general.push((source, self.now)),
                Some(_) => watched.specific += 1,
            }
        }
        let tenths = query.max_response_time.as_deciseconds() as u32;
        let seconds = query.query_interval.as_secs_f64() as u32;
        let message = Query {
            version: query.version,
            group: query.group,
            max_resp_code: match query.version {
                1 => 0,
                2 => tenths.clamp(1, 255) as u8,
                _ => float::encode(tenths),
            },
            suppress: query.version == 3 && query.suppress,
            qrv: if query.version == 3 { query.qrv } else { 0 },
            qqic: if query.version == 3 {
                float::encode(seconds)
            } else {
                0
            },
            sources: query.sources.clone(),
        };
        let number = self.link.number(self.now, query.group, &mut self.rng);
        self.send(Frame {
            from: Node::Router(index),
            source,
            message: Message::Query(message),
            answers: Vec::new(),
            query: Some(number),
        });
    }

    // Disturbances.

    fn disturb(&mut self) {
        if self.calm {
            return;
        }
        let scenario = self.scenario;
        let gap = self.rng.delay(scenario.disturbance_gap * 2);
        self.plan(gap, Happening::Disturb);
        let index = self.rng.below(self.routers.len() as u64) as usize;
        let outage = self.rng.delay(scenario.config.query_interval * 4);
        let now = self.now;
        match self.rng.below(6) {
            0 | 1 if self.routers[index].alive => {
                let keep_maps = self.rng.chance(500);
                self.trace.note(now, None, || {
                    format!("router {index} is killed, maps kept: {keep_maps}")
                });
                self.routers[index].kill(keep_maps, scenario);
                self.armed.remove(&Node::Router(index));
                if !keep_maps {
                    self.routers[index].ledger.end_all(now);
                }
                self.plan(outage, Happening::Repair(Repair::Restart(index)));
            }
            2 if self.routers[index].alive && self.routers[index].up => {
                self.trace
                    .note(now, None, || format!("router {index}: the interface goes down"));
                self.routers[index].up = false;
                self.routers[index].announce(scenario);
                self.arm_router(index);
                self.plan(outage, Happening::Repair(Repair::LinkUp(index)));
            }
            3 if self.routers[index].alive && self.routers[index].up => {
                self.trace
                    .note(now, None, || format!("router {index}: memberships are cleared"));
                self.routers[index].clear();
                self.arm_router(index);
            }
            4 if self.link.island.is_empty() => {
                let nodes = self.nodes.clone();
                for node in nodes {
                    if self.rng.chance(400) {
                        self.link.island.insert(node);
                    }
                }
                let island = self.link.island.clone();
                self.trace.note(now, None, || format!("cut off: {island:?}"));
                self.plan(outage, Happening::Repair(Repair::Rejoin));
            }
            5 if self.routers[index].alive && self.routers[index].up => {
                // Addresses of which no other router has the last number.
                let last = 10 + 10 * index as u8 + self.rng.below(5) as u8;
                let address = if self.rng.chance(500) {
                    Ipv4Addr::new(10, 0, 0, last)
                } else {
                    scenario.routers[index]
                };
                self.trace
                    .note(now, None, || format!("router {index} has address {address}"));
                self.routers[index].address = address;
                self.routers[index].announce(scenario);
                self.arm_router(index);
            }
            _ => {}
        }
    }

    fn repair(&mut self, repair: Repair) {
        let now = self.now;
        match repair {
            Repair::Restart(index) if !self.routers[index].alive => {
                self.trace
                    .note(now, None, || format!("router {index} starts again"));
                self.routers[index].restart(now, self.scenario);
                self.arm_router(index);
                let at = now + self.scenario.handling();
                self.plan_look(index, at);
            }
            Repair::LinkUp(index) if !self.routers[index].up => {
                self.trace
                    .note(now, None, || format!("router {index}: the interface comes up"));
                self.routers[index].up = true;
                if self.routers[index].alive {
                    self.routers[index].announce(self.scenario);
                    self.arm_router(index);
                }
            }
            Repair::Rejoin => self.link.island.clear(),
            _ => {}
        }
    }

    fn come_to_rest(&mut self) {
        let now = self.now;
        self.trace.note(now, None, || "all is calm".into());
        self.calm = true;
        self.link.calm();
        for index in 0..self.routers.len() {
            self.repair(Repair::LinkUp(index));
            self.repair(Repair::Restart(index));
        }
        self.lost_at_rest = self.routers.iter().map(|router| router.kernel.lost).collect();
    }

    // Checks.

    fn plan_look(&mut self, router: usize, at: Instant) {
        // Looks close to each other are one, a little later.
        const GRAIN: u64 = 100_000_000;
        let at = Instant::from_nanos((at.as_nanos() / GRAIN + 1) * GRAIN);
        if self.looks.insert((router, at)) {
            self.plan_at(at, Happening::Look(router));
        }
    }

    fn look(&mut self, index: usize) {
        self.tally.looks += 1;
        let (now, scenario) = (self.now, self.scenario);
        let router = &mut self.routers[index];
        let before = router.views.clone();
        router.look(now, scenario);
        if !router.alive {
            return;
        }
        for (group_index, &group) in scenario.groups.iter().enumerate() {
            let view = &router.views[group_index];
            if before[group_index] != *view {
                self.trace
                    .note(now, Some(group), || format!("router {index} has {view:?}"));
            }
            if let Some((breach, source)) = router.ledger.breach(now, group_index, view) {
                let kind = match breach {
                    Breach::Starved => Kind::Starved,
                    Breach::Outlived => Kind::Outlived,
                    Breach::GroupOutlived => Kind::GroupOutlived,
                };
                let text = format!(
                    "router {index}, source {source}: {view:?}\n{}",
                    router.ledger.describe(group_index)
                );
                self.fail(kind, Some(group), text);
                return;
            }
        }
        // Without the S flag of version 3 a repeated query lowers the timers of the other routers once more though it has
        // been answered, and the answer that they heard may be what keeps hosts quiet. Only the querier can promise then.
        let promises = scenario.config.version != 2 || router.is_querier();
        if scenario.weather == Weather::Fair && promises {
            let starved = self
                .wanted
                .iter()
                .find(|&(&(_, group, source), &from)| now > from && !router.views[group].forwards[source]);
            if let Some((&(host, group, source), &from)) = starved {
                let text = format!(
                    "host {host} is promised {} from {:.3} on, router {index} does not forward it\n{}",
                    scenario.sources[source],
                    seconds(from),
                    router.ledger.describe(group)
                );
                self.fail(Kind::MemberStarved, Some(scenario.groups[group]), text);
            }
        }
    }

    fn check_end(&mut self) {
        for index in 0..self.routers.len() {
            self.look(index);
        }
        if self.failure.is_some() {
            return;
        }
        self.check_querier();
        self.check_forwarding();
        self.check_maps();
        self.check_quiet();
    }

    /// One querier, the router with the lowest address, whom all others know; it alone queries, at its pace.
    fn check_querier(&mut self) {
        let Some(lowest) = self.routers.iter().map(|router| router.address).min() else {
            return;
        };
        for index in 0..self.routers.len() {
            let router = &self.routers[index];
            let (is_querier, querier) = (router.is_querier(), router.querier());
            if is_querier != (router.address == lowest) || querier != Some(lowest) {
                let text = format!(
                    "router {index} ({}) is querier: {is_querier}, takes {querier:?} for it; it should be {lowest}",
                    router.address
                );
                self.fail(Kind::Querier, None, text);
            }
        }
        let Some(watched) = &self.watching else {
            return;
        };
        let general = watched.general.clone();
        if let Some((other, at)) = general.iter().find(|(source, _)| *source != lowest) {
            let text = format!("{other} sent a General Query at {:.3}", seconds(*at));
            self.fail(Kind::Querier, None, text);
        }
        let interval = self.scenario.config.query_interval;
        let late = self.scenario.handling();
        let even = general.windows(2).all(|pair| match pair {
            [(_, first), (_, second)] => {
                let gap = second.since(*first);
                gap + late >= interval && gap <= interval + late
            }
            _ => true,
        });
        if general.len() < 2 || !even {
            let times: Vec<_> = general.iter().map(|(_, at)| seconds(*at)).collect();
            self.fail(
                Kind::Querier,
                None,
                format!("General Queries at {times:?}, {interval:?} apart"),
            );
        }
    }

    /// A source is forwarded if and only if some host wants it (RFC 9776 §3.2, merged over the hosts as over sockets).
    ///
    /// Where the ring has no room for what hosts say even in peace, lists of excluded sources never reach the core, and
    /// it forwards them.
    fn check_forwarding(&mut self) {
        let scenario = self.scenario;
        for (group_index, &group) in scenario.groups.iter().enumerate() {
            for (source_index, &source) in scenario.sources.iter().enumerate() {
                let wanted = (0..self.hosts.len()).any(|host| self.counts(host, group, source));
                for index in 0..self.routers.len() {
                    let router = &self.routers[index];
                    let forwarded = router.views[group_index].forwards[source_index];
                    if forwarded != wanted && (wanted || router.kernel.lost == self.lost_at_rest[index]) {
                        let hosts: Vec<_> = self.hosts.iter().map(|host| host.filter(group)).collect();
                        let text = format!(
                            "in the end router {index} has {:?}, source {source} wanted: {wanted}; hosts want {hosts:?}",
                            router.views[group_index]
                        );
                        self.fail(Kind::Forwarding, Some(group), text);
                    }
                }
            }
        }
    }

    /// The kernel's maps hold what the core knows and nothing else, and no event waits.
    fn check_maps(&mut self) {
        let scenario = self.scenario;
        for index in 0..self.routers.len() {
            for &group in &scenario.groups {
                let now = self.now;
                let router = &mut self.routers[index];
                let requested = router.requested(now, group);
                let entry = router.kernel.groups.get(&group);
                let sources: BTreeSet<_> = router
                    .kernel
                    .sources
                    .keys()
                    .filter(|&&(of, source)| of == group && !router.is_leaving(of, Some(source)))
                    .map(|&(_, source)| source)
                    .collect();
                let kept = entry.is_some() && !router.is_leaving(group, None);
                if requested.is_some() != kept || requested.clone().unwrap_or_default() != sources {
                    let text = format!(
                        "in the end router {index} has timers for {requested:?}, its kernel {entry:?} and {sources:?}"
                    );
                    self.fail(Kind::Maps, Some(group), text);
                }
            }
        }
    }

    /// Nobody asks after the leave of nobody, and where all members of a group say the same kind of thing, the kernel
    /// refreshes what they say without an event.
    fn check_quiet(&mut self) {
        let scenario = self.scenario;
        let Some(watched) = self.watching.take() else {
            return;
        };
        // Where the ring overflows even with what a steady network has to say, the agent has reason to ask.
        let lossless =
            (self.routers.iter().zip(&watched.lost)).all(|(router, &lost)| router.kernel.lost == lost);
        if watched.specific > 0 && lossless {
            let text = format!("{} specific queries while nothing changed", watched.specific);
            self.fail(Kind::Noise, None, text);
        }
        for &group in &scenario.groups {
            let filters: Vec<_> = self
                .hosts
                .iter()
                .map(|host| (host.mode(), host.filter(group)))
                .filter(|(_, filter)| filter.is_member())
                .collect();
            let any_source = filters
                .iter()
                .all(|(mode, filter)| *mode < 3 || (filter.exclude && filter.sources.is_empty()));
            let included = filters.iter().all(|(mode, filter)| *mode == 3 && !filter.exclude);
            // A version 2 host that mostly keeps quiet because a version 1 host was faster is news each time it is not.
            let rivals = [1, 2].map(|older| filters.iter().any(|&(mode, _)| mode == older));
            if (!any_source && !included) || rivals == [true, true] {
                continue;
            }
            for index in 0..self.routers.len() {
                let after = self.routers[index].kernel.events.get(&group).copied();
                let before = watched.events[index].get(&group).copied();
                if after != before {
                    let text = format!(
                        "router {index}: {} events while nothing changed; hosts want {filters:?}",
                        after.unwrap_or_default() - before.unwrap_or_default()
                    );
                    self.fail(Kind::Noise, Some(group), text);
                }
            }
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
