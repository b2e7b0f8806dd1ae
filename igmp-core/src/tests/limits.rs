//! `max-groups`, `max-group-sources`, and what a group takes of memory.

use core::net::Ipv4Addr;

use igmp_wire::igmp::RecordKind::{Allow, Block, IsExclude, IsInclude};

use super::bench::{Bench, GROUP, INTERFACE};
use crate::{
    Event, Found, InterfaceConfig, NotificationKind, Reason,
    ReportKind::{Record, V2},
    Warning,
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
    assert_eq!(bench.interface().limit_refusals, 1);
    let warning = Warning::LimitReached {
        interface: INTERFACE,
        group: GROUP,
        limit: 3,
        sources: true,
    };
    assert_eq!(bench.warnings, [warning]);
    // BLOCK adds nothing in INCLUDE mode.
    bench.record(Block, &[7, 8, 9]);
    assert_eq!(bench.interface().limit_refusals, 1);
    // IS_EX replaces the list: 1 and 5 make room for two others.
    bench.record(IsExclude, &[6, 7, 8, 9]);
    assert_eq!(bench.state(), "EXCLUDE 270 (6:270; 7,8)");
    bench.record(IsInclude, &[9]);
    assert_eq!(bench.state(), "EXCLUDE 270 (6:270; 7,8)");
    assert_eq!(bench.kernel.sources.len(), 1);
}

/// A million groups are meant to fit into some 200 MB, with what the maps around the records take.
#[test]
fn a_group_is_small() {
    assert!(size_of::<crate::group::Group>() <= 88);
    assert!(size_of::<(crate::Instant, crate::timers::Key)>() <= 24);
}
