//! Hosts of older versions (RFC 9776 §7.3.2), row by row, and the source-specific range (RFC 4604 §3).

use core::net::Ipv4Addr;

use igmp_wire::igmp::RecordKind::{Allow, Block, IsExclude, IsInclude, ToExclude, ToInclude};

use super::bench::{Bench, GROUP, source};
use crate::{
    Event, InterfaceConfig,
    ReportKind::{self, Leave, Record, V1, V2},
};

/// A group in the given compatibility mode with the state EXCLUDE ({1}, {}), made by hosts of each version.
fn group_in_mode(mode: u8) -> Bench {
    let mut bench = Bench::new(InterfaceConfig::default());
    match mode {
        1 => bench.report(V1, &[]),
        2 => bench.report(V2, &[]),
        _ => bench.record(IsExclude, &[]),
    }
    bench.record(IsInclude, &[1]);
    assert_eq!(bench.mode(), mode);
    assert_eq!(bench.state(), "EXCLUDE 270 (1:270; )");
    bench.run_to(10.0);
    bench.sent();
    bench
}

/// Mode, message and its sources, then the state, the queries sent and the mode afterwards.
type Row = (
    u8,
    ReportKind,
    &'static [u16],
    &'static str,
    &'static [&'static str],
    u8,
);

/// What each message does to EXCLUDE ({1}, {}) in each mode: the state, the queries sent, the mode afterwards.
#[test]
fn every_message_in_every_mode() {
    const ASKS: &[&str] = &["10: v3 Q(239.1.1.1)", "10: v3 Q(239.1.1.1,{1})"];
    let rows: [Row; 27] = [
        // An older report is IS_EX({}) in every mode.
        (3, V1, &[], "EXCLUDE 270 (; )", &[], 1),
        (3, V2, &[], "EXCLUDE 270 (; )", &[], 2),
        (3, Leave, &[], "EXCLUDE 2 (1:2; )", ASKS, 3),
        (3, Record(ToInclude), &[], "EXCLUDE 2 (1:2; )", ASKS, 3),
        (
            3,
            Record(Block),
            &[2],
            "EXCLUDE 260 (1:260,2:2; )",
            &["10: v3 Q(239.1.1.1,{2})"],
            3,
        ),
        (
            3,
            Record(ToExclude),
            &[2],
            "EXCLUDE 270 (2:2; )",
            &["10: v3 Q(239.1.1.1,{2})"],
            3,
        ),
        (3, Record(IsInclude), &[2], "EXCLUDE 260 (1:260,2:270; )", &[], 3),
        (3, Record(Allow), &[2], "EXCLUDE 260 (1:260,2:270; )", &[], 3),
        (3, Record(IsExclude), &[2], "EXCLUDE 270 (2:270; )", &[], 3),
        // Version 2: BLOCK is ignored, and so is the list of TO_EX.
        (2, V1, &[], "EXCLUDE 270 (; )", &[], 1),
        (2, V2, &[], "EXCLUDE 270 (; )", &[], 2),
        (2, Leave, &[], "EXCLUDE 2 (1:2; )", ASKS, 2),
        (2, Record(ToInclude), &[], "EXCLUDE 2 (1:2; )", ASKS, 2),
        (2, Record(Block), &[2], "EXCLUDE 260 (1:260; )", &[], 2),
        (2, Record(ToExclude), &[2], "EXCLUDE 270 (; )", &[], 2),
        (2, Record(IsInclude), &[2], "EXCLUDE 260 (1:260,2:270; )", &[], 2),
        (2, Record(Allow), &[2], "EXCLUDE 260 (1:260,2:270; )", &[], 2),
        (2, Record(IsExclude), &[2], "EXCLUDE 270 (2:270; )", &[], 2),
        // Version 1: Leave, TO_IN and BLOCK are ignored, and so is the list of TO_EX.
        (1, V1, &[], "EXCLUDE 270 (; )", &[], 1),
        (1, V2, &[], "EXCLUDE 270 (; )", &[], 1),
        (1, Leave, &[], "EXCLUDE 260 (1:260; )", &[], 1),
        (1, Record(ToInclude), &[2], "EXCLUDE 260 (1:260; )", &[], 1),
        (1, Record(Block), &[2], "EXCLUDE 260 (1:260; )", &[], 1),
        (1, Record(ToExclude), &[2], "EXCLUDE 270 (; )", &[], 1),
        (1, Record(IsInclude), &[2], "EXCLUDE 260 (1:260,2:270; )", &[], 1),
        (1, Record(Allow), &[2], "EXCLUDE 260 (1:260,2:270; )", &[], 1),
        (1, Record(IsExclude), &[2], "EXCLUDE 270 (2:270; )", &[], 1),
    ];
    for (mode, kind, sources, state, sent, mode_after) in rows {
        let mut bench = group_in_mode(mode);
        bench.report(kind, sources);
        let context = format!("mode {mode}, {kind:?} {sources:?}");
        assert_eq!(bench.state(), state, "{context}");
        assert_eq!(bench.sent(), sent, "{context}");
        assert_eq!(bench.mode(), mode_after, "{context}");
        // No source that the kernel noted is left over from a record that was ignored.
        let view = bench.group().expect("the group has members");
        let running: Vec<Ipv4Addr> = view.sources.iter().map(|source| source.source).collect();
        let in_kernel: Vec<Ipv4Addr> = bench
            .kernel
            .sources
            .keys()
            .map(|&(_, _, source)| source)
            .collect();
        assert_eq!(in_kernel, running, "{context}");
    }
}

/// Older Host Present Interval: 2 * 125 + 10 = 260 s, and not the Group Membership Interval (§8.13).
#[test]
fn the_mode_lasts_for_the_older_host_present_interval() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.report(V1, &[]);
    bench.run_to(100.0);
    bench.report(V2, &[]);
    bench.run_to(259.9);
    assert_eq!(bench.mode(), 1);
    bench.run_to(260.0);
    assert_eq!(bench.mode(), 2);
    bench.run_to(359.9);
    assert_eq!(bench.mode(), 2);
    bench.run_to(360.0);
    assert_eq!(bench.mode(), 3);
    assert_eq!(bench.state(), "EXCLUDE 10 (; )");
}

#[test]
fn reports_that_the_kernel_takes_as_refreshes_keep_the_mode() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.report(V2, &[]);
    for second in [100.0, 200.0, 300.0, 400.0, 500.0] {
        bench.run_to(second);
        bench.report(V2, &[]);
    }
    assert_eq!(bench.handed, 1);
    bench.run_to(759.0);
    assert_eq!(bench.mode(), 2);
    assert_eq!(bench.state(), "EXCLUDE 11 (; )");
    bench.run_to(760.0);
    assert_eq!(bench.mode(), 3);
    // The first report after that changes the mode, so the core must see it.
    bench.report(V2, &[]);
    assert_eq!(bench.handed, 2);
    assert_eq!((bench.mode(), bench.state().as_str()), (2, "EXCLUDE 270 (; )"));
}

#[test]
fn a_version_2_report_beside_version_1_hosts_starts_its_own_timer() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.report(V1, &[]);
    bench.report(V2, &[]);
    assert_eq!((bench.mode(), bench.handed), (1, 2));
    bench.run_to(50.0);
    bench.report(V1, &[]);
    bench.run_to(200.0);
    bench.report(V2, &[]);
    assert_eq!(bench.handed, 2, "both are refreshes now");
    bench.run_to(310.0);
    assert_eq!(bench.mode(), 2);
    bench.run_to(460.0);
    assert_eq!(bench.mode(), 3);
}

#[test]
fn any_source_reports_in_the_source_specific_range_make_no_state() {
    let group = Ipv4Addr::new(232, 1, 2, 3);
    let mut bench = Bench::new(InterfaceConfig::default());
    for kind in [V1, V2, Leave, Record(IsExclude), Record(ToExclude)] {
        let report = bench.report_at(bench.now, group, kind, &[]);
        bench.event(Event::Report(report));
        assert_eq!(bench.interface().groups_count, 0);
    }
    bench.report_for(group, Record(ToInclude), &[1]);
    assert_eq!(bench.interface().groups_count, 1);
    // Nor do they change state that is there.
    for kind in [V1, V2, Leave, Record(IsExclude), Record(ToExclude)] {
        let report = bench.report_at(bench.now, group, kind, &[]);
        bench.event(Event::Report(report));
    }
    let view = bench
        .router
        .group(bench.now, super::bench::INTERFACE, group, &mut bench.kernel)
        .expect("the group has a member");
    assert_eq!(view.filter_mode, crate::FilterMode::Include);
    assert!(bench.sent().is_empty());
}

#[test]
fn what_no_host_may_ask_for_makes_no_state() {
    let mut bench = Bench::new(InterfaceConfig::default());
    for group in [
        Ipv4Addr::new(224, 0, 0, 1),
        Ipv4Addr::new(224, 0, 0, 251),
        Ipv4Addr::new(10, 1, 1, 1),
    ] {
        let report = bench.report_at(bench.now, group, Record(IsExclude), &[]);
        bench.event(Event::Report(report));
    }
    // Records that change nothing.
    for (kind, sources) in [
        (ToInclude, [].as_slice()),
        (IsInclude, &[]),
        (Allow, &[]),
        (Block, &[1]),
    ] {
        let report = bench.report_at(bench.now, GROUP, Record(kind), sources);
        bench.event(Event::Report(report));
    }
    let report = bench.report_at(bench.now, GROUP, Leave, &[]);
    bench.event(Event::Report(report));
    // Sources that are none.
    let mut report = bench.report_at(bench.now, GROUP, Record(Allow), &[]);
    report.sources = vec![
        GROUP,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::BROADCAST,
    ];
    bench.event(Event::Report(report.clone()));
    assert_eq!(bench.interface().groups_count, 0);
    assert!(bench.sent().is_empty());
    // Others beside them count, once each.
    report.sources.extend([source(2), source(1), source(2)]);
    bench.event(Event::Report(report));
    assert_eq!(bench.state(), "INCLUDE (1:270,2:270)");
}
