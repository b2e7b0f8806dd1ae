//! Holds the router against every row of the state tables (RFC 9776 §6.4.1 Table 8 and §6.4.2 Table 9), over all
//! relations that three sources can have to a group and to a record.
//!
//! What is expected comes from the tables as they are printed, evaluated by a naive reading of their set expressions.

#[path = "tables/expression.rs"]
mod expression;
#[path = "tables/model.rs"]
mod model;
#[path = "routes/mod.rs"]
mod routes;

use std::{collections::BTreeSet, net::Ipv4Addr};

use igmp_core::{
    Action, Event, FilterMode, GroupView, InterfaceConfig, InterfaceId, Query, Report, ReportKind, Router,
    SendQuery,
    time::{Duration, Instant},
};
use igmp_wire::igmp::RecordKind;
use model::{Group, Question, Role, Source, Written};
use routes::{Ports, Routes, Silent};

const INTERFACE: InterfaceId = InterfaceId(7);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const OTHER_QUERIER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const START: Instant = Instant::from_nanos(1_000_000_000_000);

const KINDS: [(RecordKind, &str); 6] = [
    (RecordKind::IsInclude, "IS_IN"),
    (RecordKind::IsExclude, "IS_EX"),
    (RecordKind::ToInclude, "TO_IN"),
    (RecordKind::ToExclude, "TO_EX"),
    (RecordKind::Allow, "ALLOW"),
    (RecordKind::Block, "BLOCK"),
];

/// A router with one group, and the model beside it.
struct Bench {
    router: Router,
    model: Group,
    now: Instant,
    /// What the actions made of the kernel's maps: the sources of the group.
    kernel: BTreeSet<Ipv4Addr>,
    routes: Routes,
    sent: Vec<SendQuery>,
}

impl Bench {
    fn new(role: Role) -> Self {
        let mut bench = Self {
            router: Router::new(),
            model: Group::new(role),
            now: START,
            kernel: BTreeSet::new(),
            routes: Routes::default(),
            sent: Vec::new(),
        };
        bench.handle(Event::InterfaceUp {
            interface: INTERFACE,
            config: InterfaceConfig::default(),
            address: Some(ADDRESS),
            mtu: 1500,
        });
        if role == Role::NonQuerier {
            bench.handle(Event::Query(Query {
                interface: INTERFACE,
                time: START,
                querier: OTHER_QUERIER,
                version: 3,
                group: None,
                max_resp_code: 100,
                suppress: false,
                qrv: 2,
                qqic: 125,
                sources: Vec::new(),
            }));
        }
        bench.sent.clear();
        bench
    }

    fn handle(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.router.handle(self.now, event, &mut Silent, &mut actions);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        self.routes.follow(&actions).expect("routes in order");
        for action in actions {
            match action {
                Action::SendQuery(query) => self.sent.extend(query.group.is_some().then_some(query)),
                Action::SetSource { source, .. } => {
                    assert!(self.kernel.insert(source), "{source} was set twice");
                }
                Action::RemoveSource { source, .. } => {
                    assert!(self.kernel.remove(&source), "{source} was not there to remove");
                }
                Action::SetGroup { .. }
                | Action::RemoveGroup { .. }
                | Action::SetRoute { .. }
                | Action::RemoveRoute { .. }
                | Action::Notify(_)
                | Action::Warn(_) => {}
            }
        }
    }

    /// A host reports, to the router and to the model.
    fn record(&mut self, kind: RecordKind, name: &str, sources: &BTreeSet<Source>) -> Question {
        self.handle(Event::Report(Report {
            interface: INTERFACE,
            time: self.now,
            reporter: HOST,
            group: GROUP,
            kind: ReportKind::Record(kind),
            sources: sources.iter().map(|&source| address(source)).collect(),
        }));
        self.model.record(name, sources, self.now.as_nanos())
    }

    /// Lets time pass up to `end`, stopping at each deadline of the model to compare.
    fn run_until(&mut self, end: Instant, context: &dyn Fn() -> String) {
        while self.now < end {
            let next = self
                .model
                .next_end(self.now.as_nanos())
                .map_or(end, Instant::from_nanos);
            self.now = next.min(end);
            while self.router.poll_timeout().is_some_and(|at| at <= self.now) {
                let mut actions = Vec::new();
                self.router.handle_timeout(self.now, &mut Silent, &mut actions);
                self.carry_out(actions);
            }
            self.model.expire(self.now.as_nanos());
            self.compare(context);
        }
    }

    fn compare(&self, context: &dyn Fn() -> String) {
        let view = self.router.group(self.now, INTERFACE, GROUP, &mut Silent);
        let found = view.as_ref().map(|view| as_model(view, self.now));
        let expected = self.model.state();
        assert_eq!(found, expected, "{}", context());
        let routes = expected.map(|state| as_routes(&state)).unwrap_or_default();
        assert_eq!(self.routes.0, routes, "routes, {}", context());
        self.routes
            .compare(&self.router, self.now)
            .unwrap_or_else(|fault| panic!("{fault}, {}", context()));
        let running: BTreeSet<Ipv4Addr> = view
            .iter()
            .flat_map(|view| &view.sources)
            .filter(|source| source.forwarding)
            .map(|source| source.source)
            .collect();
        assert_eq!(self.kernel, running, "sources in the kernel, {}", context());
    }
}

/// What §6.3 suggests: in INCLUDE mode the sources whose timers run are forwarded, in EXCLUDE mode all but those whose
/// timers do not run. A route is told of where it differs from that of the group.
fn as_routes((mode, _, sources): &Written) -> Ports {
    let ports = vec![INTERFACE];
    let is_exclude = mode == "EXCLUDE";
    let mut routes = Ports::new();
    if is_exclude {
        routes.insert((GROUP, None), ports.clone());
    }
    for (source, timer) in sources {
        match (is_exclude, timer) {
            (false, Some(_)) => routes.insert((GROUP, Some(address(*source))), ports.clone()),
            (true, None) => routes.insert((GROUP, Some(address(*source))), vec![]),
            (true, Some(_)) => None,
            (false, None) => panic!("in INCLUDE mode all source timers run"),
        };
    }
    routes
}

fn as_model(view: &GroupView, now: Instant) -> Written {
    let end = |left: Duration| (now + left).as_nanos();
    let mode = match view.filter_mode {
        FilterMode::Include => "INCLUDE",
        FilterMode::Exclude => "EXCLUDE",
    };
    let sources = view
        .sources
        .iter()
        .map(|source| {
            let number = source.source.octets()[3];
            let left = source.expires.expect("no source is static here");
            (number, source.forwarding.then(|| end(left)))
        })
        .collect();
    (mode.to_owned(), view.expires.map(end), sources)
}

fn address(source: Source) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, source)
}

/// All sets of sources 1 to `count`.
fn subsets(count: u8) -> Vec<BTreeSet<Source>> {
    (0_u8..1 << count)
        .map(|bits| {
            (1..=count)
                .filter(|source| bits >> (source - 1) & 1 == 1)
                .collect()
        })
        .collect()
}

/// Filter mode EXCLUDE or not, sources whose timers run, sources whose timers do not.
type State = (bool, BTreeSet<Source>, BTreeSet<Source>);

/// All states of a group that `count` sources allow.
fn states(count: u8) -> Vec<State> {
    let mut states: Vec<_> = subsets(count)
        .into_iter()
        .map(|set| (false, set, BTreeSet::new()))
        .collect();
    for running in subsets(count) {
        for stopped in subsets(count) {
            if running.is_disjoint(&stopped) {
                states.push((true, running.clone(), stopped));
            }
        }
    }
    assert_eq!(
        states.len(),
        2_usize.pow(count.into()) + 3_usize.pow(count.into())
    );
    states
}

/// Brings a group into a state in which every timer has a value of its own.
fn bring_into(role: Role, (exclude, running, stopped): &State) -> Bench {
    let mut bench = Bench::new(role);
    for &source in running {
        bench.record(RecordKind::Allow, "ALLOW", &BTreeSet::from([source]));
        bench.now += Duration::from_secs(3);
    }
    if *exclude {
        let listed = running.union(stopped).copied().collect();
        bench.record(RecordKind::IsExclude, "IS_EX", &listed);
    }
    bench.now += Duration::from_secs(11);
    let (_, _, sources) = bench.model.state().unwrap_or_default();
    let of = |is_running: bool| -> BTreeSet<Source> {
        let found = sources.iter().filter(|(_, end)| end.is_some() == is_running);
        found.map(|&(source, _)| source).collect()
    };
    assert_eq!((&of(true), &of(false)), (running, stopped));
    bench
}

fn describe(state: &State, name: &str, list: &BTreeSet<Source>) -> String {
    let (exclude, running, stopped) = state;
    match exclude {
        false => format!("INCLUDE ({running:?}) and {name} ({list:?})"),
        true => format!("EXCLUDE ({running:?}, {stopped:?}) and {name} ({list:?})"),
    }
}

/// Every row, every relation: the new state, all timers, and how it ends when nobody reports again.
#[test]
fn every_row_for_all_relations_of_three_sources() {
    let mut cases = 0;
    for role in [Role::Querier, Role::NonQuerier] {
        for state in states(3) {
            for list in subsets(3) {
                for (kind, name) in KINDS {
                    let context = || format!("{role:?}: {}", describe(&state, name, &list));
                    let mut bench = bring_into(role, &state);
                    bench.record(kind, name, &list);
                    bench.compare(&context);
                    let end = bench.now + Duration::from_secs(250);
                    if role == Role::Querier {
                        let end = bench.now + Duration::from_secs(300);
                        bench.run_until(end, &context);
                    } else {
                        // Shorter, so that the other querier counts as present until the end.
                        bench.run_until(end.min(START + Duration::from_secs(254)), &context);
                    }
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 2 * 35 * 8 * 6);
}

/// The queries that the tables demand, each as often and when §6.6.3 says.
#[test]
fn every_row_asks_what_the_table_says() {
    for role in [Role::Querier, Role::NonQuerier] {
        for state in states(3) {
            for list in subsets(3) {
                for (kind, name) in KINDS {
                    let mut bench = bring_into(role, &state);
                    let question = bench.record(kind, name, &list);
                    let mut expected = Vec::new();
                    if role == Role::Querier {
                        if question.group {
                            expected.push(Vec::new());
                        }
                        if !question.sources.is_empty() {
                            expected.push(question.sources.iter().map(|&source| address(source)).collect());
                        }
                    }
                    let context = describe(&state, name, &list);
                    for transmission in 0..2 {
                        let sent = std::mem::take(&mut bench.sent);
                        assert!(
                            sent.iter().all(|query| {
                                query.group == Some(GROUP)
                                    && query.version == 3
                                    && !query.suppress
                                    && query.max_response_time == Duration::from_secs(1)
                                    && query.qrv == 2
                                    && query.query_interval == Duration::from_secs(125)
                            }),
                            "{role:?}: {context}: {sent:?}"
                        );
                        let sources: Vec<Vec<Ipv4Addr>> =
                            sent.into_iter().map(|query| query.sources).collect();
                        assert_eq!(
                            sources, expected,
                            "transmission {transmission}, {role:?}: {context}"
                        );
                        let just_before = bench.now + Duration::from_millis(999);
                        bench.run_until(just_before, &|| context.clone());
                        assert_eq!(bench.sent, [], "{context}");
                        bench.run_until(bench.now + Duration::from_millis(1), &|| context.clone());
                    }
                    bench.run_until(bench.now + Duration::from_secs(5), &|| context.clone());
                    assert_eq!(bench.sent, [], "more transmissions than two, {context}");
                }
            }
        }
    }
}

/// Two records in a row, the second while the questions of the first are still open: states and timers, for all pairs
/// and all relations of two sources.
#[test]
fn every_pair_of_records() {
    for state in states(2) {
        for first_list in subsets(2) {
            for (first, first_name) in KINDS {
                for second_list in subsets(2) {
                    for (second, second_name) in KINDS {
                        let mut bench = bring_into(Role::Querier, &state);
                        bench.record(first, first_name, &first_list);
                        bench.now += Duration::from_millis(500);
                        bench.record(second, second_name, &second_list);
                        bench.compare(&|| {
                            let before = describe(&state, first_name, &first_list);
                            format!("{before} and {second_name} ({second_list:?})")
                        });
                    }
                }
            }
        }
    }
}
