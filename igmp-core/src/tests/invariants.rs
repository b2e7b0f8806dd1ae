//! Random events: nothing panics, and what must always hold does.

use core::net::Ipv4Addr;
use std::collections::BTreeSet;

use igmp_wire::{
    abi::{GroupFlags, SourceFlags},
    igmp::RecordKind,
};
use proptest::prelude::*;

use super::bench::{Bench, INTERFACE, OWN, START, source};
use crate::{
    Event, FilterMode, Found, InterfaceConfig, InterfaceId, Query, ReportKind, Router, StaticGroup,
    time::{Duration, Instant},
};

#[derive(Clone, Debug)]
enum Step {
    Report(u8, ReportKind, Vec<u16>),
    /// A report that was handed over late.
    Late(u8, ReportKind, Vec<u16>, u64),
    Query {
        querier: u8,
        version: u8,
        group: Option<u8>,
        codes: (u8, u8, u8),
        suppress: bool,
        sources: Vec<u16>,
    },
    Found {
        group: u8,
        exclude: bool,
        incomplete: bool,
        ages: [Option<u64>; 3],
        sources: Vec<(u16, u64)>,
    },
    Configure {
        version: u8,
        immediate_leave: bool,
        max_groups: u32,
        max_group_sources: u32,
        address: Option<u8>,
        mtu: u32,
        statics: Vec<(u8, Option<u16>)>,
    },
    Down,
    Clear(Option<u8>),
    Wait(u64),
}

fn group(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(239, 1, 1, number)
}

fn kind() -> impl Strategy<Value = ReportKind> {
    prop_oneof![
        Just(ReportKind::V1),
        Just(ReportKind::V2),
        Just(ReportKind::Leave),
        Just(ReportKind::Record(RecordKind::IsInclude)),
        Just(ReportKind::Record(RecordKind::IsExclude)),
        Just(ReportKind::Record(RecordKind::ToInclude)),
        Just(ReportKind::Record(RecordKind::ToExclude)),
        Just(ReportKind::Record(RecordKind::Allow)),
        Just(ReportKind::Record(RecordKind::Block)),
    ]
}

fn sources() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(1_u16..6, 0..5)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (1_u8..4, kind(), sources()).prop_map(|(group, kind, sources)| Step::Report(group, kind, sources)),
        3 => (1_u8..4, kind(), sources(), 0_u64..5_000)
            .prop_map(|(group, kind, sources, late)| Step::Late(group, kind, sources, late)),
        3 => (0_u8..12, 1_u8..4, prop::option::of(1_u8..4), any::<(u8, u8, u8)>(), any::<bool>(), sources())
            .prop_map(|(querier, version, group, codes, suppress, sources)| Step::Query {
                querier, version, group, codes, suppress, sources,
            }),
        2 => (
            1_u8..4,
            any::<(bool, bool)>(),
            prop::array::uniform3(prop::option::of(0_u64..400_000)),
            prop::collection::vec((1_u16..6, 0_u64..400_000), 0..4),
        )
            .prop_map(|(group, (exclude, incomplete), ages, sources)| Step::Found {
                group, exclude, incomplete, ages, sources,
            }),
        1 => (
            1_u8..4,
            any::<bool>(),
            0_u32..3,
            0_u32..4,
            prop::option::of(0_u8..12),
            prop_oneof![Just(0), Just(60), Just(1500), Just(u32::MAX)],
            prop::collection::vec((1_u8..5, prop::option::of(1_u16..6)), 0..3),
        )
            .prop_map(|(version, immediate_leave, max_groups, max_group_sources, address, mtu, statics)| {
                Step::Configure { version, immediate_leave, max_groups, max_group_sources, address, mtu, statics }
            }),
        1 => Just(Step::Down),
        1 => prop::option::of(1_u8..4).prop_map(Step::Clear),
        8 => prop_oneof![0_u64..3_000, 0_u64..300_000].prop_map(Step::Wait),
    ]
}

fn router_address(number: u8) -> Ipv4Addr {
    // 0 is the address that never counts.
    match number {
        0 => Ipv4Addr::UNSPECIFIED,
        _ => Ipv4Addr::new(10, 0, 0, number),
    }
}

fn carry_out(bench: &mut Bench, step: Step) {
    let now = bench.now;
    let ago = |millis: u64| Instant::from_nanos(now.as_nanos() - Duration::from_millis(millis).as_nanos());
    match step {
        Step::Report(number, kind, sources) => bench.report_for(group(number), kind, &sources),
        Step::Late(number, kind, sources, late) => {
            let report = bench.report_at(ago(late), group(number), kind, &sources);
            bench.receive(report);
        }
        Step::Query {
            querier,
            version,
            group: asked,
            codes: (max_resp_code, qrv, qqic),
            suppress,
            sources,
        } => bench.event(Event::Query(Query {
            interface: INTERFACE,
            time: now,
            querier: router_address(querier),
            version,
            group: asked.map(group),
            max_resp_code,
            suppress,
            qrv,
            qqic,
            sources: sources.into_iter().map(source).collect(),
        })),
        Step::Found {
            group: number,
            exclude,
            incomplete,
            ages,
            sources,
        } => {
            let found = Found {
                group: group(number),
                exclude,
                incomplete,
                last_report: ages.map(|age| age.map(ago)),
                sources: sources
                    .into_iter()
                    .map(|(number, age)| (source(number), ago(age)))
                    .collect(),
                ..bench.found()
            };
            bench.event(Event::Found(found));
        }
        Step::Configure {
            version,
            immediate_leave,
            max_groups,
            max_group_sources,
            address,
            mtu,
            statics,
        } => {
            let config = InterfaceConfig {
                version,
                immediate_leave,
                max_groups,
                max_group_sources,
                // A group outside those that hosts report here, so that the kernel can be held against the views.
                static_groups: statics
                    .into_iter()
                    .map(|(number, named)| StaticGroup {
                        group: Ipv4Addr::new(239, 2, 2, number),
                        source: named.map(source),
                    })
                    .collect(),
                ..InterfaceConfig::default()
            };
            bench.up(config, address.map(router_address), mtu);
        }
        Step::Down => {
            bench.event(Event::InterfaceDown { interface: INTERFACE });
            bench.up(InterfaceConfig::default(), Some(OWN), 1500);
        }
        Step::Clear(number) => bench.event(Event::Clear {
            interface: None,
            group: number.map(group),
        }),
        Step::Wait(millis) => {
            let end = (now + Duration::from_millis(millis)).since(START);
            bench.run_to(end.as_secs_f64());
        }
    }
}

/// What the kernel was told is what the views show, and the limits on all interfaces together are kept.
fn check(bench: &mut Bench, (max_groups, max_sources): (usize, usize)) -> Result<(), TestCaseError> {
    let [counted, real] = bench.router.counts();
    prop_assert_eq!(counted, real);
    prop_assert!(real.0 <= max_groups && real.1 <= max_sources);
    let first = Ipv4Addr::UNSPECIFIED;
    let now = bench.now;
    let views = bench
        .router
        .groups(now, INTERFACE, first, usize::MAX, &mut bench.kernel);
    prop_assert_eq!(views.len(), bench.interface().groups_count);
    let mut groups = BTreeSet::new();
    let mut running = BTreeSet::new();
    for view in views.iter().filter(|view| !view.is_static) {
        groups.insert((INTERFACE, view.group));
        let sources = view.sources.iter().filter(|source| source.forwarding);
        running.extend(sources.map(|source| (INTERFACE, view.group, source.source)));

        let any_source = view.filter_mode == FilterMode::Exclude && view.sources.is_empty();
        let entry = bench.kernel.groups.get(&(INTERFACE, view.group)).copied();
        let flags = entry.map(|entry| entry.flags).unwrap_or_default();
        prop_assert_eq!(flags & GroupFlags::PENDING, 0);
        prop_assert_eq!(flags & GroupFlags::REFRESH_V3 != 0, any_source);
        let older = flags & (GroupFlags::REFRESH_V1 | GroupFlags::REFRESH_V2);
        prop_assert!(any_source || older == 0);
        prop_assert!(view.filter_mode == FilterMode::Exclude || !view.sources.is_empty());
        prop_assert_eq!(view.expires.is_some(), view.filter_mode == FilterMode::Exclude);
    }
    prop_assert_eq!(
        bench
            .kernel
            .groups
            .keys()
            .copied()
            .collect::<BTreeSet<(InterfaceId, Ipv4Addr)>>(),
        groups
    );
    let in_kernel = &bench.kernel.sources;
    prop_assert_eq!(in_kernel.keys().copied().collect::<BTreeSet<_>>(), running);
    prop_assert!(
        in_kernel
            .values()
            .all(|entry| entry.flags == SourceFlags::REFRESH)
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_kernel_is_told_what_the_router_knows(
        capacity in prop_oneof![Just((usize::MAX, usize::MAX)), (0_usize..4, 0_usize..12)],
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let router = Router::with_capacity(capacity.0, capacity.1);
        let mut bench = Bench::with_router(router, InterfaceConfig::default());
        for step in steps {
            // Deadlines that have come are served before anything else happens.
            bench.run_to(bench.now.since(START).as_secs_f64());
            carry_out(&mut bench, step);
            check(&mut bench, capacity)?;
            let mut turns = 0;
            while bench.router.poll_timeout().is_some_and(|at| at <= bench.now) {
                bench.timeout();
                turns += 1;
                prop_assert!(turns < 10, "the router never comes to rest");
            }
            check(&mut bench, capacity)?;
        }
        // Without reports everything ends, and only the interface's own timer is left.
        bench.up(InterfaceConfig::default(), Some(Ipv4Addr::new(10, 0, 0, 1)), 1500);
        let end = bench.now + Duration::from_secs(600_000);
        bench.run_to(end.since(START).as_secs_f64());
        prop_assert_eq!(bench.interface().groups_count, 0);
        prop_assert!(bench.kernel.groups.is_empty() && bench.kernel.sources.is_empty());
        prop_assert_eq!(bench.router.counts(), [(0, 0); 2]);
    }
}
