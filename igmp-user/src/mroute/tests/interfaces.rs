//! Interfaces that come and go.

use super::*;
use crate::mroute::{MAX_VIFS, SlotCounters};

#[test]
fn the_thirty_third_interface_is_reported_once_and_served_when_there_is_room() {
    let mut bench = Bench::new(32);
    bench.kernel().interfaces.extend((33..=34).map(ifindex));
    let errors = bench.interfaces(&wanted(1..=34));
    let sentences: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(sentences.len(), 2);
    for (sentence, name) in sentences.iter().zip(["if33", "if34"]) {
        assert!(sentence.contains(name) && sentence.contains("32"), "{sentence}");
    }
    assert!(bench.interfaces(&wanted(1..=34)).is_empty(), "once is enough");
    assert_eq!(
        bench.routing.unserved().keys().copied().collect::<Vec<_>>(),
        [33, 34]
    );
    assert_eq!(bench.kernel().vif_count(), MAX_VIFS);

    bench.route(None, &[2, 33]);
    assert_eq!(bench.packet(1, source(1)), [2]);

    let mut fewer = wanted(1..=34);
    fewer.remove(&7);
    assert!(bench.interfaces(&fewer).is_empty());
    assert_eq!(bench.packet(1, source(1)), [2, 33], "it took the place");
    assert_eq!(bench.packet(33, source(33)), [2]);

    let errors = bench.interfaces(&wanted(1..=34));
    assert_eq!(errors.len(), 1, "the place is taken, and this is news");
    assert!(errors[0].to_string().contains("on if7:"));
}

#[test]
fn an_interface_that_was_not_wanted_meanwhile_is_reported_again() {
    let mut bench = Bench::new(32);
    bench.kernel().interfaces.insert(ifindex(33));
    for _ in 0..2 {
        assert_eq!(bench.interfaces(&wanted(1..=33)).len(), 1);
        assert!(bench.interfaces(&wanted(1..=32)).is_empty());
        assert!(bench.routing.unserved().is_empty());
    }
}

#[test]
fn an_interface_that_comes_back_under_another_index_is_served_again() {
    let mut bench = Bench::new(3);
    bench.route(None, &[2, 3]);
    assert_eq!(bench.packet(1, source(1)), [2, 3]);
    assert_eq!(bench.packet(2, source(2)), [3]);

    bench.kernel().unregister(ifindex(2));
    bench.interfaces(&wanted([1, 3]));
    assert_eq!(bench.packet(1, source(1)), [3]);
    assert_eq!(bench.routing.len(), 1, "what arrived there is forgotten");

    let mut returned = wanted(1..=3);
    returned.insert(
        2,
        VifWanted {
            ifindex: ifindex(20),
            name: "if2".to_owned(),
        },
    );
    bench.kernel().interfaces.insert(ifindex(20));
    assert!(bench.interfaces(&returned).is_empty());
    assert_eq!(bench.packet(1, source(1)), [3, 20]);
    assert_eq!(bench.packet(20, source(2)), [3]);
}

#[test]
fn an_interface_that_was_made_anew_under_the_same_index_is_noticed() {
    let mut bench = Bench::new(2);
    bench.route(None, &[2]);
    bench.packet(1, source(1));
    bench.kernel().unregister(ifindex(2));
    bench.kernel().interfaces.insert(ifindex(2));
    assert_eq!(bench.packet(1, source(1)), [0_u32; 0]);
    bench.interfaces(&wanted(1..=2));
    assert_eq!(bench.packet(1, source(1)), [2]);
}

/// The kernel's entries hold numbers, and go on to hold them when these mean other interfaces.
#[test]
fn a_number_that_is_used_again_inherits_no_packets() {
    let mut bench = Bench::new(3);
    bench.kernel().interfaces.insert(ifindex(4));
    bench.route(None, &[2, 3]);
    bench.packet(1, source(1));
    bench.packet(3, source(3));
    // Slot 4 gets the number that slot 3 had.
    bench.interfaces(&wanted([1, 2, 4]));
    assert_eq!(bench.packet(1, source(1)), [2]);
    assert_eq!(bench.packet(4, source(3)), [0_u32; 0]);
    bench.route(None, &[4]);
    assert_eq!(bench.packet(1, source(1)), [4]);
}

#[test]
fn a_new_interface_may_be_the_way_to_a_source() {
    let mut bench = Bench::new(2);
    bench.kernel().interfaces.insert(ifindex(3));
    bench.route(None, &[2]);
    assert_eq!(bench.packet(1, source(3)), [0_u32; 0]);
    bench.interfaces(&wanted(1..=3));
    assert_eq!(bench.packet(3, source(3)), [2]);
    assert_eq!(bench.packet(1, source(3)), [0_u32; 0]);
}

#[test]
fn an_interface_that_the_kernel_refuses_is_reported_and_tried_again() {
    let mut bench = Bench::new(2);
    let errors = bench.interfaces(&wanted(1..=3));
    assert_eq!(errors.len(), 1);
    let sentence = errors[0].to_string();
    assert!(
        sentence.contains("if3") && sentence.contains("refused"),
        "{sentence}"
    );
    assert!(bench.interfaces(&wanted(1..=3)).is_empty());
    bench.kernel().interfaces.insert(ifindex(3));
    assert!(bench.interfaces(&wanted(1..=3)).is_empty());
    bench.route(None, &[3]);
    assert_eq!(bench.packet(1, source(1)), [3]);
    assert!(bench.routing.unserved().is_empty());
}

#[test]
fn counters_stay_with_the_name_of_an_interface() {
    let mut bench = Bench::new(2);
    bench.route(None, &[2]);
    for _ in 0..3 {
        bench.packet(1, source(1));
    }
    let counted = |bench: &mut Bench| bench.routing.slot_counters(2).expect("the slot is known");
    bench.interfaces(&wanted([1]));
    assert_eq!(counted(&mut bench).forwarded, traffic(3));
    bench.interfaces(&wanted(1..=2));
    bench.packet(1, source(1));
    assert_eq!(counted(&mut bench).forwarded, traffic(4));
    // The kernel may be first, and take the counters with it: what was read is kept.
    bench.kernel().unregister(ifindex(2));
    bench.interfaces(&wanted([1]));
    assert_eq!(counted(&mut bench).forwarded, traffic(4));

    bench.kernel().interfaces.insert(ifindex(2));
    let mut renamed = wanted(1..=2);
    renamed.insert(
        2,
        VifWanted {
            ifindex: ifindex(2),
            name: "other0".to_owned(),
        },
    );
    bench.interfaces(&renamed);
    assert_eq!(counted(&mut bench), SlotCounters::default());
}

#[test]
fn interfaces_that_stay_cost_nothing() {
    let mut bench = Bench::new(3);
    bench.route(None, &[2]);
    bench.packet(1, source(1));
    bench.kernel().calls.clear();
    assert!(bench.interfaces(&wanted(1..=3)).is_empty());
    assert_eq!(bench.kernel().calls, [""; 0]);
}
