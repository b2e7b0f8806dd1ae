//! A router with a kernel that does what the XDP program does, and a clock.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use igmp_wire::{
    abi::{Change, GroupEntry, GroupFlags, GroupStep, SourceEntry, SourceFlags},
    address::is_unicast,
    igmp::RecordKind,
};

use crate::{
    Action, Event, FilterMode, Found, GroupTimes, GroupView, InterfaceConfig, InterfaceId, InterfaceView,
    Liveness, Notification, NotificationKind, Query, Reason, Report, ReportKind, Router, SourceTime, Warning,
    routes::Routes,
    time::{Duration, Instant},
};

pub(super) const INTERFACE: InterfaceId = InterfaceId(3);
pub(super) const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
pub(super) const LOWER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(super) const HIGHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
pub(super) const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
pub(super) const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
/// When a bench begins; not the clock's zero, as no clock of a running system is.
pub(super) const START: Instant = Instant::from_nanos(5_000_000_000_000);

/// A source by its number.
pub(super) fn source(number: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xc000_0200 + u32::from(number))
}

/// Seconds, down to a nanosecond.
pub(super) fn secs(seconds: f64) -> Duration {
    Duration::from_nanos((seconds * 1e9).round() as u64)
}

/// The maps that the XDP program writes.
#[derive(Debug, Default)]
pub(super) struct Kernel {
    pub(super) groups: BTreeMap<(InterfaceId, Ipv4Addr), GroupEntry>,
    pub(super) sources: BTreeMap<(InterfaceId, Ipv4Addr, Ipv4Addr), SourceEntry>,
    /// What was read since this was last emptied.
    pub(super) reads: usize,
}

fn time_of(nanos: u64) -> Option<Instant> {
    (nanos != 0).then(|| Instant::from_nanos(nanos))
}

impl Liveness for Kernel {
    fn group(&mut self, interface: InterfaceId, group: Ipv4Addr) -> GroupTimes {
        self.reads += 1;
        let entry = self.groups.get(&(interface, group)).copied().unwrap_or_default();
        GroupTimes {
            last_report: entry.last_report.map(time_of),
            reporter: (entry.reporter != 0).then(|| Ipv4Addr::from_bits(entry.reporter)),
        }
    }

    fn source(&mut self, interface: InterfaceId, group: Ipv4Addr, source: Ipv4Addr) -> SourceTime {
        self.reads += 1;
        let entry = self.sources.get(&(interface, group, source));
        SourceTime {
            last_report: entry.and_then(|entry| time_of(entry.last_report)),
        }
    }
}

impl Kernel {
    /// Does what the XDP program does with a report. Says whether it hands the report over.
    pub(super) fn receive(&mut self, report: &Report) -> bool {
        let change = match report.kind {
            ReportKind::V1 => Change::AnySource { version: 1 },
            ReportKind::V2 => Change::AnySource { version: 2 },
            ReportKind::Leave => Change::Less,
            ReportKind::Record(kind) => Change::of_record(kind, report.sources.len() as u16),
        };
        let time = report.time.as_nanos();
        let reporter = report.reporter.to_bits();
        let key = (report.interface, report.group);
        let refresh = |entry: &mut GroupEntry| {
            if let Change::AnySource { version } = change
                && let Some(last) = entry.last_report.get_mut(usize::from(version) - 1)
            {
                *last = time;
            }
            entry.reporter = reporter;
        };
        match GroupStep::decide(change, self.groups.get(&key).map(|entry| entry.flags)) {
            GroupStep::Ignore => false,
            GroupStep::Refresh => {
                self.groups.entry(key).and_modify(refresh);
                false
            }
            GroupStep::Insert(flags) => {
                let mut entry = GroupEntry {
                    flags,
                    ..GroupEntry::default()
                };
                refresh(&mut entry);
                self.groups.insert(key, entry);
                true
            }
            GroupStep::Hand(_) => true,
            GroupStep::Sources { always } => {
                let mut hand = always || !self.groups.contains_key(&key);
                self.groups.entry(key).or_insert(GroupEntry {
                    flags: GroupFlags::PENDING,
                    reporter,
                    ..GroupEntry::default()
                });
                for &source in report.sources.iter().filter(|&&source| is_unicast(source)) {
                    let entry = self.sources.entry((key.0, key.1, source)).or_insert(SourceEntry {
                        flags: SourceFlags::PENDING,
                        ..SourceEntry::default()
                    });
                    hand |= entry.flags & SourceFlags::REFRESH == 0;
                    entry.last_report = time;
                    entry.reporter = reporter;
                }
                hand
            }
        }
    }

    fn carry_out(&mut self, action: &Action) {
        match *action {
            Action::SetGroup {
                interface,
                group,
                refresh,
            } => {
                let entry = self.groups.entry((interface, group)).or_default();
                entry.flags = if refresh.v1 { GroupFlags::REFRESH_V1 } else { 0 }
                    | if refresh.v2 { GroupFlags::REFRESH_V2 } else { 0 }
                    | if refresh.v3 { GroupFlags::REFRESH_V3 } else { 0 };
            }
            Action::RemoveGroup { interface, group } => {
                self.groups.remove(&(interface, group));
            }
            Action::SetSource {
                interface,
                group,
                source,
            } => {
                let entry = self.sources.entry((interface, group, source)).or_default();
                entry.flags = SourceFlags::REFRESH;
            }
            Action::RemoveSource {
                interface,
                group,
                source,
            } => {
                self.sources.remove(&(interface, group, source));
            }
            Action::SetRoute { .. }
            | Action::RemoveRoute { .. }
            | Action::SendQuery(_)
            | Action::Notify(_)
            | Action::Warn(_) => {}
        }
    }
}

/// The bench.
pub(super) struct Bench {
    pub(super) router: Router,
    pub(super) kernel: Kernel,
    pub(super) now: Instant,
    /// How many reports were handed to the router.
    pub(super) handed: usize,
    sent: Vec<String>,
    /// What the actions have made of an agent's routes.
    routes: Routes,
    notifications: Vec<Notification>,
    pub(super) warnings: Vec<Warning>,
}

impl Bench {
    /// A router without interfaces.
    pub(super) fn empty() -> Self {
        Self {
            router: Router::new(),
            kernel: Kernel::default(),
            now: START,
            handed: 0,
            sent: Vec::new(),
            routes: Routes::default(),
            notifications: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// A router with one interface, whose first query is out.
    pub(super) fn new(config: InterfaceConfig) -> Self {
        Self::with_router(Router::new(), config)
    }

    /// The same with a router that was made otherwise.
    pub(super) fn with_router(router: Router, config: InterfaceConfig) -> Self {
        let mut bench = Self {
            router,
            ..Self::empty()
        };
        bench.up(config, Some(OWN), 1500);
        bench.sent();
        bench.notes();
        bench
    }

    pub(super) fn up(&mut self, config: InterfaceConfig, address: Option<Ipv4Addr>, mtu: u32) {
        self.event(Event::InterfaceUp {
            interface: INTERFACE,
            config,
            address,
            mtu,
        });
    }

    pub(super) fn event(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.router
            .handle(self.now, event, &mut self.kernel, &mut actions);
        self.carry_out(actions);
        self.check_routes();
    }

    /// Carries out what was told of routes only.
    pub(super) fn follow(&mut self, actions: &[Action]) {
        if let Err(fault) = self.routes.follow(actions) {
            panic!("{fault}");
        }
    }

    /// The routes that were told are those that follow from what is known.
    fn check_routes(&self) {
        if let Err(fault) = self.routes.compare(&self.router, self.now) {
            panic!("{fault}");
        }
    }

    pub(super) fn carry_out(&mut self, actions: Vec<Action>) {
        self.follow(&actions);
        for action in actions {
            self.kernel.carry_out(&action);
            match action {
                Action::SendQuery(query) => {
                    let at = self.now.since(START).as_secs_f64();
                    let mut line = format!("{at}: v{}", query.version);
                    line += &query
                        .group
                        .map_or(" general".to_owned(), |group| format!(" Q({group}"));
                    if query.group.is_some() {
                        let sources: Vec<String> = query
                            .sources
                            .iter()
                            .map(|source| (source.to_bits() - 0xc000_0200).to_string())
                            .collect();
                        if !sources.is_empty() {
                            line += &format!(",{{{}}}", sources.join(","));
                        }
                        line += ")";
                    }
                    line += if query.suppress { " S" } else { "" };
                    self.sent.push(line);
                }
                Action::Notify(notification) => self.notifications.push(notification),
                Action::Warn(warning) => self.warnings.push(warning),
                Action::SetGroup { .. }
                | Action::RemoveGroup { .. }
                | Action::SetSource { .. }
                | Action::RemoveSource { .. }
                | Action::SetRoute { .. }
                | Action::RemoveRoute { .. } => {}
            }
        }
    }

    /// The queries sent since the last call: `second: format what flags`.
    pub(super) fn sent(&mut self) -> Vec<String> {
        core::mem::take(&mut self.sent)
    }

    /// What was notified since the last call, about groups and sources.
    pub(super) fn notes(&mut self) -> Vec<(NotificationKind, Option<Ipv4Addr>, Reason)> {
        core::mem::take(&mut self.notifications)
            .into_iter()
            .map(|note| (note.kind, note.source, note.reason))
            .collect()
    }

    /// Serves deadlines up to `second` after the start.
    pub(super) fn run_to(&mut self, second: f64) {
        let end = START + secs(second);
        while let Some(at) = self.router.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.timeout();
        }
        self.now = self.now.max(end);
    }

    pub(super) fn timeout(&mut self) {
        let mut actions = Vec::new();
        self.router
            .handle_timeout(self.now, &mut self.kernel, &mut actions);
        self.carry_out(actions);
        self.check_routes();
    }

    /// A report arrives, and the kernel decides what becomes of it.
    pub(super) fn report(&mut self, kind: ReportKind, sources: &[u16]) {
        self.report_for(GROUP, kind, sources);
    }

    pub(super) fn report_for(&mut self, group: Ipv4Addr, kind: ReportKind, sources: &[u16]) {
        let report = self.report_at(self.now, group, kind, sources);
        self.receive(report);
    }

    pub(super) fn receive(&mut self, report: Report) {
        // To a version 1 or 2 router a version 3 report is a message of an unknown type.
        let is_unknown = self.interface().version < 3 && matches!(report.kind, ReportKind::Record(_));
        if !is_unknown && self.kernel.receive(&report) {
            self.handed += 1;
            self.event(Event::Report(report));
        }
    }

    pub(super) fn report_at(
        &self,
        time: Instant,
        group: Ipv4Addr,
        kind: ReportKind,
        sources: &[u16],
    ) -> Report {
        Report {
            interface: INTERFACE,
            time,
            reporter: HOST,
            group,
            kind,
            sources: sources.iter().copied().map(source).collect(),
        }
    }

    pub(super) fn record(&mut self, kind: RecordKind, sources: &[u16]) {
        self.report(ReportKind::Record(kind), sources);
    }

    /// A General Query of version 3 with the RFC's defaults arrives.
    pub(super) fn general_query(&mut self, querier: Ipv4Addr) {
        let query = self.query_from(querier);
        self.event(Event::Query(query));
    }

    pub(super) fn query_from(&self, querier: Ipv4Addr) -> Query {
        Query {
            interface: INTERFACE,
            time: self.now,
            querier,
            version: 3,
            group: None,
            max_resp_code: 100,
            suppress: false,
            qrv: 2,
            qqic: 125,
            sources: Vec::new(),
        }
    }

    /// A specific query arrives, with a Max Response Time of a second.
    pub(super) fn specific_query(&mut self, querier: Ipv4Addr, sources: &[u16], suppress: bool) {
        let query = Query {
            group: Some(GROUP),
            max_resp_code: 10,
            suppress,
            sources: sources.iter().copied().map(source).collect(),
            ..self.query_from(querier)
        };
        self.event(Event::Query(query));
    }

    pub(super) fn interface(&self) -> InterfaceView {
        self.router.interface(INTERFACE).expect("the interface is up")
    }

    pub(super) fn group(&mut self) -> Option<GroupView> {
        self.router.group(self.now, INTERFACE, GROUP, &mut self.kernel)
    }

    /// The group in the notation of the RFC, with what is left of each timer: `EXCLUDE 270 ({1:12.5},{2})`.
    pub(super) fn state(&mut self) -> String {
        let Some(view) = self.group() else {
            return "nothing".to_owned();
        };
        let number = |address: Ipv4Addr| address.to_bits() - 0xc000_0200;
        let running: Vec<String> = view
            .sources
            .iter()
            .filter(|source| source.forwarding)
            .map(|source| {
                let left = source
                    .expires
                    .map_or("-".to_owned(), |left| left.as_secs_f64().to_string());
                format!("{}:{left}", number(source.source))
            })
            .collect();
        let stopped: Vec<String> = view
            .sources
            .iter()
            .filter(|source| !source.forwarding)
            .map(|source| number(source.source).to_string())
            .collect();
        match view.filter_mode {
            FilterMode::Include => format!("INCLUDE ({})", running.join(",")),
            FilterMode::Exclude => {
                let left = view
                    .expires
                    .map_or("-".to_owned(), |left| left.as_secs_f64().to_string());
                format!("EXCLUDE {left} ({}; {})", running.join(","), stopped.join(","))
            }
        }
    }

    pub(super) fn mode(&mut self) -> u8 {
        self.group().map_or(0, |view| view.compatibility_mode)
    }

    pub(super) fn found(&self) -> Found {
        Found {
            interface: INTERFACE,
            group: GROUP,
            exclude: false,
            incomplete: false,
            last_report: [None; 3],
            reporter: HOST,
            sources: Vec::new(),
        }
    }
}
