//! The order of what is told, and reading it all.

use core::net::Ipv4Addr;

use igmp_core::{InterfaceId, ReportKind, RouteView};
use igmp_wire::igmp::RecordKind::{IsExclude, IsInclude};

use crate::bench::{Bench, GROUP, source, wanted, with};

/// The source that a host excludes must not reach it, not even for as long as it takes from one route to the next.
#[test]
fn an_excluded_source_is_blocked_before_the_group_flows_and_freed_after_it_ends() {
    let mut bench = Bench::new();
    assert_eq!(bench.record(1, IsExclude, &[1]), ["S1 to nobody", "* to 1"]);
    assert_eq!(bench.down(1), ["no *", "no S1"]);
}

/// A source that is wanted before and after must not be missed in between.
#[test]
fn a_wanted_source_keeps_its_route_until_that_of_the_group_serves_it() {
    let mut bench = Bench::empty();
    bench.up(1, with(&[wanted(Some(1))]));
    assert_eq!(bench.up(1, with(&[wanted(None)])), ["* to 1", "no S1"]);
    assert_eq!(bench.up(1, with(&[wanted(Some(1))])), ["S1 to 1", "no *"]);
}

#[test]
fn routes_are_read_in_parts() {
    let mut bench = Bench::new();
    let other = Ipv4Addr::new(239, 1, 1, 2);
    bench.record(1, IsExclude, &[1, 2]);
    bench.record(2, IsInclude, &[2, 3]);
    bench.report((3, other), ReportKind::V2, &[]);
    let route = |group, named: Option<u8>, ports: &[u32]| RouteView {
        group,
        source: named.map(source),
        outgoing: ports.iter().copied().map(InterfaceId).collect(),
    };
    let all = [
        route(GROUP, None, &[1]),
        route(GROUP, Some(1), &[]),
        route(GROUP, Some(2), &[2]),
        route(GROUP, Some(3), &[1, 2]),
        route(other, None, &[3]),
    ];
    for (index, first) in all.iter().enumerate() {
        let from = (first.group, first.source);
        assert_eq!(bench.router.routes(from, usize::MAX), all[index..]);
        assert_eq!(bench.router.routes(from, 1), all[index..=index]);
    }
    let after_all = (Ipv4Addr::new(239, 1, 1, 3), None);
    assert_eq!(bench.router.routes(after_all, 10), []);
}
