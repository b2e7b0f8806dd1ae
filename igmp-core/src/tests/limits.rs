//! `max-groups`, `max-group-sources`, and what a group takes of memory.

use core::net::Ipv4Addr;

use igmp_wire::igmp::RecordKind::{Allow, Block, IsExclude, IsInclude, ToExclude, ToInclude};

use super::bench::{Bench, GROUP, INTERFACE};
use crate::{
    Event, Found, InterfaceConfig, InterfaceId, NotificationKind, Reason, Report,
    ReportKind::{Record, V2},
    Router, Warning,
};

#[test]
fn a_group_too_many_is_refused_and_the_others_stay() {
    let mut bench = Bench::new(InterfaceConfig {
        max_groups: 2,
        ..InterfaceConfig::default()
    });
    for last in 1..=5 {
        bench.report_for(Ipv4Addr::new(239, 1, 1, last), V2, &[]);
    }
    assert_eq!(bench.interface().groups_count, 2);
    assert_eq!(bench.interface().limit_refusals, 3);
    assert_eq!(
        bench.kernel.groups.len(),
        2,
        "the kernel keeps none that was refused"
    );
    let limits = bench
        .notes()
        .into_iter()
        .filter(|(kind, ..)| *kind == NotificationKind::LimitReached);
    assert_eq!(
        limits.collect::<Vec<_>>(),
        [(NotificationKind::LimitReached, None, Reason::Limit)]
    );
    let warning = |last| Warning::LimitReached {
        interface: INTERFACE,
        group: Ipv4Addr::new(239, 1, 1, last),
        limit: 2,
        sources: false,
    };
    assert_eq!(bench.warnings, [warning(3)]);
    // What is known is refreshed all the same.
    bench.record(IsExclude, &[7]);
    assert_eq!(bench.state(), "EXCLUDE 270 (7:270; )");
    bench.run_to(60.0);
    bench.report_for(Ipv4Addr::new(239, 1, 1, 9), Record(Allow), &[1]);
    assert_eq!(bench.warnings, [warning(3), warning(9)], "once a minute");
    assert!(
        !bench
            .kernel
            .sources
            .keys()
            .any(|key| key.1 == Ipv4Addr::new(239, 1, 1, 9))
    );
    // A find is held against the limit as well.
    bench.event(Event::Found(Found {
        group: Ipv4Addr::new(239, 1, 1, 8),
        exclude: true,
        ..bench.found()
    }));
    assert_eq!(
        (bench.interface().groups_count, bench.interface().limit_refusals),
        (2, 5)
    );
    // Room again.
    bench.run_to(271.0);
    bench.report_for(Ipv4Addr::new(239, 1, 1, 9), V2, &[]);
    assert_eq!(bench.kernel.groups.len(), bench.interface().groups_count);
}

#[test]
fn sources_too_many_are_refused_and_the_others_stay() {
    let mut bench = Bench::new(InterfaceConfig {
        max_group_sources: 3,
        ..InterfaceConfig::default()
    });
    bench.record(Allow, &[5, 6]);
    bench.record(Allow, &[1, 2, 6]);
    assert_eq!(bench.state(), "INCLUDE (1:270,5:270,6:270)");
    assert_eq!(bench.kernel.sources.len(), 3);
    // The XDP program, which has the same limit, has counted the report.
    assert_eq!(bench.interface().limit_refusals, 0);
    let warning = Warning::LimitReached {
        interface: INTERFACE,
        group: GROUP,
        limit: 3,
        sources: true,
    };
    assert_eq!(bench.warnings, [warning]);
    // BLOCK adds nothing in INCLUDE mode.
    bench.record(Block, &[7, 8, 9]);
    assert_eq!(bench.interface().limit_refusals, 0);
    // IS_EX replaces the list: 1 and 5 make room for two others.
    bench.record(IsExclude, &[6, 7, 8, 9]);
    assert_eq!(bench.state(), "EXCLUDE 270 (6:270; 7,8)");
    assert_eq!(bench.interface().limit_refusals, 1);
    bench.record(IsInclude, &[9]);
    assert_eq!(bench.state(), "EXCLUDE 270 (6:270; 7,8)");
    assert_eq!(bench.kernel.sources.len(), 1);
    // The XDP program does not know the excluded ones and had room.
    assert_eq!(bench.interface().limit_refusals, 2);
}

/// Every record kind with ever new sources, against a group that somebody wants from any source.
#[test]
fn fresh_sources_without_end_do_not_grow_a_group_beyond_the_capacity() {
    for kind in [Block, ToInclude, ToExclude, IsExclude, Allow, IsInclude] {
        let router = Router::with_capacity(4, 1_000);
        let mut bench = Bench::with_router(router, InterfaceConfig::default());
        bench.report(V2, &[]);
        // Past the older host, which would have most of these records ignored.
        bench.run_to(200.0);
        bench.record(IsExclude, &[]);
        bench.run_to(261.0);
        for packet in 0..200_u16 {
            let list: Vec<u16> = (0..50).map(|number| packet * 50 + number).collect();
            bench.record(kind, &list);
            bench.run_to(261.0 + f64::from(packet));
            let [counted, real] = bench.router.counts();
            assert_eq!(counted, real);
            assert!(real.1 <= 1_000, "{kind:?}: {real:?}");
        }
    }
}

/// EXCLUDE lists and BLOCK take no more than half, so that who wants a source gets it.
#[test]
fn excluded_sources_leave_room_for_wanted_ones() {
    let mut bench = Bench::with_router(Router::with_capacity(4, 8), InterfaceConfig::default());
    bench.record(IsExclude, &[]);
    bench.record(Block, &[1, 2, 3, 4, 5, 6]);
    assert_eq!(bench.state(), "EXCLUDE 270 (1:2,2:2,3:2,4:2; )");
    bench.run_to(3.0);
    // 5 and 6 are forwarded still, and so is what a changed list excludes.
    assert_eq!(bench.state(), "EXCLUDE 267 (; 1,2,3,4)");
    bench.record(IsExclude, &[1, 5]);
    assert_eq!(bench.state(), "EXCLUDE 270 (; 1)");
    bench.record(IsExclude, &[1, 5]);
    assert_eq!(bench.state(), "EXCLUDE 270 (5:270; 1)");
    bench.record(IsExclude, &[1, 2, 3, 4]);
    assert_eq!(bench.state(), "EXCLUDE 270 (2:270,3:270; 1)");
    assert_eq!(bench.interface().limit_refusals, 3);
    let other = Ipv4Addr::new(239, 3, 3, 3);
    bench.report_for(other, Record(Allow), &[1, 2, 3, 4, 5, 6]);
    assert_eq!(bench.router.counts(), [(2, 8); 2]);
    assert_eq!(bench.interface().limit_refusals, 4);
    assert_eq!(bench.kernel.sources.len(), 7, "what was refused is given back");
    // A blocked source that somebody wants after all is known and needs no room.
    bench.record(Allow, &[1]);
    assert_eq!(bench.state(), "EXCLUDE 270 (1:270,2:270,3:270; )");
    let warning = |group| Warning::CapacityReached {
        interface: INTERFACE,
        group,
        limit: 8,
    };
    assert_eq!(bench.warnings, [warning(GROUP)], "once a minute");
    // The groups end, and there is room again.
    bench.run_to(600.0);
    assert_eq!(bench.router.counts(), [(0, 0); 2]);
    bench.report_for(other, Record(Allow), &[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(bench.kernel.sources.len(), 8);
}

#[test]
fn groups_are_limited_on_all_interfaces_together() {
    let mut bench = Bench::with_router(Router::with_capacity(2, 8), InterfaceConfig::default());
    let second = InterfaceId(9);
    bench.event(Event::InterfaceUp {
        interface: second,
        config: InterfaceConfig::default(),
        address: None,
        mtu: 1500,
    });
    for last in 1..=3 {
        for interface in [INTERFACE, second] {
            let group = Ipv4Addr::new(239, 1, 1, last);
            let report = Report {
                interface,
                ..bench.report_at(bench.now, group, V2, &[])
            };
            bench.receive(report);
        }
    }
    assert_eq!(bench.kernel.groups.len(), 2);
    assert_eq!(bench.router.counts(), [(2, 0); 2]);
    assert_eq!(
        bench.router.interface(second).map(|view| view.limit_refusals),
        Some(2)
    );
    assert_eq!(bench.interface().limit_refusals, 2);
    let limits = bench.warnings.iter().map(|warning| match warning {
        Warning::LimitReached { limit, sources, .. } => (*limit, *sources),
        _ => panic!("{warning:?}"),
    });
    assert_eq!(limits.collect::<Vec<_>>(), [(2, false), (2, false)]);
    bench.event(Event::InterfaceDown { interface: second });
    bench.report_for(Ipv4Addr::new(239, 1, 1, 3), V2, &[]);
    assert_eq!(bench.router.counts(), [(2, 0); 2]);
}

/// Without an address the interface sends no queries and has no timer of its own.
#[test]
fn removed_groups_are_forgotten_on_an_interface_without_address() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.up(InterfaceConfig::default(), None, 1500);
    for turn in 0..1_000_u32 {
        let group = Ipv4Addr::from_bits(0xef03_0000 + turn);
        bench.report_for(group, V2, &[]);
        bench.event(Event::Clear {
            interface: None,
            group: Some(group),
        });
        bench.run_to(f64::from(turn) / 10.0);
    }
    // Ten in each second, of which one is remembered.
    assert!(bench.router.removals() <= 12, "{}", bench.router.removals());
}
