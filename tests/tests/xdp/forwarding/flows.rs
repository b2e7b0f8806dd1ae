//! What is kept of each source that sends to a group.

use std::net::Ipv4Addr;

use igmp_user::kernel::LoadOptions;
use igmp_wire::{Refusal, abi::FlowDecision};

use super::bench::{Bench, GROUP, PORTS, REMOTE, SOME, SSM, data, route_key, total_len};
use crate::harness::{HOST, SLOT};

#[test]
fn packets_and_bytes() {
    let mut bench = Bench::with_route();
    let (mut packets, mut bytes) = (0, 0);
    let mut first = None;
    for size in [16, 17, 100, 1_400] {
        for options in [0, 8] {
            let packet = data(REMOTE, GROUP).with(|it| {
                it.size = size;
                it.options = vec![1; options];
            });
            bench.forwarded(&packet, SOME);
            packets += 1;
            bytes += (28 + options + size) as u64;
            let flow = bench.flow(REMOTE, GROUP).expect("there is an entry");
            // Not the padding of short frames, nor the Ethernet header.
            assert_eq!((flow.packets, flow.bytes), (packets, bytes));
            assert_eq!(flow.since, *first.get_or_insert(flow.since));
            assert!(0 < flow.since && flow.since <= flow.last_packet);
        }
    }
    assert_eq!(bench.flow(HOST, GROUP), None);
    bench.forwarded(&data(HOST, GROUP), SOME);
    assert_eq!(bench.flow(HOST, GROUP).expect("an entry of its own").packets, 1);
    assert_eq!(bench.flow(REMOTE, GROUP).expect("still there").packets, packets);
}

#[test]
fn packets_that_are_not_forwarded_do_not_count() {
    let mut bench = Bench::with_route();
    bench.forwarded(&data(HOST, GROUP), SOME);
    let before = bench.flow(HOST, GROUP).expect("there is an entry");
    let wrong = [
        data(HOST, GROUP).with(|it| it.ttl = 1),
        data(HOST, GROUP).with(|it| it.header_checksum_error = 1),
        data(HOST, GROUP).with(|it| it.cut = Some(40)),
    ];
    for packet in wrong {
        bench.xdp.receive(&packet.frame());
    }
    let after = bench.flow(HOST, GROUP).expect("there is an entry");
    assert_eq!((after.packets, after.bytes), (before.packets, before.bytes));
}

/// What was found out holds until the agent says that something has changed, and not a packet longer.
#[test]
fn a_new_generation_is_looked_up_anew() {
    let mut bench = Bench::with_route();
    let decision = |bench: &Bench| {
        let flow = bench.flow(REMOTE, GROUP).expect("there is an entry");
        FlowDecision::from_bits(flow.decision)
    };
    bench.forwarded(&data(REMOTE, GROUP), SOME);
    assert_eq!(
        decision(&bench),
        FlowDecision {
            generation: 1,
            port_set: SOME,
            incoming: SLOT
        }
    );
    bench.port_set(2, &PORTS[2..]);
    bench.route(GROUP, None, 2);
    bench.forwarded(&data(REMOTE, GROUP), SOME);
    // A source that nobody knows yet finds the new route at once.
    bench.forwarded(&data(HOST, GROUP), 2);
    bench.commit();
    bench.forwarded(&data(REMOTE, GROUP), 2);
    assert_eq!(decision(&bench).generation, 2);
    let flow = bench.flow(REMOTE, GROUP).expect("there is an entry");
    assert_eq!(flow.packets, 3, "it is the same source");
}

#[test]
fn a_forgotten_source_begins_anew() {
    let mut bench = Bench::with_route();
    bench.forwarded(&data(REMOTE, GROUP), SOME);
    bench.forwarded(&data(REMOTE, GROUP), SOME);
    let flows = bench.xdp.kernel.flows();
    assert!(flows.remove(route_key(GROUP, Some(REMOTE))));
    assert!(!flows.remove(route_key(GROUP, Some(REMOTE))), "it is forgotten");
    assert_eq!(bench.flow(REMOTE, GROUP), None);
    bench.forwarded(&data(REMOTE, GROUP), SOME);
    assert_eq!(bench.flow(REMOTE, GROUP).expect("there is an entry").packets, 1);
}

/// Sources for which there is no room are forwarded all the same, and that there was none is counted.
#[test]
fn more_sources_than_there_is_room_for() {
    const ROOM: u32 = 4;
    let options = LoadOptions {
        max_entries: ROOM,
        ..LoadOptions::default()
    };
    let mut bench = Bench::with(&options);
    bench.route(GROUP, None, SOME);
    bench.commit();
    for last in 1..=10 {
        let packet = data(Ipv4Addr::new(192, 0, 2, last), GROUP);
        bench.frame_forwarded(&packet.frame(), 0);
    }
    assert_eq!(bench.xdp.kernel.flows().read().len(), ROOM as usize);
    assert_eq!(
        bench.xdp.kernel.flows_refused().expect("readable"),
        10 - u64::from(ROOM)
    );
    assert_eq!(bench.xdp.kernel.lost_events().expect("readable"), 0);
    // They follow changes of routes at once.
    bench.no_route(GROUP, None);
    bench.commit();
    bench.refused(&data(Ipv4Addr::new(192, 0, 2, 10), GROUP), Refusal::NoMembers);
    bench.refused(&data(Ipv4Addr::new(192, 0, 2, 1), GROUP), Refusal::NoMembers);
}

#[test]
fn lengths_are_those_of_the_packet() {
    let mut bench = Bench::new();
    bench.route(SSM, Some(REMOTE), SOME);
    bench.commit();
    let packet = data(REMOTE, SSM).with(|it| it.padding = 33);
    let frame = packet.frame();
    bench.forwarded(&packet, SOME);
    let flow = bench.flow(REMOTE, SSM).expect("there is an entry");
    assert_eq!(flow.bytes, total_len(&frame, 0));
}
