//! Two routers in a row: one whose hosts come and go, the host side of its proxy, a link that loses packets, and the querier
//! there, which is the router side of this crate as well. In a chain a second proxy comes between
//! the hosts and the link.
//!
//! Of what concerns a group the link loses less in any [`WINDOW`] than the Robustness Variable covers (RFC 9776 §8.1). Under
//! this condition nothing that has been wanted for a while is missing at the querier, and what it knows in the end is
//! exactly what is wanted.
//!
//! ```text
//! PROXY_SIM_SEED=1234 cargo test -p igmp-core --test proxy simulation -- --nocapture
//! ```

mod chain;
mod checks;
mod link;
mod steps;

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, VecDeque};

use igmp_core::{
    Duration, Event, Host, HostConfig, HostEvent, Instant, InterfaceConfig, InterfaceId, Router, SendQuery,
    SendReport, StaticGroup,
};

use self::chain::Chain;
use crate::{
    bench::{OWN, QUERIER, START, WAN, group, secs, source},
    receiver::Record,
    rng::Rng,
    silent::Silent,
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
    /// The same, with a second proxy in between.
    Chained(u8),
    /// A querier whose version changes.
    Changing,
    /// A version 3 querier, and an interface that goes and comes.
    Flapping,
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
    /// The second proxy of a chain, before the host side.
    chain: Option<Chain>,
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
            Kind::Steady(version) | Kind::Chained(version) => version,
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
            chain: matches!(kind, Kind::Chained(_)).then(|| Chain::new(START, rng.next())),
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

    /// The next moment when anything is due, up to `end`, and what is.
    fn advance(&mut self, end: Instant) -> bool {
        let arrival = self.link.first_key_value().map(|((at, _), _)| *at);
        let times = [
            arrival,
            self.downstream.poll_timeout(),
            self.host.poll_timeout(),
            self.querier.poll_timeout(),
            self.chain.as_ref().and_then(Chain::poll_timeout),
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
        if let Some(chain) = &mut self.chain {
            chain.handle_timeout(self.now);
        }
        self.hand_over();
        let mut actions = Vec::new();
        self.querier.handle_timeout(self.now, &mut Silent, &mut actions);
        self.send_queries(actions);
        let mut reports = Vec::new();
        self.host.handle_timeout(self.now, &mut reports);
        self.send_reports(reports);
        true
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
fn two_proxies_tell_what_one_would() {
    for version in [3, 2, 1] {
        simulate(Kind::Chained(version));
    }
}

#[test]
fn a_querier_of_changing_version_knows_what_is_wanted_in_the_end() {
    simulate(Kind::Changing);
}

#[test]
fn nothing_is_lost_when_the_interface_goes_and_comes() {
    simulate(Kind::Flapping);
}
