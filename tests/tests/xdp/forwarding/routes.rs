//! Which packets go where.

use std::net::Ipv4Addr;

use igmp_wire::{
    Refusal,
    abi::{EMPTY_PORT_SET, INCOMING_ANY, RouteEntry},
};

use super::bench::{Bench, ELSEWHERE, GROUP, NOWHERE, PORTS, REMOTE, SOME, SSM, data, route_key};
use crate::harness::{HOST, SLOT};

/// A set with the last port alone.
const OTHER: u32 = 2;

#[test]
fn groups_without_members() {
    let mut bench = Bench::new();
    bench.commit();
    for group in [
        GROUP,
        SSM,
        Ipv4Addr::new(224, 0, 1, 0),
        Ipv4Addr::new(239, 255, 255, 255),
    ] {
        bench.refused(&data(HOST, group), Refusal::NoMembers);
        assert_eq!(bench.flow(HOST, group), None, "what nobody wants takes no room");
    }
}

#[test]
fn members_of_any_source() {
    let mut bench = Bench::with_route();
    for source in [HOST, REMOTE] {
        bench.forwarded(&data(source, GROUP), SOME);
    }
    bench.refused(&data(HOST, Ipv4Addr::new(239, 1, 2, 4)), Refusal::NoMembers);
}

#[test]
fn members_of_one_source() {
    let mut bench = Bench::new();
    for group in [GROUP, SSM] {
        bench.route(group, Some(REMOTE), SOME);
        bench.commit();
        bench.forwarded(&data(REMOTE, group), SOME);
        bench.refused(&data(HOST, group), Refusal::NoMembers);
    }
}

#[test]
fn the_route_of_the_source_comes_first() {
    let mut bench = Bench::with_route();
    bench.port_set(OTHER, &PORTS[2..]);
    bench.route(GROUP, Some(REMOTE), OTHER);
    bench.commit();
    bench.forwarded(&data(REMOTE, GROUP), OTHER);
    bench.forwarded(&data(HOST, GROUP), SOME);
    // Without it, the source is one like any other.
    bench.no_route(GROUP, Some(REMOTE));
    bench.commit();
    bench.forwarded(&data(REMOTE, GROUP), SOME);
}

/// EXCLUDE({S}) on every interface: a route to no ports.
#[test]
fn a_blocked_source() {
    let mut bench = Bench::with_route();
    bench.forwarded(&data(REMOTE, GROUP), SOME);
    bench.route(GROUP, Some(REMOTE), EMPTY_PORT_SET);
    bench.commit();
    for _ in 0..3 {
        bench.refused(&data(REMOTE, GROUP), Refusal::NoMembers);
        bench.forwarded(&data(HOST, GROUP), SOME);
    }
}

#[test]
fn the_last_member_leaves() {
    let mut bench = Bench::with_route();
    bench.forwarded(&data(REMOTE, GROUP), SOME);
    bench.no_route(GROUP, None);
    bench.commit();
    bench.refused(&data(REMOTE, GROUP), Refusal::NoMembers);
    bench.route(GROUP, None, SOME);
    bench.commit();
    bench.forwarded(&data(REMOTE, GROUP), SOME);
}

/// A packet does not go back to where it came from.
#[test]
fn members_where_the_packet_comes_from() {
    let mut bench = Bench::new();
    bench.port_set(3, &[SLOT]);
    bench.port_set(4, &[SLOT, PORTS[1]]);
    bench.route(GROUP, None, 3);
    bench.route(SSM, Some(REMOTE), 4);
    bench.commit();
    bench.refused(&data(REMOTE, GROUP), Refusal::NoMembers);
    bench.forwarded(&data(REMOTE, SSM), 4);
}

/// Groups that share an Ethernet address are told apart.
#[test]
fn groups_with_one_ethernet_address() {
    let mut bench = Bench::new();
    let groups = [
        Ipv4Addr::new(224, 1, 1, 1),
        Ipv4Addr::new(225, 1, 1, 1),
        Ipv4Addr::new(224, 129, 1, 1),
    ];
    bench.route(groups[0], None, SOME);
    bench.commit();
    bench.forwarded(&data(HOST, groups[0]), SOME);
    for group in &groups[1..] {
        bench.refused(&data(HOST, *group), Refusal::NoMembers);
    }
}

/// RFC 4605 §4.3: a proxy forwards everything to the upstream interface, whether it has members downstream or not, and
/// does not look at where sources are.
#[test]
fn a_proxy() {
    let mut bench = Bench::new();
    bench.port_set(5, &PORTS[2..]);
    bench.port_set(6, &[PORTS[0], PORTS[2]]);
    bench.default_port_set(5);
    bench.route_from(GROUP, None, 6, INCOMING_ANY);
    bench.commit();
    for source in [HOST, ELSEWHERE, NOWHERE] {
        bench.forwarded(&data(source, GROUP), 6);
        bench.forwarded(&data(source, SSM), 5);
    }
    // What comes in on the upstream interface and is for nobody stays there.
    bench.port_set(7, &[SLOT]);
    bench.default_port_set(7);
    bench.commit();
    bench.refused(&data(HOST, SSM), Refusal::NoMembers);
    bench.forwarded(&data(HOST, GROUP), 6);
}

/// The maps of a set and of its devices change one after the other. Between the two, nothing is sent anywhere wrong.
#[test]
fn a_set_that_is_not_made_yet() {
    let mut bench = Bench::new();
    let entry = RouteEntry {
        port_set: 4_000,
        incoming: SLOT,
    };
    bench
        .xdp
        .kernel
        .set_route(route_key(GROUP, None), entry)
        .expect("the route is set");
    bench.commit();
    bench.refused(&data(HOST, GROUP), Refusal::NoMembers);
    bench.port_set(4_000, &PORTS);
    bench.forwarded(&data(HOST, GROUP), 4_000);
}
