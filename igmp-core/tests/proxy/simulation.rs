//! Two routers in a row: one whose hosts come and go, the host side of its proxy, a link that loses packets, and the querier
//! there, which is the router side of this crate as well.
//!
//! Of what concerns a group the link loses less in any [`WINDOW`] than the Robustness Variable covers (RFC 9776 §8.1). Under
//! this condition nothing that has been wanted for a while is missing at the querier, and what it knows in the end is
//! exactly what is wanted.
//!
//! ```text
//! PROXY_SIM_SEED=1234 cargo test -p igmp-core --test proxy simulation -- --nocapture
//! ```

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use igmp_core::{
    Action, Duration, Event, FilterMode, GroupTimes, Host, HostConfig, HostEvent, Instant, InterfaceConfig,
    InterfaceId, Liveness, Query, Report, ReportKind, Router, SendQuery, SendReport, SourceTime, StaticGroup,
    host::ReportMessage,
};
use igmp_wire::igmp::{RecordKind, float};

use crate::{
    bench::{OWN, QUERIER, START, WAN, describe, group, secs, source},
    receiver::Record,
    rng::Rng,
};

/// How many seeds of each kind are run where nothing else is asked for.
const SEEDS: u64 = 250;
/// The interface of the querier.
const LINK: InterfaceId = InterfaceId(1);
/// Longer than the Group Membership Interval of the querier: 3 * 20 s + 2 * 5 s at most.
const WINDOW: Duration = Duration::from_secs(75);
/// The groups; the last two are source-specific.
const GROUPS: [u8; 6] = [1, 2, 3, 4, 201, 202];
/// How long changes happen, in seconds.
const BUSY: f64 = 500.0;
/// How long the querier has then to forget what it missed: the Older Version Querier Present Interval of 90 s or 110 s, and
/// Group Membership Intervals.
const QUIET: f64 = 400.0;

/// What a seed stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A querier of one version.
    Steady(u8),
    /// A querier whose version changes.
    Changing,
    /// A version 3 querier, and an interface that goes and comes.
    Flapping,
}

/// No kernel: every report is handed over.
struct Silent;

impl Liveness for Silent {
    fn group(&mut self, _: InterfaceId, _: Ipv4Addr) -> GroupTimes {
        GroupTimes::default()
    }

    fn source(&mut self, _: InterfaceId, _: Ipv4Addr, _: Ipv4Addr) -> SourceTime {
        SourceTime::default()
    }
}

#[derive(Clone, Debug)]
enum Packet {
    Query(SendQuery),
    Report(SendReport),
}

struct World {
    now: Instant,
    rng: Rng,
    kind: Kind,
    trace: bool,
    robustness: u8,
    version: u8,
    downstream: Router,
    host: Host,
    querier: Router,
    mtu: u32,
    /// Whether the upstream interface is up.
    is_up: bool,
    /// Per mille of packets that the link would lose.
    loss: u64,
    /// What is under way, by arrival and number.
    link: BTreeMap<(Instant, u64), Packet>,
    count: u64,
    /// When packets about a group were lost, and General Queries.
    losses: BTreeMap<Option<Ipv4Addr>, VecDeque<Instant>>,
    /// What is wanted, and since when it or the interface was as it is.
    wanted: BTreeMap<Ipv4Addr, (Record, Instant)>,
    /// Since when the link and the querier are as they are.
    settled: Instant,
    lost: u64,
    checks: u64,
}

impl World {
    fn new(seed: u64, kind: Kind, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let robustness = *rng.pick(&[2, 2, 3]);
        let version = match kind {
            Kind::Steady(version) => version,
            Kind::Changing => rng.between(1, 3) as u8,
            Kind::Flapping => 3,
        };
        let mut world = Self {
            now: START,
            kind,
            trace,
            robustness,
            version,
            downstream: Router::new(),
            host: Host::new(rng.next()),
            querier: Router::new(),
            mtu: *rng.pick(&[68, 100, 1500]),
            is_up: true,
            loss: *rng.pick(&[0, 100, 300, 600]),
            rng,
            link: BTreeMap::new(),
            count: 0,
            losses: BTreeMap::new(),
            wanted: BTreeMap::new(),
            settled: START,
            lost: 0,
            checks: 0,
        };
        world.downstream.set_upstream(Some(WAN));
        for interface in [2, 3] {
            world.configure(interface);
        }
        world.configure_querier();
        world.configure_host();
        world
    }

    fn say(&self, text: impl FnOnce() -> String) {
        if self.trace {
            println!("{:10.3} {}", self.now.since(START).as_secs_f64(), text());
        }
    }

    /// Hosts of the downstream interfaces are asked so seldom that they only change when they want to.
    fn configure(&mut self, interface: u32) {
        let mut static_groups = Vec::new();
        if self.rng.chance(200) {
            let group = group(*self.rng.pick(&GROUPS[..4]));
            let source = self.rng.chance(500).then(|| source(self.rng.between(1, 5) as u8));
            static_groups.push(StaticGroup { group, source });
        }
        let event = Event::InterfaceUp {
            interface: InterfaceId(interface),
            config: InterfaceConfig {
                query_interval: Duration::from_secs(20_000),
                static_groups,
                ..InterfaceConfig::default()
            },
            address: Some(Ipv4Addr::new(10, interface as u8, 0, 1)),
            mtu: 1500,
        };
        self.downstream
            .handle(self.now, event, &mut Silent, &mut Vec::new());
    }

    fn configure_querier(&mut self) {
        let event = Event::InterfaceUp {
            interface: LINK,
            config: InterfaceConfig {
                version: self.version,
                query_interval: Duration::from_secs(20),
                query_response_interval: Duration::from_secs(5),
                robustness_variable: self.robustness,
                ..InterfaceConfig::default()
            },
            address: Some(QUERIER),
            mtu: 1500,
        };
        let mut actions = Vec::new();
        self.querier.handle(self.now, event, &mut Silent, &mut actions);
        self.send_queries(actions);
        self.settled = self.now;
    }

    fn configure_host(&mut self) {
        let event = HostEvent::UpstreamUp {
            interface: WAN,
            config: HostConfig {
                robustness_variable: self.robustness,
                query_interval: Duration::from_secs(20),
                ..HostConfig::default()
            },
            address: Some(OWN),
            mtu: self.mtu,
        };
        self.host.handle(self.now, event);
        self.settled = self.now;
    }

    fn send_queries(&mut self, actions: Vec<Action>) {
        for action in actions {
            if let Action::SendQuery(query) = action {
                let group = query.group;
                self.transmit(Packet::Query(query), &[group]);
            }
        }
    }

    fn send_reports(&mut self, actions: Vec<SendReport>) {
        for action in actions {
            let groups: Vec<Option<Ipv4Addr>> = match &action.message {
                ReportMessage::V1(group) | ReportMessage::V2(group) | ReportMessage::Leave(group) => {
                    vec![Some(*group)]
                }
                ReportMessage::V3(records) => records.iter().map(|record| Some(record.group)).collect(),
            };
            self.transmit(Packet::Report(action), &groups);
        }
    }

    fn transmit(&mut self, packet: Packet, groups: &[Option<Ipv4Addr>]) {
        let is_lost = !self.is_up || (self.rng.chance(self.loss) && self.may_lose(groups));
        if is_lost {
            self.lost += 1;
            for group in groups {
                self.losses.entry(*group).or_default().push_back(self.now);
            }
        }
        self.say(|| {
            let text = match &packet {
                Packet::Report(report) => describe(&report.message),
                Packet::Query(query) => format!("{query:?}"),
            };
            format!("{}{text}", if is_lost { "LOST " } else { "" })
        });
        if !is_lost {
            // A bad link confuses the order, too. A Leave of version 2 that overtakes a report ends nothing.
            let delay = match self.loss {
                0 => Duration::from_millis(5),
                _ => (self.rng).span(Duration::from_nanos(1_000), Duration::from_millis(20)),
            };
            self.count += 1;
            self.link.insert((self.now + delay, self.count), packet);
        }
    }

    /// Whether another loss still leaves what the Robustness Variable covers. A General Query is about all groups.
    fn may_lose(&mut self, groups: &[Option<Ipv4Addr>]) -> bool {
        for times in self.losses.values_mut() {
            times.retain(|time| self.now.since(*time) < WINDOW);
        }
        let losses = |group: &Option<Ipv4Addr>| self.losses.get(group).map_or(0, VecDeque::len);
        let most = usize::from(self.robustness) - 1;
        let worst = self.losses.values().map(VecDeque::len).max().unwrap_or(0);
        groups.iter().all(|group| match group {
            Some(_) => losses(group) + losses(&None) < most,
            None => worst + losses(group) < most,
        })
    }

    /// A packet arrives.
    fn deliver(&mut self, packet: Packet) {
        match packet {
            Packet::Query(query) => {
                let deciseconds = query.max_response_time.as_deciseconds();
                self.host.handle(
                    self.now,
                    HostEvent::Query(Query {
                        interface: WAN,
                        time: self.now,
                        querier: QUERIER,
                        version: query.version,
                        group: query.group,
                        max_resp_code: match query.version {
                            1 => 0,
                            2 => deciseconds as u8,
                            _ => float::encode(deciseconds as u32),
                        },
                        suppress: query.suppress,
                        qrv: query.qrv,
                        qqic: float::encode(20),
                        sources: query.sources,
                    }),
                );
            }
            Packet::Report(report) => {
                assert_eq!(report.source, OWN);
                // What the querier's version does not know it ignores.
                if report.version() > self.version {
                    return;
                }
                let records = match report.message {
                    ReportMessage::V1(group) => vec![(group, ReportKind::V1, Vec::new())],
                    ReportMessage::V2(group) => vec![(group, ReportKind::V2, Vec::new())],
                    ReportMessage::Leave(group) => vec![(group, ReportKind::Leave, Vec::new())],
                    ReportMessage::V3(records) => records
                        .into_iter()
                        .map(|record| (record.group, ReportKind::Record(record.kind), record.sources))
                        .collect(),
                };
                for (group, kind, sources) in records {
                    let event = Event::Report(Report {
                        interface: LINK,
                        time: self.now,
                        reporter: OWN,
                        group,
                        kind,
                        sources,
                    });
                    let mut actions = Vec::new();
                    self.querier.handle(self.now, event, &mut Silent, &mut actions);
                    self.send_queries(actions);
                }
            }
        }
    }

    /// Something happens.
    fn step(&mut self) {
        match self.rng.below(20) {
            0 => {
                let interface = self.rng.between(2, 3) as u32;
                self.configure(interface);
            }
            1 => {
                let interface = InterfaceId(self.rng.between(2, 3) as u32);
                let event = Event::InterfaceDown { interface };
                self.downstream
                    .handle(self.now, event, &mut Silent, &mut Vec::new());
                self.configure(interface.0);
            }
            2 | 3 if self.kind == Kind::Changing => {
                self.version = self.rng.between(1, 3) as u8;
                self.say(|| format!("querier of version {}", self.version));
                self.configure_querier();
            }
            2 | 3 if self.kind == Kind::Flapping => {
                self.is_up = !self.is_up;
                self.say(|| format!("up: {}", self.is_up));
                if self.is_up {
                    self.configure_host();
                } else {
                    self.host.handle(self.now, HostEvent::UpstreamDown);
                }
            }
            4 if self.kind == Kind::Flapping && self.is_up => {
                self.mtu = *self.rng.pick(&[68, 100, 1500]);
                self.configure_host();
            }
            _ => self.report(),
        }
    }

    fn report(&mut self) {
        let number = *self.rng.pick(&GROUPS);
        let kinds = [
            RecordKind::IsInclude,
            RecordKind::IsExclude,
            RecordKind::ToInclude,
            RecordKind::ToExclude,
            RecordKind::Allow,
            RecordKind::Block,
        ];
        let kind = *self.rng.pick(&kinds);
        // The XDP program refuses these.
        if number > 200 && matches!(kind, RecordKind::IsExclude | RecordKind::ToExclude) {
            return;
        }
        let count = self.rng.below(4);
        let sources = (0..count).map(|_| source(self.rng.between(1, 5) as u8)).collect();
        let interface = self.rng.between(2, 3) as u32;
        let event = Event::Report(Report {
            interface: InterfaceId(interface),
            time: self.now,
            reporter: Ipv4Addr::new(10, interface as u8, 0, 100),
            group: group(number),
            kind: ReportKind::Record(kind),
            sources,
        });
        self.downstream
            .handle(self.now, event, &mut Silent, &mut Vec::new());
    }

    /// Hands over to the host what is wanted differently.
    fn hand_over(&mut self) {
        for change in self.downstream.take_subscription_changes() {
            let (number, address) = (change.group.octets()[3], change.group);
            self.say(|| format!("{number} {change:?}"));
            self.host.handle(self.now, HostEvent::Subscription(change));
            let record = self
                .downstream
                .subscriptions(address, 1)
                .into_iter()
                .find(|one| one.group == address);
            let record = record.map(|record| {
                (
                    record.filter_mode == FilterMode::Exclude,
                    record.sources.into_iter().collect(),
                )
            });
            self.wanted
                .insert(address, (record.unwrap_or_default(), self.now));
        }
    }

    /// The next moment when anything is due, up to `end`, and what is.
    fn advance(&mut self, end: Instant) -> bool {
        let arrival = self.link.first_key_value().map(|((at, _), _)| *at);
        let times = [
            arrival,
            self.downstream.poll_timeout(),
            self.host.poll_timeout(),
            self.querier.poll_timeout(),
        ];
        let Some(at) = times.into_iter().flatten().min().filter(|&at| at <= end) else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(at);
        while let Some(entry) = self.link.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let packet = entry.remove();
            self.deliver(packet);
        }
        self.downstream
            .handle_timeout(self.now, &mut Silent, &mut Vec::new());
        self.hand_over();
        let mut actions = Vec::new();
        self.querier.handle_timeout(self.now, &mut Silent, &mut actions);
        self.send_queries(actions);
        let mut reports = Vec::new();
        self.host.handle_timeout(self.now, &mut reports);
        self.send_reports(reports);
        true
    }

    /// What the querier knows of a group.
    fn known(&self, address: Ipv4Addr) -> Record {
        let view = self.querier.group(self.now, LINK, address, &mut Silent);
        view.map_or_else(Record::default, |view| {
            let is_exclude = view.filter_mode == FilterMode::Exclude;
            let listed = view
                .sources
                .iter()
                .filter(|source| source.forwarding != is_exclude);
            (is_exclude, listed.map(|source| source.source).collect())
        })
    }

    /// What the querier can know of what is wanted, by its version.
    fn tellable(&self, address: Ipv4Addr, (exclude, listed): &Record) -> Record {
        let is_member = *exclude || !listed.is_empty();
        match (self.version, address.octets()[0]) {
            (3, _) => (*exclude, listed.clone()),
            (_, 232) => Record::default(),
            _ => (is_member, BTreeSet::new()),
        }
    }

    /// What has been wanted for long enough to be told is forwarded.
    fn check_nobody_starves(&mut self) -> Result<(), String> {
        // Each of the repetitions comes within the Unsolicited Report Interval, and a querier of an older version has to
        // be known first.
        let (told_within, begin) = match self.version {
            3 => (f64::from(self.robustness - 1) + 0.5, 0.0),
            _ => (f64::from(self.robustness - 1) * 10.0 + 0.5, 2.0 * 20.0 + 5.0),
        };
        let is_settled = self.now.since(self.settled) > secs(told_within + begin);
        if self.kind == Kind::Changing || !self.is_up || !is_settled {
            return Ok(());
        }
        for (&address, (record, since)) in &self.wanted {
            if self.now.since(*since) <= secs(told_within) {
                continue;
            }
            let (exclude, listed) = self.tellable(address, record);
            let (known_exclude, known) = self.known(address);
            let unnamed = Ipv4Addr::new(198, 51, 100, 255);
            for source in (1..=5).map(source).chain([unnamed]) {
                let is_wanted = listed.contains(&source) != exclude;
                let is_forwarded = known.contains(&source) != known_exclude;
                if is_wanted && !is_forwarded {
                    return Err(format!(
                        "{source} to {address} is missing: {record:?} is wanted, {:?} is known",
                        (known_exclude, known)
                    ));
                }
            }
            self.checks += 1;
        }
        Ok(())
    }

    /// Where nothing is lost or overtaken and the version knows leaves, what has not been wanted since the last-member queries is known no
    /// more.
    fn check_nothing_outlives(&mut self) -> Result<(), String> {
        let robustness = f64::from(self.robustness);
        let (told_within, begin) = match self.version {
            3 => (robustness - 1.0, 0.0),
            _ => (0.0, 2.0 * 20.0 + 5.0),
        };
        let queried = secs(told_within + robustness + 0.5);
        let is_settled = self.now.since(self.settled) > secs(begin) + queried;
        if self.loss > 0 || !matches!(self.kind, Kind::Steady(2 | 3)) || !is_settled {
            return Ok(());
        }
        for (&address, (record, since)) in &self.wanted {
            let (expected, known) = (self.tellable(address, record), self.known(address));
            if self.now.since(*since) > queried && expected != known {
                return Err(format!(
                    "of {address} {expected:?} is wanted, {known:?} is still known"
                ));
            }
            self.checks += 1;
        }
        Ok(())
    }

    fn check_exact(&self) -> Result<(), String> {
        for (&address, (record, _)) in &self.wanted {
            let (expected, known) = (self.tellable(address, record), self.known(address));
            if expected != known {
                return Err(format!("of {address} {expected:?} is wanted, {known:?} is known"));
            }
        }
        let all = self
            .querier
            .groups(self.now, LINK, Ipv4Addr::UNSPECIFIED, 100, &mut Silent);
        match all.iter().find(|view| !self.wanted.contains_key(&view.group)) {
            Some(view) => Err(format!("{view:?} was never wanted")),
            None => Ok(()),
        }
    }

    fn run(mut self) -> Result<(u64, u64), String> {
        let fail = |world: &Self, text: String| {
            let at = world.now.since(START).as_secs_f64();
            Err(format!("at {at:.3} s, version {}: {text}", world.version))
        };
        let end = START + secs(BUSY);
        while self.now < end {
            let next = self.now + self.rng.delay(secs(8.0));
            while self.advance(next) {}
            if let Err(text) = self
                .check_nobody_starves()
                .and_then(|()| self.check_nothing_outlives())
            {
                return fail(&self, text);
            }
            self.step();
            self.hand_over();
            let mut reports = Vec::new();
            self.host.handle_timeout(self.now, &mut reports);
            self.send_reports(reports);
        }
        if !self.is_up {
            self.is_up = true;
            self.configure_host();
        }
        while self.advance(end + secs(QUIET)) {}
        if let Err(text) = self.check_nobody_starves().and_then(|()| self.check_exact()) {
            return fail(&self, text);
        }
        Ok((self.lost, self.checks))
    }
}

fn simulate(kind: Kind) {
    let number = |variable: &str| -> Option<u64> {
        let value = std::env::var(variable).ok()?;
        Some(value.parse().expect("a number"))
    };
    if let Some(seed) = number("PROXY_SIM_SEED") {
        let outcome = World::new(seed, kind, true).run();
        assert!(outcome.is_ok(), "{kind:?} with seed {seed}: {outcome:?}");
        return;
    }
    let (mut lost, mut checks) = (0, 0);
    for seed in 0..number("PROXY_SIM_SEEDS").unwrap_or(SEEDS) {
        match World::new(seed, kind, false).run() {
            Ok((more_lost, more_checks)) => {
                lost += more_lost;
                checks += more_checks;
            }
            Err(text) => panic!("{kind:?} with PROXY_SIM_SEED={seed}: {text}"),
        }
    }
    println!("{kind:?}: {lost} packets lost, {checks} looks");
    assert!(lost > 0 && (kind == Kind::Changing || checks > 0));
}

#[test]
fn a_version_3_querier_knows_what_is_wanted() {
    simulate(Kind::Steady(3));
}

#[test]
fn a_version_2_querier_knows_which_groups_are_wanted() {
    simulate(Kind::Steady(2));
}

#[test]
fn a_version_1_querier_knows_which_groups_are_wanted() {
    simulate(Kind::Steady(1));
}

#[test]
fn a_querier_of_changing_version_knows_what_is_wanted_in_the_end() {
    simulate(Kind::Changing);
}

#[test]
fn nothing_is_lost_when_the_interface_goes_and_comes() {
    simulate(Kind::Flapping);
}
