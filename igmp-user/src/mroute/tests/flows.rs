//! Where packets of a flow go.

use super::*;
use crate::mroute::{IDLE, Refused, SlotCounters, Upcall, UpcallKind};

#[test]
fn packets_go_where_members_are() {
    let mut bench = Bench::new(4);
    bench.route(None, &[2, 3]);
    assert_eq!(
        bench.packet(1, source(1)),
        [2, 3],
        "the first one waited for the entry"
    );
    assert_eq!(bench.packet(1, source(1)), [2, 3]);
    assert_eq!(
        bench.packet(3, source(3)),
        [2],
        "never back to where it came from"
    );

    bench.route(None, &[3, 4]);
    assert_eq!(bench.packet(1, source(1)), [3, 4]);
    assert_eq!(bench.packet(3, source(3)), [4]);

    bench.no_route(None);
    assert_eq!(bench.packet(1, source(1)), [0_u32; 0]);
    bench.route(None, &[2]);
    assert_eq!(
        bench.packet(1, source(1)),
        [2],
        "a negative entry becomes a positive one"
    );
}

#[test]
fn the_route_of_a_source_goes_before_that_of_the_group() {
    let mut bench = Bench::new(4);
    bench.route(None, &[2, 3]);
    bench.packet(1, source(1));
    bench.packet(1, Ipv4Addr::new(10, 1, 0, 10));
    // The host at slot 2 excludes the source, the one at slot 4 includes it.
    bench.route(Some(source(1)), &[3, 4]);
    assert_eq!(bench.packet(1, source(1)), [3, 4]);
    assert_eq!(bench.packet(1, Ipv4Addr::new(10, 1, 0, 10)), [2, 3]);
    bench.route(Some(source(1)), &[]);
    assert_eq!(bench.packet(1, source(1)), [0_u32; 0], "all members exclude it");
    bench.no_route(Some(source(1)));
    assert_eq!(bench.packet(1, source(1)), [2, 3]);
}

#[test]
fn only_what_changes_costs_a_system_call() {
    let mut bench = Bench::new(4);
    bench.route(None, &[2]);
    bench.packet(1, source(1));
    bench.kernel().calls.clear();
    for _ in 0..10 {
        assert_eq!(bench.packet(1, source(1)), [2]);
    }
    bench.route(None, &[2]);
    bench.route(Some(source(1)), &[2]);
    bench.route(None, &[1, 2]);
    let other = Ipv4Addr::new(239, 1, 1, 2);
    let rpf = Rpf::Lookup(&on_its_network);
    bench.routing.set_route(bench.now, other, None, &[2, 3, 4], rpf);
    bench.routing.rpf_changed(bench.now, Rpf::Lookup(&on_its_network));
    assert_eq!(bench.kernel().calls, [""; 0]);
}

#[test]
fn packets_of_a_wrong_interface_are_dropped_and_counted_there() {
    let mut bench = Bench::new(4);
    bench.route(None, &[2]);
    // A spoofed packet comes first, and does not keep the true ones out.
    assert_eq!(bench.packet(3, source(1)), [0_u32; 0]);
    assert_eq!(bench.packet(1, source(1)), [2]);
    for _ in 0..4 {
        assert_eq!(bench.packet(3, source(1)), [0_u32; 0]);
    }
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.packet(4, source(1)), [0_u32; 0]);
    bench.routing.read_counters(bench.now);
    let rpf = |bench: &mut Bench, slot| bench.routing.slot_counters(slot).expect("the slot is served").rpf;
    assert_eq!(rpf(&mut bench, 3) + rpf(&mut bench, 4), 6);
    assert!(
        rpf(&mut bench, 3) >= 5 - 1,
        "the last of one interface may be counted for the next"
    );
    assert_eq!(rpf(&mut bench, 1), 0);
    let [view] = bench.views().try_into().expect("one flow");
    assert_eq!(view.forwarded, traffic(1));
}

/// Without messages about wrong interfaces, what is known of where packets arrived must do.
#[test]
fn wrong_interfaces_are_known_without_messages() {
    let mut bench = Bench::new(4);
    bench.kernel().silent = true;
    bench.route(None, &[2]);
    let rpf = |bench: &mut Bench, slot| {
        bench.routing.read_counters(bench.now);
        bench.routing.slot_counters(slot).expect("the slot is served").rpf
    };
    // The first packet came in there.
    bench.packet(3, source(1));
    bench.packet(3, source(1));
    assert_eq!((rpf(&mut bench, 1), rpf(&mut bench, 3)), (0, 2));
    // An old message says that the right interface is wrong.
    bench.kernel().messages.push_back(Some(Upcall {
        kind: UpcallKind::WrongVif,
        vif: 0,
        source: source(1),
        group: GROUP,
    }));
    bench.packet(3, source(1));
    assert_eq!((rpf(&mut bench, 1), rpf(&mut bench, 3)), (0, 3));
    bench.packet(3, source(1));
    assert_eq!((rpf(&mut bench, 1), rpf(&mut bench, 3)), (0, 4));
    // The way changes, and packets go on to arrive where it was.
    bench.routing.rpf_changed(bench.now, Rpf::Lookup(&|_| Some(4)));
    bench.packet_by(1, source(1), Rpf::Lookup(&|_| Some(4)));
    assert_eq!((rpf(&mut bench, 1), rpf(&mut bench, 3)), (1, 4));
}

#[test]
fn a_proxy_notices_a_move_without_messages() {
    let mut bench = Bench::new(3);
    bench.kernel().silent = true;
    bench.route(None, &[1, 2]);
    assert_eq!(bench.packet_by(1, source(1), Rpf::Arrival), [2]);
    bench.pass(Duration::from_secs(69));
    assert_eq!(bench.packet_by(1, source(1), Rpf::Arrival), [2]);
    for _ in 0..14 {
        bench.packet_by(3, source(1), Rpf::Arrival);
        bench.pass(Duration::from_secs(10));
    }
    assert_eq!(
        bench.packet_by(3, source(1), Rpf::Arrival),
        [1, 2],
        "two looks later"
    );
}

#[test]
fn without_a_way_to_the_source_nothing_is_forwarded() {
    let mut bench = Bench::new(3);
    bench.route(None, &[2]);
    let unknown = Ipv4Addr::new(192, 0, 2, 1);
    for _ in 0..3 {
        assert_eq!(bench.packet(1, unknown), [0_u32; 0]);
    }
    let [view] = bench.views().try_into().expect("one flow");
    assert_eq!(view.refused, Some(Refused::Rpf));
    assert_eq!(bench.routing.slot_counters(1).expect("served").rpf, 3);

    // A route appears.
    let anywhere = |_| Some(1);
    bench.routing.rpf_changed(bench.now, Rpf::Lookup(&anywhere));
    assert_eq!(bench.packet_by(1, unknown, Rpf::Lookup(&anywhere)), [2]);
    // And leads elsewhere.
    let elsewhere = |_| Some(3);
    bench.routing.rpf_changed(bench.now, Rpf::Lookup(&elsewhere));
    assert_eq!(bench.packet_by(1, unknown, Rpf::Lookup(&elsewhere)), [0_u32; 0]);
    assert_eq!(bench.packet_by(3, unknown, Rpf::Lookup(&elsewhere)), [2]);
    // And vanishes.
    let nowhere = |_| None;
    bench.routing.rpf_changed(bench.now, Rpf::Lookup(&nowhere));
    assert_eq!(bench.packet_by(3, unknown, Rpf::Lookup(&nowhere)), [0_u32; 0]);
}

#[test]
fn a_proxy_takes_packets_from_everywhere_and_follows_a_flow() {
    let mut bench = Bench::new(3);
    // Slot 1 is upstream and a port of every route.
    bench.route(None, &[1, 2]);
    let anywhere = Ipv4Addr::new(192, 0, 2, 1);
    assert_eq!(bench.packet_by(1, anywhere, Rpf::Arrival), [2]);
    bench.pass(Duration::from_secs(5));
    // The source moves. The first packet is lost, and the kernel tells of it.
    assert_eq!(bench.packet_by(3, anywhere, Rpf::Arrival), [0_u32; 0]);
    assert_eq!(bench.packet_by(3, anywhere, Rpf::Arrival), [1, 2]);
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.packet_by(2, anywhere, Rpf::Arrival), [0_u32; 0]);
    assert_eq!(bench.packet_by(2, anywhere, Rpf::Arrival), [1]);
}

#[test]
fn counters_tell_forwarded_from_dropped() {
    let mut bench = Bench::new(3);
    for _ in 0..5 {
        bench.packet(1, source(1));
    }
    bench.route(None, &[2, 3]);
    for _ in 0..7 {
        bench.packet(1, source(1));
    }
    bench.route(None, &[1]);
    for _ in 0..2 {
        bench.packet(1, source(1));
    }
    let began = bench.now;
    let [view] = bench.views().try_into().expect("one flow");
    let expected = RouteView {
        group: GROUP,
        source: source(1),
        incoming: 1,
        outgoing: Vec::new(),
        refused: Some(Refused::NoMembers),
        forwarded: traffic(7),
        since: began,
    };
    assert_eq!(view, expected);
    let counted = |bench: &mut Bench, slot| bench.routing.slot_counters(slot).expect("the slot is served");
    let no_members = SlotCounters {
        no_members: 7,
        ..SlotCounters::default()
    };
    assert_eq!(counted(&mut bench, 1), no_members);
    let forwarded = SlotCounters {
        forwarded: traffic(7),
        ..SlotCounters::default()
    };
    assert_eq!(counted(&mut bench, 2), forwarded);
    assert_eq!(counted(&mut bench, 3), forwarded);
    assert_eq!(bench.routing.slot_counters(4), None);
}

#[test]
fn routes_come_in_pages() {
    let mut bench = Bench::new(2);
    bench.route(None, &[2]);
    let sources: Vec<Ipv4Addr> = (1..=5).map(|last| Ipv4Addr::new(10, 1, 0, last)).collect();
    for &source in sources.iter().rev() {
        bench.packet(1, source);
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = bench.routing.routes(bench.now, after, 2);
        let Some(last) = page.last() else {
            break;
        };
        assert!(page.len() <= 2);
        after = Some(Flow {
            group: last.group,
            source: last.source,
        });
        seen.extend(page.iter().map(|view| view.source));
    }
    assert_eq!(seen, sources);
}

#[test]
fn a_flow_that_ended_loses_its_entry() {
    let mut bench = Bench::new(2);
    bench.route(None, &[2]);
    let began = bench.now;
    bench.packet(1, source(1));
    // Ten minutes with a packet every 100 seconds, which no look at the counters sees at once.
    for _ in 0..6 {
        bench.pass(Duration::from_secs(100));
        assert_eq!(bench.packet(1, source(1)), [2]);
        assert_eq!(bench.views()[0].since, began, "it is the same entry");
    }
    bench.pass(IDLE - Duration::from_secs(1));
    assert_eq!(bench.routing.len(), 1);
    bench.pass(Duration::from_secs(71));
    assert!(bench.routing.is_empty());
    assert_eq!(bench.kernel().cached(), 0);
    assert_eq!(bench.routing.poll_timeout(), None);
    assert_eq!(bench.packet(1, source(1)), [2], "the kernel asks again");
}

#[test]
fn timeouts_that_come_too_early_do_nothing() {
    let mut bench = Bench::new(2);
    bench.route(None, &[2]);
    bench.packet(1, source(1));
    let due = bench
        .routing
        .poll_timeout()
        .expect("the entry is to be looked at");
    bench.kernel().calls.clear();
    for _ in 0..3 {
        bench.routing.handle_timeout(bench.now);
    }
    assert_eq!(bench.routing.poll_timeout(), Some(due));
    assert_eq!(bench.kernel().calls, [""; 0]);
}

#[test]
fn what_somebody_else_removed_is_made_again() {
    let mut bench = Bench::new(2);
    bench.route(None, &[2]);
    bench.packet(1, source(1));
    bench.kernel().flush();
    assert_eq!(bench.packet(1, source(1)), [2]);
    assert_eq!(bench.packet(1, source(1)), [2]);
    let forwarded = bench.views()[0].forwarded;
    // The packet before the flush may not have been read, the later ones must have been.
    assert!(forwarded.packets >= 2, "{forwarded:?}");
    assert_eq!(bench.routing.len(), 1);
}

#[test]
fn an_entry_that_the_kernel_refuses_is_asked_for_again() {
    let mut bench = Bench::new(3);
    bench.route(None, &[2]);
    bench.kernel().refuse_entries = true;
    assert_eq!(bench.packet(1, source(1)), [0_u32; 0]);
    assert_eq!(bench.routing.counters().failed, 1);
    let error = bench.routing.take_error().expect("the error is kept").to_string();
    assert!(
        error.contains("10.1.0.9") && error.contains("239.1.1.1"),
        "{error}"
    );
    assert!(bench.routing.take_error().is_none());
    assert!(bench.routing.is_empty());

    bench.kernel().refuse_entries = false;
    bench.kernel().expire_unresolved();
    assert_eq!(bench.packet(1, source(1)), [2]);
    // A change that fails must not leave the old ports.
    bench.kernel().refuse_entries = true;
    bench.route(None, &[3]);
    bench.kernel().refuse_entries = false;
    assert_eq!(bench.packet(1, source(1)), [3]);
}

#[test]
fn messages_about_what_cannot_be_forwarded_make_no_entry() {
    let mut bench = Bench::new(2);
    bench.route(None, &[2]);
    let good = Upcall {
        kind: UpcallKind::NoCache,
        vif: 0,
        source: source(1),
        group: GROUP,
    };
    let any = Ipv4Addr::UNSPECIFIED;
    let bad = [
        Upcall { source: any, ..good },
        Upcall {
            source: GROUP,
            ..good
        },
        Upcall {
            source: Ipv4Addr::BROADCAST,
            ..good
        },
        Upcall {
            group: Ipv4Addr::new(224, 0, 0, 251),
            ..good
        },
        Upcall {
            group: Ipv4Addr::new(10, 1, 1, 1),
            ..good
        },
        Upcall { group: any, ..good },
        Upcall { vif: 9, ..good },
        Upcall {
            vif: u16::MAX,
            ..good
        },
        Upcall {
            kind: UpcallKind::WrongVif,
            ..good
        },
    ];
    bench.kernel().calls.clear();
    for upcall in bad {
        bench.kernel().messages.push_back(Some(upcall));
        bench.kernel().messages.push_back(None);
        bench.answer(Rpf::Arrival);
        assert_eq!(bench.kernel().calls, [""; 0], "{upcall:?}");
    }
    bench.kernel().messages.push_back(Some(good));
    bench.answer(Rpf::Arrival);
    assert_eq!(bench.kernel().calls, ["set_entry"]);
    assert_eq!(Traffic::default(), bench.views()[0].forwarded);
}
