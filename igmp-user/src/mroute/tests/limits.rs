//! Floods, and the end of room.

use super::*;
use crate::mroute::{Upcall, UpcallKind};

fn sender(number: u16) -> Ipv4Addr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(10, 1, high, low)
}

#[test]
fn negative_entries_make_room_oldest_first() {
    let mut bench = Bench::with_room(2, 10);
    bench.route(Some(sender(1)), &[2]);
    bench.packet(1, sender(1));
    for number in 2..=10 {
        bench.now += Duration::from_millis(1);
        bench.packet(1, sender(number));
    }
    assert_eq!(bench.routing.counters().evicted, 0);
    // What changes and stays negative stays as old as it is.
    bench.now += Duration::from_millis(1);
    let one_elsewhere = |flow: Flow| Some(if flow.source == sender(2) { 2 } else { 1 });
    bench.routing.rpf_changed(bench.now, Rpf::Lookup(&one_elsewhere));
    bench.route(Some(sender(11)), &[2]);
    assert_eq!(bench.packet(1, sender(11)), [2]);
    bench.packet(1, sender(12));
    let sources: Vec<Ipv4Addr> = bench.views().iter().map(|view| view.source).collect();
    let expected: Vec<Ipv4Addr> = [1, 4, 5, 6, 7, 8, 9, 10, 11, 12].map(sender).to_vec();
    assert_eq!(sources, expected, "2 and 3 made room, 1 and 11 have members");
    let counters = bench.routing.counters();
    assert_eq!((counters.evicted, counters.refused), (2, 0));
    assert_eq!(bench.kernel().cached(), 10);
}

#[test]
fn without_negative_entries_new_flows_are_refused() {
    let mut bench = Bench::with_room(2, 3);
    bench.route(None, &[2]);
    for number in 1..=5 {
        bench.packet(1, sender(number));
    }
    let counters = bench.routing.counters();
    assert_eq!(
        (counters.installed, counters.evicted, counters.refused),
        (3, 0, 2)
    );
    assert_eq!(
        bench.packet(1, sender(1)),
        [2],
        "those that have an entry keep it"
    );
    assert_eq!(bench.routing.len(), 3);

    // Nobody wants the group any more: all three are negative now.
    bench.no_route(None);
    bench.kernel().expire_unresolved();
    bench.packet(1, sender(6));
    assert_eq!(bench.routing.counters().evicted, 1);
}

#[test]
fn what_was_counted_for_an_evicted_entry_is_kept() {
    let mut bench = Bench::with_room(2, 1);
    for number in 1..=100 {
        bench.packet(1, sender(number));
    }
    bench.routing.read_counters(bench.now);
    let counted = bench.routing.slot_counters(1).expect("the slot is served");
    assert_eq!(counted.no_members, 100);
}

#[test]
fn a_flood_is_answered_in_batches_and_at_a_rate() {
    let mut bench = Bench::with_room(2, 100);
    for number in 0..20_000 {
        let upcall = Upcall {
            kind: UpcallKind::NoCache,
            vif: 0,
            source: sender(number),
            group: GROUP,
        };
        bench.kernel().messages.push_back(Some(upcall));
    }
    let began = bench.now;
    let mut answered_at_once = 0;
    let mut before = bench.kernel().messages.len();
    loop {
        let outcome = bench.routing.receive(bench.now, Rpf::Lookup(&on_its_network));
        let left = bench.kernel().messages.len();
        assert!(before - left <= 64, "one call takes a batch");
        if bench.now == began {
            answered_at_once += before - left;
        }
        before = left;
        match outcome {
            Received::Empty => break,
            Received::More => {}
            Received::Paused(later) => {
                assert!(later > bench.now);
                bench.now = later;
            }
        }
    }
    let took = bench.now.since(began).as_secs_f64();
    assert_eq!(answered_at_once, 5_000);
    assert!((3.0..3.1).contains(&took), "15,000 at 5,000 a second took {took}");
    assert!(bench.routing.len() <= 100);
}

#[test]
fn looking_at_many_entries_is_done_in_batches() {
    let mut bench = Bench::with_room(2, 1_000);
    for number in 0..1_000 {
        bench.packet(1, sender(number));
    }
    // The first look sees the packets that made the entries.
    bench.pass(Duration::from_secs(70));
    bench.now += Duration::from_secs(1_000);
    let mut calls = 0;
    while bench.routing.poll_timeout().is_some_and(|due| due <= bench.now) {
        let before = bench.routing.len();
        bench.routing.handle_timeout(bench.now);
        assert!(before - bench.routing.len() <= 256);
        calls += 1;
    }
    assert_eq!(calls, 4);
    assert!(bench.routing.is_empty());
}
