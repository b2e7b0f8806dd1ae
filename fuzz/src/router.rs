//! The protocol core, told whatever bytes make of events.

use core::net::Ipv4Addr;
use std::collections::HashMap;

use igmp_core::{
    Action, Duration, Event, Found, GroupTimes, Instant, InterfaceConfig, InterfaceId, Liveness, Query,
    Report, ReportKind, Router, SourceTime, StaticGroup,
};
use igmp_wire::igmp::RecordKind;

/// How often a deadline may be served at one point in time. Each call serves a batch of deadlines, and there are far
/// fewer groups and sources than a batch holds, so that more calls mean that time stands still.
const CALLS_AT_A_TIME: usize = 64;

/// The times that reports left in the kernel's maps; the source is `None` for the group itself.
#[derive(Default)]
struct Table(HashMap<(InterfaceId, Ipv4Addr, Option<Ipv4Addr>), [Option<Instant>; 3]>);

impl Liveness for Table {
    fn group(&mut self, interface: InterfaceId, group: Ipv4Addr) -> GroupTimes {
        GroupTimes {
            last_report: self.0.get(&(interface, group, None)).copied().unwrap_or_default(),
            reporter: None,
        }
    }

    fn source(&mut self, interface: InterfaceId, group: Ipv4Addr, source: Ipv4Addr) -> SourceTime {
        let times = self.0.get(&(interface, group, Some(source)));
        SourceTime {
            last_report: times.and_then(|times| times[0]),
        }
    }
}

/// The bytes that decide. When they are used up everything is 0.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    /// One of a few interfaces.
    fn interface(&mut self) -> InterfaceId {
        InterfaceId(u32::from(self.byte() % 3))
    }

    /// Mostly one of a few groups, of which some are in the source-specific range; now and then any address.
    fn group(&mut self) -> Ipv4Addr {
        match self.byte() {
            choice @ 0..=119 => Ipv4Addr::new(239, 1, 1, choice % 8),
            choice @ 120..=239 => Ipv4Addr::new(232, 1, 1, choice % 8),
            _ => self.address(),
        }
    }

    /// Mostly one of a few sources, now and then any address.
    fn source(&mut self) -> Ipv4Addr {
        match self.byte() {
            choice @ 0..=239 => Ipv4Addr::new(192, 0, 2, choice % 16),
            _ => self.address(),
        }
    }

    fn address(&mut self) -> Ipv4Addr {
        Ipv4Addr::from(core::array::from_fn(|_| self.byte()))
    }

    fn sources(&mut self) -> Vec<Ipv4Addr> {
        let count = self.byte() % 12;
        (0..count).map(|_| self.source()).collect()
    }

    /// From nothing to a few hours: short spans as often as long ones.
    fn span(&mut self) -> Duration {
        let mantissa = u64::from(self.byte());
        Duration::from_nanos(mantissa << (self.byte() % 36))
    }

    /// A point not later than `now`.
    fn earlier(&mut self, now: Instant) -> Instant {
        Instant::from_nanos(now.as_nanos().saturating_sub(self.span().as_nanos()))
    }

    fn time(&mut self, now: Instant) -> Option<Instant> {
        self.flag().then(|| self.earlier(now))
    }

    /// What the configuration file admits.
    fn config(&mut self) -> InterfaceConfig {
        let response = u64::from(self.byte()).max(1);
        InterfaceConfig {
            version: 1 + self.byte() % 3,
            query_response_interval: Duration::from_deciseconds(response),
            query_interval: Duration::from_deciseconds(response + 10 + u64::from(self.byte())),
            last_member_query_interval: Duration::from_deciseconds(u64::from(self.byte()).max(1)),
            robustness_variable: 1 + self.byte() % 7,
            rfc3376_group_membership_interval: self.flag(),
            immediate_leave: self.flag(),
            max_groups: u32::from(self.byte() % 8),
            max_group_sources: u32::from(self.byte() % 8),
            static_groups: (0..self.byte() % 3)
                .map(|_| StaticGroup {
                    group: Ipv4Addr::new(239, 1, 1, self.byte() % 8),
                    source: self.flag().then(|| Ipv4Addr::new(192, 0, 2, self.byte() % 16)),
                })
                .collect(),
        }
    }

    fn report_kind(&mut self) -> ReportKind {
        match self.byte() % 9 {
            0 => ReportKind::V1,
            1 => ReportKind::V2,
            2 => ReportKind::Leave,
            3 => ReportKind::Record(RecordKind::IsInclude),
            4 => ReportKind::Record(RecordKind::IsExclude),
            5 => ReportKind::Record(RecordKind::ToInclude),
            6 => ReportKind::Record(RecordKind::ToExclude),
            7 => ReportKind::Record(RecordKind::Allow),
            _ => ReportKind::Record(RecordKind::Block),
        }
    }

    fn report(&mut self, now: Instant) -> Report {
        let kind = self.report_kind();
        Report {
            interface: self.interface(),
            time: self.earlier(now),
            reporter: self.address(),
            group: self.group(),
            kind,
            sources: match kind {
                ReportKind::Record(_) => self.sources(),
                ReportKind::V1 | ReportKind::V2 | ReportKind::Leave => Vec::new(),
            },
        }
    }

    fn query(&mut self, now: Instant) -> Query {
        let group = self.flag().then(|| self.group());
        Query {
            interface: self.interface(),
            time: self.earlier(now),
            querier: self.address(),
            version: 1 + self.byte() % 3,
            group,
            max_resp_code: self.byte(),
            suppress: self.flag(),
            qrv: self.byte() % 8,
            qqic: self.byte(),
            sources: group.map_or_else(Vec::new, |_| self.sources()),
        }
    }

    fn found(&mut self, now: Instant) -> Found {
        Found {
            interface: self.interface(),
            group: self.group(),
            exclude: self.flag(),
            incomplete: self.flag(),
            last_report: core::array::from_fn(|_| self.time(now)),
            reporter: self.address(),
            sources: (self.sources().into_iter())
                .map(|source| (source, self.earlier(now)))
                .collect(),
        }
    }

    fn event(&mut self, now: Instant) -> Event {
        match self.byte() % 16 {
            0 => Event::InterfaceUp {
                interface: self.interface(),
                config: self.config(),
                address: self.flag().then(|| self.address()),
                mtu: u32::from(self.byte()) * 8,
            },
            1 => Event::InterfaceDown {
                interface: self.interface(),
            },
            2 => Event::Clear {
                interface: self.flag().then(|| self.interface()),
                group: self.flag().then(|| self.group()),
            },
            3..=5 => Event::Query(self.query(now)),
            6..=8 => Event::Found(self.found(now)),
            _ => Event::Report(self.report(now)),
        }
    }
}

/// A router that is told of events, of refreshes that only the kernel saw, and of time that passes.
///
/// # Panics
///
/// Where the router panics, wants to be woken again and again for one point in time, or lists what it should not know.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let mut router = Router::new();
    let mut table = Table::default();
    // No clock of a running system is at zero.
    let mut now = Instant::from_nanos(5_000_000_000_000);
    let mut actions = Vec::new();
    for interface in 0..2 {
        let up = Event::InterfaceUp {
            interface: InterfaceId(interface),
            config: InterfaceConfig::default(),
            address: Some(Ipv4Addr::new(10, 0, 0, 5)),
            mtu: 1500,
        };
        router.handle(now, up, &mut table, &mut actions);
    }
    while !choices.0.is_empty() {
        match choices.byte() % 8 {
            0 => {
                now += choices.span();
                serve(&mut router, now, &mut table, &mut actions);
            }
            1 => {
                let source = choices.flag().then(|| choices.source());
                let key = (choices.interface(), choices.group(), source);
                let times = core::array::from_fn(|_| choices.time(now));
                table.0.insert(key, times);
            }
            _ => {
                let event = choices.event(now);
                router.handle(now, event, &mut table, &mut actions);
            }
        }
        if choices.flag() {
            check(&router, now, &mut table);
        }
        actions.clear();
    }
    // Whatever is left runs out.
    for _ in 0..64 {
        let Some(next) = router.poll_timeout() else {
            break;
        };
        now = now.max(next);
        serve(&mut router, now, &mut table, &mut actions);
        actions.clear();
    }
    check(&router, now, &mut table);
}

/// Serves all deadlines up to `now`, in the order of time, as an agent does that is never late.
fn serve(router: &mut Router, now: Instant, table: &mut Table, actions: &mut Vec<Action>) {
    let mut served = Instant::ZERO;
    let mut calls = 0;
    while let Some(next) = router.poll_timeout()
        && next <= now
    {
        let at = next.max(served);
        calls = if at == served { calls + 1 } else { 0 };
        assert!(calls < CALLS_AT_A_TIME, "the same deadline comes again and again");
        router.handle_timeout(at, table, actions);
        if let Some(after) = router.poll_timeout() {
            assert!(after >= next, "a deadline was served that comes again earlier");
        }
        served = at;
    }
}

/// Looks at everything that operators can look at.
fn check(router: &Router, now: Instant, table: &mut Table) {
    for interface in router.interfaces() {
        let view = router.interface(interface).expect("it is listed");
        assert!(!view.is_querier || view.querier.is_some());
        let groups = router.groups(now, interface, Ipv4Addr::UNSPECIFIED, usize::MAX, table);
        assert!(groups.is_sorted_by_key(|group| group.group));
        for group in groups {
            assert!(group.group.is_multicast());
            assert!(group.sources.is_sorted_by_key(|source| source.source));
        }
    }
}
