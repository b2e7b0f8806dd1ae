//! Groups that the configuration wants, beside hosts.

use core::net::Ipv4Addr;

use igmp_core::{Action, Event, InterfaceId, Router, StaticGroup};
use igmp_wire::igmp::RecordKind::{Allow, Block, IsExclude, IsInclude, ToInclude};

use crate::{
    bench::{Bench, START, wanted, with},
    routes::Silent,
};

#[test]
fn a_static_group_is_forwarded_while_its_interface_is_up() {
    let mut bench = Bench::empty();
    assert_eq!(bench.up(4, with(&[wanted(None)])), ["* to 4"]);
    assert_eq!(
        bench.up(2, with(&[wanted(Some(1)), wanted(Some(2))])),
        ["S1 to 2 4", "S2 to 2 4"]
    );
    assert_eq!(bench.run_to(1000.0), [""; 0]);
    assert_eq!(bench.clear(None), [""; 0], "only hosts are cleared");
    assert_eq!(bench.down(4), ["S1 to 2", "S2 to 2", "no *"]);
    assert_eq!(bench.down(2), ["no S1", "no S2"]);
}

#[test]
fn a_changed_configuration_changes_what_differs() {
    let mut bench = Bench::empty();
    let told = bench.up(1, with(&[wanted(Some(1)), wanted(Some(2))]));
    assert_eq!(told, ["S1 to 1", "S2 to 1"]);
    let told = bench.up(1, with(&[wanted(Some(2)), wanted(Some(3))]));
    assert_eq!(told, ["S3 to 1", "no S1"]);
    assert_eq!(
        bench.up(1, with(&[wanted(None), wanted(Some(2))])),
        ["* to 1", "no S2", "no S3"]
    );
    assert_eq!(bench.up(1, with(&[wanted(Some(2))])), ["S2 to 1", "no *"]);
    assert_eq!(bench.up(1, with(&[])), ["no S2"]);
}

#[test]
fn a_host_beside_a_static_group_changes_nothing() {
    let mut bench = Bench::empty();
    assert_eq!(bench.up(1, with(&[wanted(None)])), ["* to 1"]);
    assert_eq!(bench.record(1, Allow, &[1]), [""; 0]);
    assert_eq!(bench.record(1, IsExclude, &[]), [""; 0]);
    assert_eq!(bench.record(1, ToInclude, &[]), [""; 0]);
    assert_eq!(bench.run_to(1000.0), [""; 0]);
}

/// What hosts exclude is forwarded all the same where the configuration wants it.
#[test]
fn a_static_group_outweighs_what_hosts_exclude() {
    let mut bench = Bench::empty();
    assert_eq!(bench.up(1, with(&[wanted(None)])), ["* to 1"]);
    assert_eq!(bench.record(1, IsExclude, &[1, 2]), [""; 0]);
    // The port of the group stays, but only for the hosts.
    assert_eq!(bench.up(1, with(&[])), ["S1 to nobody", "S2 to nobody"]);
    assert_eq!(bench.up(1, with(&[wanted(Some(1))])), ["no S1"]);
    assert_eq!(bench.table(), ["* to 1", "S2 to nobody"]);
    // In EXCLUDE mode the source is among all, in INCLUDE mode by itself.
    assert_eq!(bench.run_to(270.0), ["S1 to 1", "no *", "no S2"]);
}

#[test]
fn a_static_source_outlives_the_hosts_of_the_source() {
    let mut bench = Bench::empty();
    assert_eq!(bench.up(1, with(&[wanted(Some(1))])), ["S1 to 1"]);
    assert_eq!(bench.up(2, with(&[])), [""; 0]);
    assert_eq!(bench.record(1, IsInclude, &[1, 2]), ["S2 to 1"]);
    assert_eq!(bench.record(2, IsInclude, &[1]), ["S1 to 1 2"]);
    bench.record(1, Block, &[1, 2]);
    bench.record(2, Block, &[1]);
    assert_eq!(bench.run_to(2.0), ["S1 to 1", "no S2"]);
    assert_eq!(bench.run_to(1000.0), [""; 0]);
}

/// The core is told of no such groups by an agent that checks its configuration, and forwards none if it is.
#[test]
fn static_groups_that_never_leave_their_link_have_no_routes() {
    let groups = [
        Ipv4Addr::new(224, 0, 0, 9),
        Ipv4Addr::new(224, 0, 0, 251),
        Ipv4Addr::new(10, 1, 1, 1),
    ];
    let static_groups = groups.map(|group| StaticGroup { group, source: None });
    let mut router = Router::new();
    let mut actions = Vec::new();
    let up = Event::InterfaceUp {
        interface: InterfaceId(1),
        config: with(&static_groups),
        address: None,
        mtu: 1500,
    };
    router.handle(START, up, &mut Silent, &mut actions);
    let is_route = |action: &Action| matches!(action, Action::SetRoute { .. } | Action::RemoveRoute { .. });
    assert!(!actions.iter().any(is_route));
    assert_eq!(router.routes((Ipv4Addr::UNSPECIFIED, None), usize::MAX), []);
}
