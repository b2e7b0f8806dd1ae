//! What events cost a router with few and with many groups: `cargo bench -p igmp-core`.

use std::net::Ipv4Addr;

use criterion::{BatchSize, BenchmarkId, Criterion};
use igmp_core::{
    Action, Duration, Event, GroupTimes, Instant, InterfaceConfig, InterfaceId, Liveness, Report, ReportKind,
    Router, SourceTime,
};

/// How many groups there are besides those that come and go.
const SIZES: [u32; 2] = [1_000, 100_000];
/// An interface where nothing ends by itself.
const LAN: InterfaceId = InterfaceId(0);
/// An interface where groups end soon that nobody reports.
const SHORT: InterfaceId = InterfaceId(1);
/// How long a group lives on [`SHORT`]: 2 × 20 s and 2 × 10 s (RFC 9776 §8.4).
const LIFE: Duration = Duration::from_secs(60);
const HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
const START: Instant = Instant::from_nanos(1_000_000_000_000);

/// What the kernel would know of refreshes.
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

/// A router on its clock.
struct Bench {
    router: Router,
    now: Instant,
    actions: Vec<Action>,
    /// The number of the next group that is joined.
    next: u32,
}

impl Bench {
    fn new(groups: u32) -> Self {
        let mut bench = Self {
            router: Router::new(),
            now: START,
            actions: Vec::new(),
            next: 0,
        };
        for (interface, query_interval) in [
            (LAN, Duration::from_secs(30_000)),
            (SHORT, Duration::from_secs(20)),
        ] {
            let config = InterfaceConfig {
                query_interval,
                immediate_leave: true,
                ..InterfaceConfig::default()
            };
            bench.handle(Event::InterfaceUp {
                interface,
                config,
                address: Some(Ipv4Addr::new(10, 1, interface.0 as u8, 1)),
                mtu: 1_500,
            });
        }
        for number in 0..groups {
            bench.report(LAN, group(2 * number), ReportKind::V2);
        }
        bench
    }

    fn handle(&mut self, event: Event) -> usize {
        self.actions.clear();
        self.router
            .handle(self.now, event, &mut Refreshed(None), &mut self.actions);
        self.actions.len()
    }

    fn report(&mut self, interface: InterfaceId, group: Ipv4Addr, kind: ReportKind) -> usize {
        self.handle(Event::Report(Report {
            interface,
            time: self.now,
            reporter: HOST,
            group,
            kind,
            sources: Vec::new(),
        }))
    }

    /// A group that nobody has joined, in the middle of the others.
    fn another(&mut self, groups: u32) -> Ipv4Addr {
        self.next = self.next.wrapping_add(0x9e37);
        group(2 * (self.next % groups) + 1)
    }

    /// Serves all deadlines of the time from now on for a life.
    fn live(&mut self, refreshed: bool) -> usize {
        let end = self.now + LIFE;
        let mut count = 0;
        while let Some(next) = self.router.poll_timeout().filter(|&next| next <= end) {
            self.now = self.now.max(next);
            let mut liveness = Refreshed(refreshed.then_some(self.now));
            self.actions.clear();
            self.router
                .handle_timeout(self.now, &mut liveness, &mut self.actions);
            count += self.actions.len();
        }
        self.now = end;
        count
    }
}

fn group(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xe100_0000 + number)
}

fn events(criterion: &mut Criterion) {
    for groups in SIZES {
        let mut bench = Bench::new(groups);
        let mut set = criterion.benchmark_group("event");
        set.bench_function(BenchmarkId::new("join and leave", groups), |bencher| {
            bencher.iter(|| {
                let group = bench.another(groups);
                let joined = bench.report(LAN, group, ReportKind::V2);
                let left = bench.report(LAN, group, ReportKind::Leave);
                assert!(joined > 0 && left > 0);
            });
        });
        set.bench_function(BenchmarkId::new("report of a member", groups), |bencher| {
            bencher.iter(|| {
                let next = bench.another(groups);
                bench.report(LAN, Ipv4Addr::from_bits(next.to_bits() - 1), ReportKind::V2)
            });
        });
        set.finish();
    }
}

fn deadlines(criterion: &mut Criterion) {
    /// How many groups end together.
    const ENDING: u32 = 500;
    for groups in SIZES {
        let mut bench = Bench::new(groups);
        let mut set = criterion.benchmark_group("500 deadlines");
        for number in 0..ENDING {
            bench.report(SHORT, group(number), ReportKind::V2);
        }
        set.bench_function(BenchmarkId::new("refreshed", groups), |bencher| {
            bencher.iter(|| bench.live(true));
        });
        bench.live(false);
        bench.live(false);
        let bench = std::cell::RefCell::new(bench);
        set.bench_function(BenchmarkId::new("end", groups), |bencher| {
            bencher.iter_batched(
                || {
                    let mut bench = bench.borrow_mut();
                    for number in 0..ENDING {
                        bench.report(SHORT, group(number), ReportKind::V2);
                    }
                },
                |()| assert!(bench.borrow_mut().live(false) >= ENDING as usize),
                BatchSize::PerIteration,
            );
        });
        set.finish();
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    events(&mut criterion);
    deadlines(&mut criterion);
    criterion.final_summary();
}
