//! A router and an agent that follows what it is told of routes.

use core::net::Ipv4Addr;

use igmp_core::{
    Action, Duration, Event, Instant, InterfaceConfig, InterfaceId, Query, Report, ReportKind, Router,
    StaticGroup,
};
use igmp_wire::igmp::RecordKind;

use crate::{
    member_log::Told,
    routes::{Routes, Silent},
    subscriptions::Database,
};

pub(crate) const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
pub(crate) const START: Instant = Instant::from_nanos(7_000_000_000_000);

/// A source by its number.
pub(crate) fn source(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, number)
}

/// A group of the configuration, from any source where there is no number.
pub(crate) fn wanted(named: Option<u8>) -> StaticGroup {
    StaticGroup {
        group: GROUP,
        source: named.map(source),
    }
}

pub(crate) fn with(static_groups: &[StaticGroup]) -> InterfaceConfig {
    InterfaceConfig {
        static_groups: static_groups.to_vec(),
        ..InterfaceConfig::default()
    }
}

/// A router on which every report is handed over, as no kernel refreshes anything.
pub(crate) struct Bench {
    pub(crate) router: Router,
    pub(crate) now: Instant,
    pub(crate) routes: Routes,
    pub(crate) upstream: Option<InterfaceId>,
    pub(crate) database: Database,
    /// Whether it is told what members want, and what that was.
    pub(crate) is_told: bool,
    pub(crate) told: Told,
}

impl Bench {
    /// A router without interfaces.
    pub(crate) fn empty() -> Self {
        Self {
            router: Router::new(),
            now: START,
            routes: Routes::default(),
            upstream: None,
            database: Database::default(),
            is_told: false,
            told: Told::default(),
        }
    }

    /// A router with interfaces 1 to 3.
    pub(crate) fn new() -> Self {
        let mut bench = Self::empty();
        for number in 1..=3 {
            assert_eq!(bench.up(number, InterfaceConfig::default()), [""; 0]);
        }
        bench
    }

    /// An event happens. Answers what is told of routes.
    pub(crate) fn event(&mut self, event: Event) -> Vec<String> {
        let mut actions = Vec::new();
        self.router.handle(self.now, event, &mut Silent, &mut actions);
        self.follow(&actions)
    }

    pub(crate) fn up(&mut self, number: u32, config: InterfaceConfig) -> Vec<String> {
        self.event(Event::InterfaceUp {
            interface: InterfaceId(number),
            config,
            address: Some(Ipv4Addr::new(10, 0, number as u8, 5)),
            mtu: 1500,
        })
    }

    pub(crate) fn down(&mut self, number: u32) -> Vec<String> {
        self.event(Event::InterfaceDown {
            interface: InterfaceId(number),
        })
    }

    pub(crate) fn report(
        &mut self,
        (number, group): (u32, Ipv4Addr),
        kind: ReportKind,
        sources: &[u8],
    ) -> Vec<String> {
        self.event(Event::Report(Report {
            interface: InterfaceId(number),
            time: self.now,
            reporter: Ipv4Addr::new(10, 0, number as u8, 100),
            group,
            kind,
            sources: sources.iter().copied().map(source).collect(),
        }))
    }

    pub(crate) fn record(&mut self, number: u32, kind: RecordKind, sources: &[u8]) -> Vec<String> {
        self.report((number, GROUP), ReportKind::Record(kind), sources)
    }

    pub(crate) fn clear(&mut self, number: Option<u32>) -> Vec<String> {
        self.event(Event::Clear {
            interface: number.map(InterfaceId),
            group: None,
        })
    }

    /// Another querier asks, with a lower address and a Max Response Time of a second.
    pub(crate) fn query(&mut self, number: u32, group: Option<Ipv4Addr>, sources: &[u8]) -> Vec<String> {
        self.event(Event::Query(Query {
            interface: InterfaceId(number),
            time: self.now,
            querier: Ipv4Addr::new(10, 0, number as u8, 2),
            version: 3,
            group,
            max_resp_code: 10,
            suppress: false,
            qrv: 2,
            qqic: 125,
            sources: sources.iter().copied().map(source).collect(),
        }))
    }

    /// Serves deadlines up to `second` after the start. Answers what is told of routes.
    pub(crate) fn run_to(&mut self, second: f64) -> Vec<String> {
        let end = START + Duration::from_nanos((second * 1e9).round() as u64);
        let mut told = Vec::new();
        while let Some(at) = self.router.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            let mut actions = Vec::new();
            self.router.handle_timeout(self.now, &mut Silent, &mut actions);
            told.extend(self.follow(&actions));
        }
        self.now = self.now.max(end);
        told
    }

    /// This interface becomes the upstream interface of a proxy, or there is no proxy any more.
    pub(crate) fn set_upstream(&mut self, number: Option<u32>) {
        self.upstream = number.map(InterfaceId);
        self.router.set_upstream(self.upstream);
        if number.is_none() {
            self.database = Database::default();
        }
        self.follow(&[]);
    }

    /// What members want is told from now on, or no more.
    pub(crate) fn set_member_log(&mut self, on: bool) {
        self.router.set_member_log(on);
        self.is_told = on;
        if !on {
            self.told = Told::default();
        }
        self.follow(&[]);
    }

    /// All routes, in words.
    pub(crate) fn table(&self) -> Vec<String> {
        let routes = self.routes.0.iter();
        routes
            .map(|(&(group, source), outgoing)| describe(group, source, Some(outgoing.as_slice())))
            .collect()
    }

    fn follow(&mut self, actions: &[Action]) -> Vec<String> {
        let outcome = self.routes.follow(actions);
        if let Err(fault) = outcome.and_then(|()| self.routes.compare(&self.router, self.now)) {
            panic!("{fault}");
        }
        let changes = self.router.take_subscription_changes();
        let outcome = self.database.follow(changes);
        let outcome = outcome.and_then(|()| match self.upstream {
            Some(upstream) => self.database.compare(&self.router, self.now, upstream),
            None => Ok(()),
        });
        if let Err(fault) = outcome {
            panic!("{fault}");
        }
        let outcome = self.told.follow(&self.router.take_member_changes());
        let outcome = outcome.and_then(|()| match self.is_told {
            true => self.told.compare(&self.router, self.now),
            false => Ok(()),
        });
        if let Err(fault) = outcome {
            panic!("{fault}");
        }
        let told = actions.iter().filter_map(|action| match action {
            Action::SetRoute {
                group,
                source,
                outgoing,
            } => Some(describe(*group, *source, Some(outgoing.as_slice()))),
            Action::RemoveRoute { group, source } => Some(describe(*group, *source, None)),
            _ => None,
        });
        let mut told: Vec<String> = told.collect();
        // Which source of a group comes first is left to the router.
        for of_a_kind in told.chunk_by_mut(|one, other| kind(one) == kind(other)) {
            of_a_kind.sort_unstable();
        }
        told
    }
}

/// What a line of [`describe`] is about, but for the source.
fn kind(line: &str) -> String {
    let route = line.split(" to").next().unwrap_or(line);
    route
        .trim_end_matches(|digit: char| digit.is_ascii_digit())
        .to_owned()
}

/// A route in words: `S1 to 2 3` for source 1 of the group, `* to 2 3` for all others, `no S1` where there is none any
/// more. Of other groups than [`GROUP`] the last byte comes first.
fn describe(group: Ipv4Addr, named: Option<Ipv4Addr>, outgoing: Option<&[InterfaceId]>) -> String {
    let mut name = named.map_or("*".to_owned(), |source| format!("S{}", source.octets()[3]));
    if group != GROUP {
        name = format!("{}/{name}", group.octets()[3]);
    }
    let Some(outgoing) = outgoing else {
        return format!("no {name}");
    };
    let ports: String = outgoing.iter().map(|id| format!(" {}", id.0)).collect();
    match ports.as_str() {
        "" => format!("{name} to nobody"),
        ports => format!("{name} to{ports}"),
    }
}
