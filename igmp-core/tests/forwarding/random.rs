//! Random events on three interfaces: what was told is always what follows from all groups.

use core::net::Ipv4Addr;

use igmp_core::{
    Duration, Event, Found, Instant, InterfaceConfig, InterfaceId, ReportKind, Router, StaticGroup,
};
use igmp_wire::igmp::RecordKind;
use proptest::prelude::*;

use crate::{
    bench::{Bench, START, source},
    member_log::Told,
};

#[derive(Clone, Debug)]
enum Step {
    Report(u32, u8, ReportKind, Vec<u8>),
    Query(u32, Option<u8>, Vec<u8>),
    Found {
        interface: u32,
        group: u8,
        flags: (bool, bool),
        age: Option<u64>,
        sources: Vec<(u8, u64)>,
    },
    Configure {
        interface: u32,
        immediate_leave: bool,
        limits: (u32, u32),
        statics: Vec<(u8, Option<u8>)>,
    },
    Down(u32),
    /// An interface that there is, or another one.
    Upstream(Option<u32>),
    /// Whether what members want is told, with all that they want then.
    MemberLog(bool),
    Clear(Option<u32>),
    Wait(u64),
}

/// The third group never leaves its link, the fourth one is source-specific.
fn group(number: u8) -> Ipv4Addr {
    match number {
        3 => Ipv4Addr::new(224, 0, 0, 251),
        4 => Ipv4Addr::new(232, 1, 1, 4),
        _ => Ipv4Addr::new(239, 1, 1, number),
    }
}

fn kind() -> impl Strategy<Value = ReportKind> {
    prop_oneof![
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

fn sources() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1_u8..5, 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (1_u32..4, 1_u8..5, kind(), sources())
            .prop_map(|(interface, group, kind, sources)| Step::Report(interface, group, kind, sources)),
        1 => (1_u32..4, prop::option::of(1_u8..4), sources())
            .prop_map(|(interface, group, sources)| Step::Query(interface, group, sources)),
        1 => (
            1_u32..4,
            1_u8..4,
            any::<(bool, bool)>(),
            prop::option::of(0_u64..300_000),
            prop::collection::vec((1_u8..5, 0_u64..300_000), 0..3),
        )
            .prop_map(|(interface, group, flags, age, sources)| Step::Found {
                interface, group, flags, age, sources,
            }),
        2 => (
            1_u32..4,
            any::<bool>(),
            (prop_oneof![Just(0), 0_u32..2], prop_oneof![Just(0), 0_u32..4]),
            prop::collection::vec((1_u8..5, prop::option::of(1_u8..5)), 0..4),
        )
            .prop_map(|(interface, immediate_leave, limits, statics)| Step::Configure {
                interface, immediate_leave, limits, statics,
            }),
        1 => (1_u32..4).prop_map(Step::Down),
        1 => prop::option::weighted(0.8, 3_u32..6).prop_map(Step::Upstream),
        1 => prop::bool::weighted(0.8).prop_map(Step::MemberLog),
        1 => prop::option::of(1_u32..4).prop_map(Step::Clear),
        6 => prop_oneof![0_u64..3_000, 0_u64..300_000].prop_map(Step::Wait),
    ]
}

fn carry_out(bench: &mut Bench, step: Step) {
    let now = bench.now;
    let ago = |millis: u64| Instant::from_nanos(now.as_nanos() - Duration::from_millis(millis).as_nanos());
    match step {
        Step::Report(interface, number, kind, sources) => {
            bench.report((interface, group(number)), kind, &sources);
        }
        Step::Query(interface, number, sources) => {
            bench.query(interface, number.map(group), &sources);
        }
        Step::Found {
            interface,
            group: number,
            flags: (exclude, incomplete),
            age,
            sources,
        } => {
            bench.event(Event::Found(Found {
                interface: InterfaceId(interface),
                group: group(number),
                exclude,
                incomplete,
                last_report: [None, None, age.map(ago)],
                reporter: Ipv4Addr::new(10, 0, 0, 100),
                sources: sources
                    .into_iter()
                    .map(|(number, age)| (source(number), ago(age)))
                    .collect(),
            }));
        }
        Step::Configure {
            interface,
            immediate_leave,
            limits: (max_groups, max_group_sources),
            statics,
        } => {
            let config = InterfaceConfig {
                immediate_leave,
                max_groups,
                max_group_sources,
                static_groups: statics
                    .into_iter()
                    .map(|(number, named)| StaticGroup {
                        group: group(number),
                        source: named.map(source),
                    })
                    .collect(),
                ..InterfaceConfig::default()
            };
            bench.up(interface, config);
        }
        Step::Down(interface) => {
            bench.down(interface);
        }
        Step::Upstream(number) => bench.set_upstream(number),
        Step::MemberLog(on) => bench.set_member_log(on),
        Step::Clear(interface) => {
            bench.clear(interface);
        }
        Step::Wait(millis) => {
            let end = (now + Duration::from_millis(millis)).since(START);
            bench.run_to(end.as_secs_f64());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_told_is_what_follows_from_all_groups(
        capacity in prop_oneof![Just((usize::MAX, usize::MAX)), (1_usize..4, 1_usize..12)],
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut bench = Bench {
            router: Router::with_capacity(capacity.0, capacity.1),
            ..Bench::empty()
        };
        for number in 1..=3 {
            bench.up(number, InterfaceConfig::default());
        }
        bench.set_upstream(Some(9));
        bench.set_member_log(true);
        for step in steps {
            carry_out(&mut bench, step);
        }
        for number in 1..=3 {
            bench.down(number);
        }
        prop_assert_eq!(bench.table(), Vec::<String>::new());
        prop_assert_eq!(bench.told, Told::default());
    }
}
