//! Hosts that come and go.

use core::net::Ipv4Addr;

use igmp_core::{Event, Found, InterfaceConfig, InterfaceId, ReportKind};
use igmp_wire::igmp::RecordKind::{Allow, Block, IsExclude, IsInclude, ToExclude, ToInclude};

use crate::bench::{Bench, GROUP, source};

#[test]
fn any_source_members_come_and_go() {
    let mut bench = Bench::new();
    assert_eq!(bench.record(2, IsExclude, &[]), ["* to 2"]);
    assert_eq!(bench.report((1, GROUP), ReportKind::V2, &[]), ["* to 1 2"]);
    assert_eq!(bench.record(3, ToExclude, &[]), ["* to 1 2 3"]);
    assert_eq!(bench.record(2, IsExclude, &[]), [""; 0], "that is no news");
    // Traffic goes on until the last-member query has been answered by nobody, for 2 * 1 s.
    assert_eq!(bench.record(2, ToInclude, &[]), [""; 0]);
    assert_eq!(bench.report((1, GROUP), ReportKind::Leave, &[]), [""; 0]);
    assert_eq!(bench.run_to(1.999), [""; 0]);
    assert_eq!(bench.run_to(2.0), ["* to 3"]);
    // Group Membership Interval: 2 * 125 s + 2 * 10 s.
    assert_eq!(bench.run_to(269.999), [""; 0]);
    assert_eq!(bench.run_to(270.0), ["no *"]);
    assert_eq!(bench.table(), [""; 0]);
}

#[test]
fn sources_wanted_by_name_come_and_go() {
    let mut bench = Bench::new();
    assert_eq!(bench.record(1, Allow, &[1, 2]), ["S1 to 1", "S2 to 1"]);
    assert_eq!(bench.record(3, IsInclude, &[2, 3]), ["S2 to 1 3", "S3 to 3"]);
    assert_eq!(bench.record(1, Block, &[2]), [""; 0]);
    assert_eq!(bench.run_to(2.0), ["S2 to 3"]);
    assert_eq!(bench.record(3, ToInclude, &[3]), [""; 0]);
    assert_eq!(bench.run_to(4.0), ["no S2"]);
    assert_eq!(bench.table(), ["S1 to 1", "S3 to 3"]);
    assert_eq!(bench.run_to(270.0), ["no S1"]);
    assert_eq!(bench.run_to(272.0), ["no S3"]);
}

/// A source is excluded where all hosts exclude it, interface by interface.
#[test]
fn excluded_sources_overlap_on_two_interfaces() {
    let mut bench = Bench::new();
    let told = bench.record(1, IsExclude, &[1, 2]);
    assert_eq!(told, ["S1 to nobody", "S2 to nobody", "* to 1"]);
    // Source 2 is wanted nowhere, as before.
    let told = bench.record(2, IsExclude, &[2, 3]);
    assert_eq!(told, ["S1 to 2", "S3 to 1", "* to 1 2"]);
    let told = bench.record(3, IsExclude, &[]);
    assert_eq!(told, ["S1 to 2 3", "S2 to 3", "S3 to 1 3", "* to 1 2 3"]);
    assert_eq!(bench.record(1, Allow, &[2]), ["S2 to 1 3"]);
    // Both of the first interface are wanted now, and source 1 by all.
    assert_eq!(bench.record(1, Allow, &[1]), ["no S1"]);
    let told = bench.down(3);
    assert_eq!(told, ["S2 to 1", "S3 to 1", "* to 1 2"]);
    assert_eq!(bench.down(2), ["* to 1", "no S2", "no S3"]);
    assert_eq!(bench.table(), ["* to 1"]);
}

#[test]
fn one_interface_includes_what_another_excludes() {
    let mut bench = Bench::new();
    assert_eq!(bench.record(1, Allow, &[1, 4]), ["S1 to 1", "S4 to 1"]);
    // Source 1 still goes to the first interface only, source 4 to both.
    assert_eq!(bench.record(2, IsExclude, &[1]), ["S4 to 1 2", "* to 2"]);
    assert_eq!(bench.table(), ["* to 2", "S1 to 1", "S4 to 1 2"]);
    assert_eq!(bench.record(1, ToInclude, &[]), [""; 0]);
    assert_eq!(bench.run_to(2.0), ["S1 to nobody", "no S4"]);
    assert_eq!(bench.record(1, IsInclude, &[5]), ["S5 to 1 2"]);
    assert_eq!(bench.run_to(270.0), ["S5 to 1", "no *", "no S1"]);
    assert_eq!(bench.run_to(272.0), ["no S5"]);
}

/// When the group timer ends, the group returns to INCLUDE mode with the sources whose timers run (§6.5).
#[test]
fn the_end_of_the_group_timer_leaves_the_sources_that_are_wanted() {
    let mut bench = Bench::new();
    let told = bench.record(1, IsExclude, &[1, 2]);
    assert_eq!(told, ["S1 to nobody", "S2 to nobody", "* to 1"]);
    assert_eq!(bench.run_to(10.0), [""; 0]);
    assert_eq!(bench.record(1, IsInclude, &[1]), ["no S1"]);
    // Source 3 flows with all others until the group timer ends, and then by itself.
    assert_eq!(bench.record(1, Allow, &[3]), [""; 0]);
    assert_eq!(bench.run_to(270.0), ["S1 to 1", "S3 to 1", "no *", "no S2"]);
    assert_eq!(bench.run_to(280.0), ["no S1", "no S3"]);
}

/// When a source timer ends in EXCLUDE mode, the source is excluded from then on (§6.3).
#[test]
fn the_end_of_a_source_timer_blocks_the_source() {
    let mut bench = Bench::new();
    assert_eq!(bench.record(2, Allow, &[1]), ["S1 to 2"]);
    assert_eq!(bench.run_to(10.0), [""; 0]);
    assert_eq!(bench.record(2, IsExclude, &[1]), ["* to 2", "no S1"]);
    assert_eq!(bench.run_to(270.0), ["S1 to nobody"]);
    assert_eq!(bench.run_to(280.0), ["no *", "no S1"]);
}

/// EXCLUDE (X,Y) and IS_EX (A): EXCLUDE (A-Y,Y*A), in which what was excluded and is no more flows again (§6.4.1).
#[test]
fn a_source_that_is_excluded_no_more_flows_with_all_others() {
    let mut bench = Bench::new();
    let told = bench.record(1, IsExclude, &[1, 2]);
    assert_eq!(told, ["S1 to nobody", "S2 to nobody", "* to 1"]);
    assert_eq!(bench.record(1, IsExclude, &[2, 3]), ["no S1"]);
    assert_eq!(bench.record(1, ToExclude, &[2]), [""; 0]);
    assert_eq!(bench.record(1, IsExclude, &[]), ["no S2"]);
}

/// The querier of the link asks and nobody answers: 2 * 1 s.
#[test]
fn a_query_of_another_router_ends_what_nobody_answers_for() {
    let mut bench = Bench::new();
    assert_eq!(bench.query(1, None, &[]), [""; 0]);
    bench.record(1, IsInclude, &[1, 2]);
    bench.record(2, IsExclude, &[]);
    assert_eq!(bench.table(), ["* to 2", "S1 to 1 2", "S2 to 1 2"]);
    assert_eq!(bench.query(1, Some(GROUP), &[2]), [""; 0]);
    assert_eq!(bench.run_to(2.0), ["no S2"]);
    bench.record(1, IsExclude, &[]);
    assert_eq!(bench.table(), ["* to 1 2"]);
    assert_eq!(bench.query(1, Some(GROUP), &[]), [""; 0]);
    assert_eq!(bench.run_to(4.0), ["* to 2"]);
}

#[test]
fn an_immediate_leave_ends_at_once() {
    let mut bench = Bench::new();
    let config = InterfaceConfig {
        immediate_leave: true,
        ..InterfaceConfig::default()
    };
    bench.up(1, config);
    assert_eq!(bench.record(1, IsExclude, &[]), ["* to 1"]);
    assert_eq!(bench.record(1, ToInclude, &[]), ["no *"]);
    assert_eq!(bench.record(1, Allow, &[1]), ["S1 to 1"]);
    // The table has EXCLUDE ({1},{}) and the question for source 1, which is taken to be answered by nobody.
    assert_eq!(bench.record(1, ToExclude, &[1]), ["S1 to nobody", "* to 1"]);
}

#[test]
fn what_an_operator_clears_is_forwarded_no_more() {
    let mut bench = Bench::new();
    bench.record(1, IsExclude, &[1]);
    bench.record(2, IsInclude, &[1, 2]);
    assert_eq!(bench.table(), ["* to 1", "S1 to 2", "S2 to 1 2"]);
    assert_eq!(bench.clear(Some(1)), ["S2 to 2", "no *"]);
    bench.record(1, IsExclude, &[]);
    assert_eq!(bench.table(), ["* to 1", "S1 to 1 2", "S2 to 1 2"]);
    assert_eq!(bench.clear(None), ["no *", "no S1", "no S2"]);
}

/// What a limit refuses goes on as before: an excluded source flows, and a group stays unknown.
#[test]
fn what_limits_refuse_makes_no_route() {
    let mut bench = Bench::new();
    let config = InterfaceConfig {
        max_groups: 1,
        max_group_sources: 2,
        ..InterfaceConfig::default()
    };
    bench.up(1, config);
    let told = bench.record(1, IsExclude, &[1, 2, 3]);
    assert_eq!(told, ["S1 to nobody", "S2 to nobody", "* to 1"]);
    let other = Ipv4Addr::new(239, 1, 1, 2);
    let told = bench.report((1, other), ReportKind::V2, &[]);
    assert_eq!(told, [""; 0]);
    assert_eq!(bench.report((2, other), ReportKind::V2, &[]), ["2/* to 2"]);
    assert_eq!(bench.run_to(270.0), ["no *", "no S1", "no S2", "no 2/*"]);
}

/// The agent finds what it was not told of.
#[test]
fn what_is_found_is_forwarded() {
    let mut bench = Bench::new();
    bench.record(2, IsExclude, &[]);
    let found = Found {
        interface: InterfaceId(1),
        group: GROUP,
        exclude: false,
        incomplete: false,
        last_report: [None; 3],
        reporter: Ipv4Addr::new(10, 0, 1, 100),
        sources: vec![(source(1), bench.now)],
    };
    assert_eq!(bench.event(Event::Found(found.clone())), ["S1 to 1 2"]);
    let found = Found {
        last_report: [None, None, Some(bench.now)],
        sources: Vec::new(),
        ..found
    };
    assert_eq!(bench.event(Event::Found(found)), ["* to 1 2", "no S1"]);
}

/// Hosts report the groups of protocols that never leave their link, too (RFC 5771 §4).
#[test]
fn link_local_groups_have_no_routes() {
    let mut bench = Bench::new();
    for last in [2, 5, 22, 251] {
        let group = Ipv4Addr::new(224, 0, 0, last);
        assert_eq!(bench.report((1, group), ReportKind::V2, &[]), [""; 0]);
    }
    let group = Ipv4Addr::new(224, 0, 1, 1);
    assert_eq!(bench.report((1, group), ReportKind::V2, &[]), ["1/* to 1"]);
}
