//! Packets that PIM acts on (RFC 7761 §4.2): which of them the agent is told of, and how often.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use igmp_user::kernel::LoadOptions;
use igmp_wire::{
    Refusal,
    abi::{EMPTY_PORT_SET, Event, EventKind, FlowEntry, InterfaceConfig, InterfaceFlags, PortSetFlags},
};
use tests::{PATIENCE, RawSocket, stream::Datagram};

use super::{
    bench::{Bench, ELSEWHERE, GROUP, MANY_WAYS, NOWHERE, PORTS, REMOTE, SOME, data, forwarding_config},
    links::{Inside, Links},
};
use crate::{
    frames::query,
    harness::{HOST, SLOT, VLAN_SLOT, Verdict},
};

/// A group whose packets take the way through the stack to the first port: what came before them is done when they
/// arrive.
const FENCE: Ipv4Addr = Ipv4Addr::new(239, 254, 0, 1);
/// The set of the fence.
const FENCE_SET: u32 = 9;
/// A set of the interface under test alone.
const ONLY_SLOT: u32 = 3;
/// A set of the interface under test and the first port.
const SLOT_AND_PORT: u32 = 4;

/// Nanoseconds before a source is told once more.
const TOLD_SPACING: u64 = 5_000_000_000;
/// Nanoseconds before a packet that goes nowhere is looked at once more on the same interface. Another one has to wait
/// half as long.
const SEEN_SPACING: u64 = 2_000_000_000;

/// Takes apart when, to a microsecond, and on which slot a packet of a source was last looked at.
fn seen(flow: &FlowEntry) -> (u64, u64) {
    (flow.seen & !1_023, flow.seen & 1_023)
}

impl Bench {
    /// The kinds of the events since the last call that are about [`GROUP`], each with its source.
    fn told(&mut self) -> Vec<(EventKind, Ipv4Addr)> {
        self.told_events()
            .into_iter()
            .map(|event| {
                let kind = EventKind::from_code(event.kind).expect("a kind");
                (kind, Ipv4Addr::from_bits(event.sender))
            })
            .collect()
    }

    fn told_events(&mut self) -> Vec<Event> {
        let events = self.xdp.events().into_iter();
        let told = events.map(|(event, sources)| {
            assert!(sources.is_empty());
            event
        });
        told.filter(|event| event.group == GROUP.to_bits()).collect()
    }
}

/// The programs with a route of [`GROUP`] whose packets come in on the interface under test, and with signals.
fn shared_tree() -> Bench {
    let mut bench = Bench::new();
    bench.signals();
    bench.route_from(GROUP, None, SOME, SLOT);
    bench.commit();
    bench
}

#[test]
fn nobody_is_told_who_has_not_asked() {
    let mut bench = Bench::new();
    bench.port_set(ONLY_SLOT, &[SLOT]);
    bench.port_set(SLOT_AND_PORT, &[SLOT, PORTS[0]]);
    bench.route_from(GROUP, None, SOME, SLOT);
    bench.commit();
    bench.forwarded(&data(NOWHERE, GROUP), SOME);
    for (port_set, incoming, refusal) in [
        (SOME, PORTS[2], Refusal::Rpf),
        (SLOT_AND_PORT, PORTS[2], Refusal::Rpf),
        (ONLY_SLOT, SLOT, Refusal::NoMembers),
        (EMPTY_PORT_SET, SLOT, Refusal::NoMembers),
    ] {
        bench.route_from(GROUP, None, port_set, incoming);
        bench.commit();
        for _ in 0..3 {
            bench.refused(&data(HOST, GROUP), refusal);
        }
        assert_eq!(bench.flow(HOST, GROUP), None);
    }
    assert!(bench.xdp.events().is_empty());
}

#[test]
fn the_first_packet_of_a_source_on_the_route_of_its_group() {
    let mut bench = shared_tree();
    for source in [HOST, NOWHERE] {
        bench.forwarded(&data(source, GROUP), SOME);
        let [event] = bench.told_events().try_into().expect("told once");
        let expected = Event {
            time: event.time,
            slot: SLOT,
            group: GROUP.to_bits(),
            sender: source.to_bits(),
            kind: EventKind::Flow as u8,
            ..Event::default()
        };
        assert_eq!(event, expected);
        let flow = bench.flow(source, GROUP).expect("there is an entry");
        assert_eq!((flow.told, flow.since, flow.packets), (event.time, event.time, 1));
        for _ in 0..5 {
            bench.forwarded(&data(source, GROUP), SOME);
        }
        assert_eq!(bench.told(), []);
    }
}

#[test]
fn a_source_with_a_route_of_its_own_is_not_told() {
    let mut bench = shared_tree();
    bench.route_from(GROUP, Some(REMOTE), SOME, SLOT);
    for _ in 0..2 {
        bench.commit();
        for _ in 0..2 {
            bench.forwarded(&data(REMOTE, GROUP), SOME);
        }
    }
    assert_eq!(bench.told(), []);
    // Without it, it is one like any other.
    bench.no_route(GROUP, Some(REMOTE));
    bench.commit();
    bench.forwarded(&data(REMOTE, GROUP), SOME);
    assert_eq!(bench.told(), [(EventKind::Flow, REMOTE)]);
}

/// What nobody wants is nothing to PIM.
#[test]
fn a_group_without_a_way_out_is_not_told() {
    let mut bench = Bench::new();
    bench.signals();
    bench.commit();
    bench.refused(&data(HOST, GROUP), Refusal::NoMembers);
    bench.route_from(GROUP, None, EMPTY_PORT_SET, SLOT);
    bench.commit();
    bench.refused(&data(HOST, GROUP), Refusal::NoMembers);
    assert_eq!((bench.told(), bench.flow(HOST, GROUP)), (vec![], None));
}

/// Told once more it is only where something has changed, and not before five seconds are over.
#[test]
fn a_source_is_told_once_more_after_a_change() {
    let (mut bench, mut unchanged) = (shared_tree(), shared_tree());
    let packet = data(HOST, GROUP);
    for bench in [&mut bench, &mut unchanged] {
        bench.forwarded(&packet, SOME);
    }
    let [first] = bench.told_events().try_into().expect("told once");
    assert_eq!(unchanged.told().len(), 1);
    let began = Instant::now();
    let mut changes = 0;
    let again = loop {
        assert!(began.elapsed() < PATIENCE, "it is not told once more");
        bench.commit();
        changes += 1;
        for bench in [&mut bench, &mut unchanged] {
            bench.forwarded(&packet, SOME);
        }
        if let [again] = bench.told_events()[..] {
            break again;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(changes > 1);
    assert_eq!((again.kind, again.sender), (first.kind, first.sender));
    assert!(again.time - first.time >= TOLD_SPACING, "{first:?} {again:?}");
    assert_eq!(unchanged.told(), []);
}

/// Sources for which there is no room are told with each packet, within a limit that leaves others their events.
#[test]
fn a_flood_of_sources_leaves_room_for_other_events() {
    let options = LoadOptions {
        max_entries: 1,
        ..LoadOptions::default()
    };
    let mut bench = Bench::with(&options);
    bench.signals();
    bench.route_from(GROUP, None, SOME, SLOT);
    bench.commit();
    bench.forwarded(&data(HOST, GROUP), SOME);
    assert_eq!(bench.told(), [(EventKind::Flow, HOST)]);
    let began = Instant::now();
    bench.xdp.time(&data(REMOTE, GROUP).frame(), 100_000);
    // 10,000 a second, and a burst of 10,000 of which one was for the first source.
    let allowed = 10_000 + (began.elapsed().as_secs_f64() * 10_000.0) as usize;
    let told = bench.told();
    assert!(told.iter().all(|&told| told == (EventKind::Flow, REMOTE)));
    assert!(
        (9_999..=allowed).contains(&told.len()),
        "told {} times of at most {allowed}",
        told.len()
    );
    // Another querier is heard of all the same.
    let other = Ipv4Addr::new(10, 1, 1, 77);
    assert_eq!(bench.xdp.receive(&query(other, None, &[])), Verdict::Pass);
    let events = bench.xdp.events();
    let heard = |event: &Event| (EventKind::from_code(event.kind), event.sender);
    let heard: Vec<_> = events.iter().map(|(event, _)| heard(event)).collect();
    assert_eq!(heard, [(Some(EventKind::Query), other.to_bits())]);
    assert_eq!(bench.xdp.counted().0.events_lost, 0);
}

/// The fast program leaves the others to the one on the way through the stack, and counts nothing that it lets pass.
#[test]
fn packets_that_go_nowhere_pass_until_they_were_looked_at() {
    let mut bench = Bench::new();
    bench.signals();
    bench.port_set(ONLY_SLOT, &[SLOT]);
    for (port_set, incoming) in [(SOME, PORTS[2]), (SOME, PORTS[0]), (ONLY_SLOT, PORTS[2])] {
        bench.route_from(GROUP, None, port_set, incoming);
        bench.commit();
        for _ in 0..3 {
            bench.passed(&data(HOST, GROUP).frame());
        }
        assert_eq!(
            bench.flow(HOST, GROUP),
            None,
            "a spoofed source takes no room here"
        );
    }
    assert_eq!(bench.told(), []);
}

/// Attaches the classifier behind XDP, with signals and a route of [`FENCE`].
fn attach(inside: &mut Inside<'_>) {
    let bench = &mut inside.bench;
    bench.signals();
    bench.port_set_with(FENCE_SET, &PORTS[..1], PortSetFlags::STACK);
    bench.route(FENCE, None, FENCE_SET);
    bench.port_set(SOME, &PORTS[1..]);
    bench.port_set(ONLY_SLOT, &[SLOT]);
    bench.port_set(SLOT_AND_PORT, &[SLOT, PORTS[1]]);
    bench.commit();
    let index = inside.links.index(0);
    let kernel = &mut inside.bench.xdp.kernel;
    kernel
        .attach_classifier(index, "in0")
        .expect("the classifier is attached");
}

impl Inside<'_> {
    /// Lets packets come in, all of what is behind XDP included.
    #[track_caller]
    fn feed(&mut self, packet: &Datagram, times: usize) {
        for _ in 0..times {
            self.inject(0, &packet.frame());
        }
        let fence = data(HOST, FENCE).with(|it| it.id = self.number());
        self.inject(0, &fence.frame());
        self.wait_for(1, fence.id);
    }

    /// Sets the route of [`GROUP`] for all sources or for one.
    fn set_route(&mut self, source: Option<Ipv4Addr>, port_set: u32, incoming: u32) {
        self.bench.route_from(GROUP, source, port_set, incoming);
        self.bench.commit();
    }

    /// Feeds XDP alone with a packet until it lets one pass. Each that it drops is counted.
    #[track_caller]
    fn drop_until_one_passes(&mut self, packet: &Datagram, refusal: Refusal) {
        let began = Instant::now();
        let mut dropped = 0;
        while self.bench.xdp.receive(&packet.frame()) == Verdict::Drop {
            dropped += 1;
            assert!(began.elapsed() < PATIENCE, "none passes of {dropped}");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(dropped > 0, "none is dropped");
        self.expect_dropped(refusal, dropped);
    }

    /// What was counted on the interface under test since the last call.
    #[track_caller]
    fn expect_dropped(&mut self, refusal: Refusal, count: u64) {
        let dropped = self.bench.xdp.counted().dropped();
        assert_eq!(dropped, [(refusal, count)].into());
    }
}

/// A packet on a wrong interface is told where packets of the group leave there, or the source is there; one in
/// two seconds is looked at, and each is counted.
#[test]
fn packets_on_a_wrong_interface() {
    let links = Links::new();
    links.inside(|inside| {
        attach(inside);
        for (source, port_set, is_told) in [
            (ELSEWHERE, SOME, false),
            (NOWHERE, SOME, false),
            (HOST, SOME, true),
            (REMOTE, SOME, true),
            // Of several ways to a source PIM has chosen one, which may be this.
            (MANY_WAYS, SOME, true),
            (ELSEWHERE, ONLY_SLOT, true),
            (NOWHERE, SLOT_AND_PORT, true),
            (HOST, SLOT_AND_PORT, true),
        ] {
            inside.set_route(None, port_set, PORTS[2]);
            let case = format!("{source} {port_set}");
            let packet = data(source, GROUP);
            inside.feed(&packet, 5);
            inside.expect_dropped(Refusal::Rpf, 5);
            let events = inside.bench.told_events();
            assert_eq!(events.len(), usize::from(is_told), "{case}");
            let flow = inside.bench.flow(source, GROUP).expect("it is remembered");
            assert_eq!((flow.packets, flow.bytes, flow.told), (0, 0, 0), "{case}");
            assert_eq!(seen(&flow).1, u64::from(SLOT), "{case}");
            for event in &events {
                assert_eq!(event.time & !1_023, seen(&flow).0, "{case}");
                let expected = Event {
                    time: event.time,
                    slot: SLOT,
                    group: GROUP.to_bits(),
                    sender: source.to_bits(),
                    kind: EventKind::WrongInterface as u8,
                    ..Event::default()
                };
                assert_eq!(*event, expected, "{case}");
            }

            inside.drop_until_one_passes(&packet, Refusal::Rpf);
            inside.feed(&packet, 3);
            inside.expect_dropped(Refusal::Rpf, 3);
            let events = inside.bench.told_events();
            assert_eq!(events.len(), usize::from(is_told), "{case}");
            let later = inside.bench.flow(source, GROUP).expect("it is remembered");
            // What is written down is at most a microsecond less than it was.
            assert!(seen(&later).0 + 1_024 - seen(&flow).0 > SEEN_SPACING, "{case}");
            assert_eq!(later.since, flow.since, "{case}");

            let flows = inside.bench.xdp.kernel.flows();
            flows.remove(super::bench::route_key(GROUP, Some(source)));
        }
        for number in 2..=PORTS.len() {
            assert_eq!(inside.seen(number, GROUP), [0_u16; 0], "interface {number}");
        }
    });
}

/// The same packets may come in on several interfaces. What comes in most often hides none of the others.
#[test]
fn interfaces_take_turns() {
    let links = Links::new();
    links.inside(|inside| {
        attach(inside);
        let vlan = InterfaceConfig {
            slot: VLAN_SLOT,
            ..forwarding_config(0)
        };
        inside.bench.xdp.configure(7, &vlan);
        inside.interface(0, 7, VLAN_SLOT, vlan);
        inside.set_route(None, SOME, PORTS[2]);
        let here = data(MANY_WAYS, GROUP);
        let there = here.clone().with(|it| it.vlans = vec![7]);
        let began = Instant::now();
        inside.feed(&here, 1);
        loop {
            assert!(began.elapsed() < PATIENCE, "none has its turn");
            let is_heres_turn = inside.bench.xdp.receive(&here.frame()) == Verdict::Pass;
            if is_heres_turn {
                // This machine stood still for a second.
                inside.feed(&here, 1);
            } else if inside.bench.xdp.receive(&there.frame()) == Verdict::Pass {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        inside.bench.told();
        inside.feed(&there, 3);
        let told = inside.bench.told_events();
        let slots: Vec<u32> = told.iter().map(|event| event.slot).collect();
        assert_eq!(slots, [VLAN_SLOT]);
        let flow = inside.bench.flow(MANY_WAYS, GROUP).expect("it is remembered");
        assert_eq!(seen(&flow).1, u64::from(VLAN_SLOT));
    });
}

/// A source on its own route that comes in elsewhere, too: the shared tree goes on to carry it.
#[test]
fn a_wrong_interface_of_a_source_with_its_own_route() {
    let links = Links::new();
    links.inside(|inside| {
        attach(inside);
        inside.set_route(None, SOME, SLOT);
        inside.set_route(Some(ELSEWHERE), SLOT_AND_PORT, PORTS[0]);
        inside.set_route(Some(REMOTE), SOME, SLOT);
        inside.feed(&data(ELSEWHERE, GROUP), 4);
        assert_eq!(inside.bench.told(), [(EventKind::WrongInterface, ELSEWHERE)]);
        inside.expect_dropped(Refusal::Rpf, 4);
        inside.bench.forwarded(&data(REMOTE, GROUP), SOME);
        inside.bench.forwarded(&data(NOWHERE, GROUP), SOME);
        assert_eq!(inside.bench.told(), [(EventKind::Flow, NOWHERE)]);
    });
}

/// A packet that came in where it should, and that only hosts there want: a router further on may be the one that
/// carries it. It keeps the source alive (RFC 7761 §4.2: KAT is restarted where inherited_olist is not NULL).
#[test]
fn packets_that_need_not_go_anywhere_from_here() {
    let links = Links::new();
    links.inside(|inside| {
        attach(inside);
        for (own, source) in [(false, HOST), (false, NOWHERE), (true, REMOTE)] {
            inside.set_route(own.then_some(source), ONLY_SLOT, SLOT);
            if !own {
                inside.set_route(None, ONLY_SLOT, SLOT);
            }
            let packet = data(source, GROUP);
            inside.feed(&packet, 5);
            inside.expect_dropped(Refusal::NoMembers, 5);
            let flow = inside.bench.flow(source, GROUP).expect("it is remembered");
            assert_eq!((flow.packets, flow.bytes), (0, 0));
            let expected: &[_] = if own { &[] } else { &[(EventKind::Flow, source)] };
            assert_eq!(inside.bench.told(), expected);

            inside.drop_until_one_passes(&packet, Refusal::NoMembers);
            inside.feed(&packet, 3);
            inside.expect_dropped(Refusal::NoMembers, 3);
            let later = inside.bench.flow(source, GROUP).expect("it is remembered");
            assert!(later.last_packet + 1_024 - flow.last_packet > SEEN_SPACING);
            assert_eq!(later.last_packet & !1_023, seen(&later).0);
            assert_eq!(inside.bench.told(), []);
        }
    });
}

/// Where packets take the way through the stack, two programs look at each. One tells.
#[test]
fn the_way_through_the_stack_tells_once() {
    let links = Links::new();
    links.inside(|inside| {
        attach(inside);
        let index = inside.links.index(0);
        assert_ne!(index, 0);
        inside.interface(0, 0, SLOT, forwarding_config(InterfaceFlags::STACK));
        inside.set_route(None, SOME, SLOT);
        let packet = data(HOST, GROUP);
        inside.feed(&packet, 3);
        assert_eq!(inside.bench.told(), [(EventKind::Flow, HOST)]);
        let flow = inside.bench.flow(HOST, GROUP).expect("there is an entry");
        assert_eq!(flow.packets, 3);
        assert!(inside.bench.refusals().is_empty());
    });
}

/// Without XDP in front, as for a device that has none: the classifier keeps the times by itself.
#[test]
fn the_classifier_by_itself() {
    let links = Links::new();
    let raw = RawSocket::open(links.sender(), "eth0");
    links.inside(|inside| {
        attach(inside);
        inside.bench.port_set(FENCE_SET, &PORTS[..1]);
        let feed = |inside: &mut Inside<'_>, packet: &Datagram, times: usize| {
            for _ in 0..times {
                raw.send_frame(&packet.frame());
            }
            let fence = data(HOST, FENCE).with(|it| it.id = inside.number());
            raw.send_frame(&fence.frame());
            inside.wait_for(1, fence.id);
        };
        inside.set_route(None, SLOT_AND_PORT, PORTS[2]);
        feed(inside, &data(REMOTE, GROUP), 4);
        inside.expect_dropped(Refusal::Rpf, 4);
        assert_eq!(inside.bench.told(), [(EventKind::WrongInterface, REMOTE)]);

        inside.set_route(None, SOME, PORTS[2]);
        feed(inside, &data(ELSEWHERE, GROUP), 4);
        inside.expect_dropped(Refusal::Rpf, 4);
        assert_eq!(inside.bench.told(), []);

        inside.set_route(None, SOME, SLOT);
        let packet = data(HOST, GROUP).with(|it| it.id = inside.number());
        feed(inside, &packet, 1);
        inside.wait_for(2, packet.id);
        assert_eq!(inside.bench.told(), [(EventKind::Flow, HOST)]);

        inside.set_route(None, ONLY_SLOT, SLOT);
        feed(inside, &data(NOWHERE, GROUP), 4);
        inside.expect_dropped(Refusal::NoMembers, 4);
        assert_eq!(inside.bench.told(), [(EventKind::Flow, NOWHERE)]);
        let flow = inside.bench.flow(NOWHERE, GROUP).expect("it is remembered");
        assert_eq!(flow.last_packet & !1_023, seen(&flow).0);
    });
}
