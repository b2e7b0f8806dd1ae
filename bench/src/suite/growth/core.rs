//! The protocol alone, in this process: no kernel, no clock, no sockets.

use std::{net::Ipv4Addr, time::Duration as StdDuration};

use anyhow::{Result, ensure};
use igmp_core::{
    Action, Duration, Event, GroupTimes, Instant, InterfaceConfig, InterfaceId, Liveness, Report, ReportKind,
    Router, SourceTime,
};

use super::{
    Costs, What,
    groups::{passing, staying},
};
use crate::cpu;

/// An interface where leaves are asked about.
const ASKING: InterfaceId = InterfaceId(0);
/// An interface where leaves take effect at once.
const IMMEDIATE: InterfaceId = InterfaceId(1);
/// An interface where groups end soon that nobody reports.
const SHORT: InterfaceId = InterfaceId(2);
/// The Query Interval of the others: nothing ends there by itself.
const LONG: Duration = Duration::from_secs(30_000);
/// When everything begins; not the clock's zero.
const START: Instant = Instant::from_nanos(1_000_000_000_000);
/// The host that reports.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);

/// What the kernel would know of refreshes: that there were some a moment ago, or none.
struct Refreshed(Option<Instant>);

impl Liveness for Refreshed {
    fn group(&mut self, _: InterfaceId, _: Ipv4Addr) -> GroupTimes {
        GroupTimes {
            last_report: [None, self.0, None],
            reporter: self.0.map(|_| HOST),
        }
    }

    fn source(&mut self, _: InterfaceId, _: Ipv4Addr, _: Ipv4Addr) -> SourceTime {
        SourceTime::default()
    }
}

/// A router with groups on it.
pub(super) struct Core {
    router: Router,
    now: Instant,
    /// Where events happen.
    passing: Vec<Ipv4Addr>,
}

impl Core {
    /// A router with so many groups, for so many events at a time.
    pub(super) fn new(groups: u32, events: u32) -> Self {
        let mut core = Self {
            router: Router::new(),
            now: START,
            passing: passing(groups, events),
        };
        let configs = [
            (ASKING, LONG, false),
            (IMMEDIATE, LONG, true),
            (SHORT, Duration::from_secs(20), false),
        ];
        for (interface, query_interval, immediate_leave) in configs {
            let config = InterfaceConfig {
                query_interval,
                immediate_leave,
                ..InterfaceConfig::default()
            };
            core.handle(vec![Event::InterfaceUp {
                interface,
                config,
                address: Some(Ipv4Addr::new(10, 1, interface.0 as u8, 1)),
                mtu: 1_500,
            }]);
        }
        let joins = (0..groups).map(|number| {
            let interface = if number % 2 == 0 { ASKING } else { IMMEDIATE };
            report(core.now, interface, staying(number), ReportKind::V2)
        });
        let joins = joins.collect();
        core.handle(joins);
        core
    }

    /// Each kind of event once for each passing group; the router is then as it was.
    ///
    /// # Errors
    ///
    /// When events did not have the outcome that they should have.
    pub(super) fn round(&mut self, costs: &mut Costs) -> Result<()> {
        let events = self.passing.len();
        costs.add_all(What::Join, events, self.reports(IMMEDIATE, ReportKind::V2))?;
        costs.add_all(What::Leave, events, self.reports(IMMEDIATE, ReportKind::Leave))?;

        self.reports(ASKING, ReportKind::V2);
        let (leaves, _) = self.reports(ASKING, ReportKind::Leave);
        // Two queries, a second apart, and another second.
        let (time, count) = self.pass(Duration::from_secs(3), false);
        costs.add_all(What::AskedLeave, events, (leaves + time, count))?;

        self.reports(SHORT, ReportKind::V2);
        // By 2 × 20 s + 2 × 10 s.
        let (time, count) = self.pass(Duration::from_secs(61), true);
        ensure!(count == 0, "{count} groups ended that were refreshed");
        costs.add(What::Refresh, time, events);
        let (time, count) = self.pass(Duration::from_secs(61), false);
        costs.add_all(What::Expiry, events, (time, count))
    }

    /// Reports of all passing groups: how long it took, and how many groups it began or ended.
    fn reports(&mut self, interface: InterfaceId, kind: ReportKind) -> (StdDuration, usize) {
        let reports = self.passing.iter();
        let events = reports
            .map(|&group| report(self.now, interface, group, kind))
            .collect();
        self.handle(events)
    }

    fn handle(&mut self, events: Vec<Event>) -> (StdDuration, usize) {
        let mut actions = Vec::new();
        let (mut begun, mut ended) = (0, 0);
        let before = cpu_time();
        for event in events {
            self.router
                .handle(self.now, event, &mut Refreshed(None), &mut actions);
            begun += learned(&actions);
            ended += forgotten(&actions);
            actions.clear();
        }
        // A leave may also have something to say of a group that goes on.
        (cpu_time() - before, if ended > 0 { ended } else { begun })
    }

    /// Lets time pass: how long the deadlines took that came, and how many groups ended.
    fn pass(&mut self, time: Duration, refreshed: bool) -> (StdDuration, usize) {
        let end = self.now + time;
        let mut actions = Vec::new();
        let mut ended = 0;
        let before = cpu_time();
        while let Some(next) = self.router.poll_timeout().filter(|&next| next <= end) {
            self.now = self.now.max(next);
            let mut liveness = Refreshed(refreshed.then_some(self.now));
            self.router.handle_timeout(self.now, &mut liveness, &mut actions);
            ended += forgotten(&actions);
            actions.clear();
        }
        self.now = end;
        (cpu_time() - before, ended)
    }
}

fn cpu_time() -> StdDuration {
    cpu::of_this_thread().unwrap_or_default()
}

/// How many groups the kernel is to forget.
fn forgotten(actions: &[Action]) -> usize {
    let is_end = |action: &&Action| matches!(action, Action::RemoveGroup { .. });
    actions.iter().filter(is_end).count()
}

/// How many groups the kernel is to let be refreshed.
fn learned(actions: &[Action]) -> usize {
    let is_begin = |action: &&Action| matches!(action, Action::SetGroup { .. });
    actions.iter().filter(is_begin).count()
}

fn report(time: Instant, interface: InterfaceId, group: Ipv4Addr, kind: ReportKind) -> Event {
    Event::Report(Report {
        interface,
        time,
        reporter: HOST,
        group,
        kind,
        sources: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_their_outcome_and_leave_no_trace() {
        for groups in [100, 1_000] {
            let mut core = Core::new(groups, 100);
            let mut costs = Costs::default();
            for _ in 0..3 {
                core.round(&mut costs).expect("events have their outcome");
            }
            for (interface, wanted) in [(ASKING, groups / 2), (IMMEDIATE, groups / 2), (SHORT, 0)] {
                let all = core.router.groups(
                    core.now,
                    interface,
                    Ipv4Addr::UNSPECIFIED,
                    usize::MAX,
                    &mut Refreshed(None),
                );
                assert_eq!(all.len(), wanted as usize);
            }
            for what in What::ALL {
                assert_eq!(
                    costs.of(what).map(|figure| figure.samples.len()),
                    Some(3),
                    "{what:?}"
                );
            }
        }
    }
}
