//! Packets are accepted on the interface towards their source.

use std::{net::Ipv4Addr, time::Instant};

use igmp_user::kernel::LoadOptions;
use igmp_wire::{
    Refusal,
    abi::{Event, EventKind, INCOMING_ANY, INCOMING_NONE},
};

use super::bench::{Bench, ELSEWHERE, GROUP, MANY_WAYS, NOWHERE, PORTS, REMOTE, SOME, SSM, data};
use crate::harness::{HOST, SLOT};

#[test]
fn the_interface_towards_the_source() {
    let mut bench = Bench::with_route();
    bench.forwarded(&data(HOST, GROUP), SOME);
    bench.forwarded(&data(REMOTE, GROUP), SOME);
    for source in [ELSEWHERE, NOWHERE] {
        bench.refused(&data(source, GROUP), Refusal::Rpf);
        assert_eq!(bench.flow(source, GROUP), None, "a spoofed source takes no room");
    }
    assert!(
        bench.xdp.events().is_empty(),
        "only where there are more ways the agent is asked"
    );
}

#[test]
fn the_longest_prefix_counts() {
    let mut bench = Bench::with_route();
    // (prefix, slot) from short to long, each for the same source.
    let prefixes = [
        ("0.0.0.0/0", SLOT),
        ("172.0.0.0/8", PORTS[0]),
        ("172.16.0.0/12", SLOT),
        ("172.16.0.0/31", INCOMING_NONE),
        ("172.16.0.1/32", SLOT),
    ];
    let check = |bench: &mut Bench, slot: u32| {
        bench.commit();
        if slot == SLOT {
            bench.forwarded(&data(NOWHERE, GROUP), SOME);
        } else {
            bench.refused(&data(NOWHERE, GROUP), Refusal::Rpf);
        }
    };
    for (prefix, slot) in prefixes {
        bench.sources(prefix, slot);
        check(&mut bench, slot);
    }
    for pair in prefixes.windows(2).rev() {
        bench.no_sources(pair[1].0);
        check(&mut bench, pair[0].1);
    }
    bench.no_sources("0.0.0.0/0");
    check(&mut bench, INCOMING_NONE);
}

#[test]
fn a_route_that_moves() {
    let mut bench = Bench::with_route();
    bench.forwarded(&data(REMOTE, GROUP), SOME);
    bench.sources("192.0.2.0/24", PORTS[1]);
    bench.commit();
    bench.refused(&data(REMOTE, GROUP), Refusal::Rpf);
    bench.sources("192.0.2.0/24", SLOT);
    bench.commit();
    bench.forwarded(&data(REMOTE, GROUP), SOME);
}

#[test]
fn routes_that_name_their_interface() {
    let mut bench = Bench::new();
    bench.route_from(GROUP, None, SOME, PORTS[2]);
    bench.route_from(SSM, Some(NOWHERE), SOME, SLOT);
    bench.commit();
    bench.refused(&data(HOST, GROUP), Refusal::Rpf);
    bench.forwarded(&data(NOWHERE, SSM), SOME);
}

/// A packet that nobody wants is that, wherever it comes from; the TTL matters only for what would be forwarded.
#[test]
fn the_order_of_reasons() {
    let mut bench = Bench::with_route();
    let other = Ipv4Addr::new(239, 9, 9, 9);
    bench.refused(&data(NOWHERE, other).with(|it| it.ttl = 1), Refusal::NoMembers);
    bench.refused(&data(NOWHERE, GROUP).with(|it| it.ttl = 1), Refusal::Rpf);
    bench.refused(&data(HOST, GROUP).with(|it| it.ttl = 1), Refusal::Ttl);
}

#[test]
fn prefixes_of_any_interface() {
    let mut bench = Bench::with_route();
    bench.sources("0.0.0.0/0", INCOMING_ANY);
    bench.commit();
    bench.forwarded(&data(NOWHERE, GROUP), SOME);
}

#[test]
fn the_agent_is_asked_once() {
    let mut bench = Bench::with_route();
    let packet = data(MANY_WAYS, GROUP);
    for _ in 0..3 {
        for _ in 0..5 {
            bench.refused(&packet, Refusal::Rpf);
        }
        let events = bench.xdp.events();
        let [(event, sources)] = &events[..] else {
            panic!("asked {} times", events.len());
        };
        assert!(sources.is_empty());
        let expected = Event {
            time: event.time,
            slot: SLOT,
            group: GROUP.to_bits(),
            sender: MANY_WAYS.to_bits(),
            kind: EventKind::Source as u8,
            ..Event::default()
        };
        assert_eq!(*event, expected);
        assert_ne!(event.time, 0);
        // With whatever changes, the answer may.
        bench.commit();
    }
    // Nobody asks for what nobody wants.
    bench.refused(&data(MANY_WAYS, SSM), Refusal::NoMembers);
    assert!(bench.xdp.events().is_empty());

    bench.sources("203.0.113.7/32", SLOT);
    bench.commit();
    bench.forwarded(&packet, SOME);
    let next = Ipv4Addr::new(203, 0, 113, 8);
    bench.refused(&data(next, GROUP), Refusal::Rpf);
    let asked: Vec<u32> = bench.xdp.events().iter().map(|(event, _)| event.sender).collect();
    assert_eq!(asked, [next.to_bits()]);
}

/// A flood of sources for which there is no room costs the agent a bounded number of events.
#[test]
fn questions_meet_a_limit() {
    let options = LoadOptions {
        max_entries: 1,
        ..LoadOptions::default()
    };
    let mut bench = Bench::with(&options);
    bench.route(GROUP, None, SOME);
    bench.commit();
    bench.forwarded(&data(HOST, GROUP), SOME);
    let began = Instant::now();
    bench.xdp.time(&data(MANY_WAYS, GROUP).frame(), 100_000);
    let elapsed = began.elapsed();
    // A burst of 10,000, and 10,000 a second from then on. Another 10,000 are kept for other events.
    let allowed = 10_001 + (elapsed.as_secs_f64() * 10_000.0) as usize;
    let asked = bench.xdp.events().len();
    assert!(
        asked <= allowed,
        "asked {asked} times of at most {allowed} in {elapsed:?}"
    );
    assert!(asked >= 10_000, "a burst of {asked}");
    assert_eq!(bench.refusals(), [((SLOT, Refusal::Rpf), 100_000)].into());
}
