//! Hellos, neighbours and the Designated Router, by the sections of RFC 7761.

use core::net::Ipv4Addr;

use igmp_core::{
    Duration, InterfaceId, PimEvent,
    pim::{Hello, JoinPrune, LanPruneDelay, Message, PimConfig, PimInterfaceConfig},
};
use igmp_wire::{
    emit,
    pim::{self as wire, HEADER_LEN},
};

use crate::bench::{Bench, LAN, OWN, at, hello};

/// §4.3.1: the Hello Timer begins with rand(0, Triggered_Hello_Delay) and runs for Hello_Period from then on.
#[test]
fn hellos_are_periodic_after_a_random_delay() {
    let mut first = Vec::new();
    for seed in 0..200 {
        let mut bench = Bench::empty(seed, PimConfig::default());
        bench.up(Some(PimInterfaceConfig::default()), Some(OWN), &[]);
        bench.run_to(100.0);
        let times = bench.times();
        assert!((0.0..=5.0).contains(&times[0]), "{times:?}");
        for (index, time) in times.iter().enumerate() {
            assert!((time - times[0] - 30.0 * index as f64).abs() < 1e-6, "{times:?}");
        }
        assert_eq!(times.len(), 4);
        first.push(times[0]);
    }
    // All of the range is used.
    let [least, most] = [f64::min, f64::max].map(|pick| first.iter().copied().reduce(pick).expect("some"));
    assert!(least < 0.2 && most > 4.8, "{least} {most}");
}

/// §4.3.1 and §4.9.2: all options, and values of §4.11.
#[test]
fn a_hello_says_everything() {
    let mut bench = Bench::new();
    bench.up(Some(PimInterfaceConfig::default()), Some(OWN), &[20, OWN, 21]);
    bench.run_to(5.0);
    let said = bench.said.remove(0);
    assert_eq!(said.source, at(OWN));
    assert_eq!(
        said.hello,
        Hello {
            hold_time: Some(105),
            lan_prune_delay: Some(LanPruneDelay {
                tracking: false,
                propagation_delay: 500,
                override_interval: 2_500,
            }),
            dr_priority: Some(1),
            generation_id: bench.view().generation_id,
            // The primary address MUST NOT be listed (§4.3.4).
            secondary_addresses: vec![at(20), at(21)],
        }
    );
    let config = PimInterfaceConfig {
        dr_priority: 4_000_000_000,
        hello_interval: Duration::from_secs(10),
        propagation_delay: Duration::from_millis(700),
        override_interval: Duration::from_millis(1_500),
    };
    bench.up(Some(config), Some(OWN), &[]);
    let said = bench.said.remove(0);
    assert_eq!(
        said.hello,
        Hello {
            hold_time: Some(35),
            lan_prune_delay: Some(LanPruneDelay {
                tracking: false,
                propagation_delay: 700,
                override_interval: 1_500,
            }),
            dr_priority: Some(4_000_000_000),
            generation_id: bench.view().generation_id,
            secondary_addresses: Vec::new(),
        }
    );
    bench.run_to(26.0);
    assert_eq!(bench.times(), [15.0, 25.0]);
}

/// §4.11: 3.5 times Hello_Period. Whole seconds, never 0, which is a goodbye, and never 0xffff, which has no end
/// (§4.9.2).
#[test]
fn the_hold_time_follows_from_the_interval() {
    let cases = [
        (1_000, 4),
        (2_000, 7),
        (10_000, 35),
        (30_000, 105),
        (100, 1),
        (18_000_000, 63_000),
        (18_724_000, 65_534),
        (100_000_000, 65_534),
    ];
    for (millis, expected) in cases {
        let mut bench = Bench::empty(5, PimConfig::default());
        let config = PimInterfaceConfig {
            hello_interval: Duration::from_millis(millis),
            ..PimInterfaceConfig::default()
        };
        bench.up(Some(config), Some(OWN), &[]);
        bench.run_to(5.0);
        assert_eq!(bench.said[0].hello.hold_time, Some(expected), "{millis} ms");
    }
}

/// A message never exceeds the MTU: secondary addresses are told as far as there is room.
#[test]
fn a_hello_fits_into_the_mtu() {
    for (mtu, count) in [(1500, 300), (576, 300), (100, 300), (68, 2), (0, 2)] {
        let addresses: Vec<Ipv4Addr> = (0..count)
            .map(|number: u32| Ipv4Addr::from_bits(0x0a01_0000 + number))
            .collect();
        let mut bench = Bench::empty(5, PimConfig::default());
        bench.event(PimEvent::InterfaceUp {
            interface: LAN,
            config: Some(PimInterfaceConfig::default()),
            address: Some(at(OWN)),
            secondary_addresses: addresses.clone(),
            mtu,
        });
        bench.run_to(5.0);
        let told = &bench.said[0].hello;
        let len = |secondary_addresses: &[Ipv4Addr]| {
            let said = emit::pim::Hello {
                holdtime: told.hold_time,
                lan_prune_delay: told.lan_prune_delay.map(|delay| wire::LanPruneDelay {
                    tracking: delay.tracking,
                    propagation_delay: delay.propagation_delay,
                    override_interval: delay.override_interval,
                }),
                dr_priority: told.dr_priority,
                generation_id: told.generation_id,
                secondary_addresses,
            };
            20 + emit::pim::Message::Hello(said).buffer_len()
        };
        let told = &told.secondary_addresses;
        assert_eq!(*told, addresses[..told.len()]);
        assert!(
            told.is_empty() || len(told) <= mtu as usize,
            "{} of {mtu}",
            told.len()
        );
        assert!(
            len(&addresses[..=told.len()]) > mtu as usize,
            "there is room in {mtu}"
        );
        assert!(len(&[]) > 20 + HEADER_LEN);
    }
}

/// §4.3.1: a new neighbour hears a Hello within Triggered_Hello_Delay, and so does one with a new Generation ID. The
/// Hello Timer goes on as it was.
#[test]
fn a_new_neighbor_is_greeted() {
    let restarted = Hello {
        generation_id: Some(78),
        ..hello()
    };
    let mut delays = Vec::new();
    for seed in 0..200 {
        let mut bench = Bench::empty(seed, PimConfig::default());
        bench.up(Some(PimInterfaceConfig::default()), Some(OWN), &[]);
        bench.run_to(6.0);
        let begin = bench.times()[0];
        for (from, message) in [(10.0, &hello()), (20.0, &restarted)] {
            bench.run_to(from);
            bench.hear(5, message);
            // Another one in between hears the same Hello.
            bench.hear(6, message);
            bench.hear(5, message);
            bench.run_to(from + 9.0);
            let times = bench.times();
            assert_eq!(times.len(), 1);
            assert!((from..=from + 5.0).contains(&times[0]), "{times:?}");
            delays.push(times[0] - from);
        }
        bench.run_to(begin + 60.1);
        let times = bench.times();
        let expected = [begin + 30.0, begin + 60.0];
        assert!(
            times
                .iter()
                .zip(expected)
                .all(|(time, expected)| (time - expected).abs() < 1e-6),
            "{times:?}"
        );
        assert_eq!(times.len(), 2);
    }
    let [least, most] = [f64::min, f64::max].map(|pick| delays.iter().copied().reduce(pick).expect("some"));
    assert!(least < 0.2 && most > 4.8, "{least} {most}");
}

/// §4.3.1: before an interface goes down or changes its address a Hello with hold time 0 is sent, from the old address.
#[test]
fn goodbyes_are_said_from_the_old_address() {
    type Step = fn(&mut Bench);
    type Said = (Ipv4Addr, Option<u16>);
    let own = at(OWN);
    let cases: [(Step, &[Said]); 7] = [
        (|bench| bench.down(), &[(own, Some(0))]),
        (|bench| bench.close(), &[(own, Some(0))]),
        (|bench| bench.up(None, Some(OWN), &[]), &[(own, Some(0))]),
        (
            |bench| bench.up(Some(PimInterfaceConfig::default()), Some(99), &[]),
            &[(own, Some(0)), (at(99), Some(105))],
        ),
        (
            |bench| bench.up(Some(PimInterfaceConfig::default()), None, &[]),
            &[(own, Some(0))],
        ),
        // A secondary address changes: the list is sent at once.
        (
            |bench| bench.up(Some(PimInterfaceConfig::default()), Some(OWN), &[20]),
            &[(own, Some(105))],
        ),
        (
            |bench| bench.up(Some(PimInterfaceConfig::default()), Some(OWN), &[]),
            &[],
        ),
    ];
    for (index, (step, expected)) in cases.into_iter().enumerate() {
        let mut bench = Bench::new();
        bench.run_to(8.0);
        bench.said.clear();
        step(&mut bench);
        assert_eq!(bench.hold_times(), *expected, "case {index}");
    }
}

/// Who was not greeted yet need not hear a goodbye.
#[test]
fn there_is_no_goodbye_without_a_hello() {
    let mut bench = Bench::new();
    bench.down();
    bench.run_to(100.0);
    assert_eq!(bench.said, []);
}

/// §4.3.1: the Generation ID is another one each time PIM is started on the interface, and stays the same until then.
#[test]
fn the_generation_id_changes_with_each_start() {
    let mut bench = Bench::new();
    let config = || Some(PimInterfaceConfig::default());
    let mut seen = vec![bench.view().generation_id];
    for round in 1..=3 {
        let begin = f64::from(round) * 500.0;
        bench.run_to(begin);
        let last = *seen.last().expect("some");
        assert!(bench.said.drain(..).all(|said| said.hello.generation_id == last));
        match round {
            1 => bench.down(),
            2 => bench.up(None, Some(OWN), &[]),
            _ => bench.up(config(), None, &[]),
        }
        bench.up(config(), Some(OWN), &[]);
        let goodbye = bench.said.remove(0);
        assert_eq!(
            (goodbye.hello.hold_time, goodbye.hello.generation_id),
            (Some(0), last)
        );
        seen.push(bench.view().generation_id);
    }
    assert!(seen.iter().all(Option::is_some));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

/// §4.3.2: `NLT(N,I)` is set to the Holdtime of the Hello, or to Default_Hello_Holdtime without one (§4.11).
#[test]
fn neighbors_time_out() {
    // Hold time, and after how many seconds the neighbour is gone.
    let cases = [
        (Some(1), Some(1.0)),
        (Some(10), Some(10.0)),
        (Some(105), Some(105.0)),
        (None, Some(105.0)),
        (Some(0xfffe), Some(65_534.0)),
        (Some(0xffff), None),
        (Some(0), Some(0.0)),
    ];
    for (hold_time, expected) in cases {
        let mut bench = Bench::new();
        bench.run_to(100.0);
        bench.hear(5, &hello());
        bench.run_to(200.0);
        bench.hear(5, &Hello { hold_time, ..hello() });
        let end = match expected {
            Some(0.0) => {
                assert_eq!(bench.neighbors(), [0_u8; 0]);
                continue;
            }
            Some(seconds) => seconds,
            None => 10_000_000.0,
        };
        let view = bench.pim.neighbors(bench.now).next().expect("a neighbour");
        let left = view.expires.map(|expires| expires.since(bench.now).as_secs_f64());
        assert_eq!(left, expected);
        assert_eq!(view.hold_time, hold_time.unwrap_or(105));
        bench.run_to(200.0 + end - 0.001);
        assert_eq!(bench.neighbors(), [5], "{hold_time:?}");
        if expected.is_some() {
            bench.run_to(200.0 + end);
            assert_eq!(bench.neighbors(), [0_u8; 0], "{hold_time:?}");
            assert_eq!(bench.told.last().map(String::as_str), Some("5 down: timeout"));
        }
    }
}

/// §4.3.2, `DR(I)` and `dr_is_better`. Priorities and addresses of this router and of its neighbours, and who is the
/// DR.
#[test]
fn the_designated_router_is_elected() {
    type Router = (Option<u32>, u8);
    let cases: [((u32, u8), &[Router], u8); 12] = [
        ((1, 10), &[], 10),
        ((1, 10), &[(Some(1), 5)], 10),
        ((1, 10), &[(Some(1), 20)], 20),
        ((2, 10), &[(Some(1), 20)], 10),
        ((1, 10), &[(Some(2), 5)], 5),
        ((1, 10), &[(Some(2), 5), (Some(2), 6), (Some(1), 200)], 6),
        // Zero is a priority as any other.
        ((0, 10), &[(Some(0), 5)], 10),
        ((0, 10), &[(Some(1), 5)], 5),
        ((u32::MAX - 1, 10), &[(Some(u32::MAX), 5)], 5),
        // One neighbour without priority, and only addresses count.
        ((9, 10), &[(None, 20)], 20),
        ((1, 10), &[(Some(9), 5), (None, 6)], 10),
        ((1, 10), &[(Some(9), 30), (None, 40), (Some(3), 35)], 40),
    ];
    for ((dr_priority, own), neighbors, expected) in cases {
        let mut bench = Bench::empty(3, PimConfig::default());
        let config = PimInterfaceConfig {
            dr_priority,
            ..PimInterfaceConfig::default()
        };
        bench.up(Some(config), Some(own), &[]);
        for &(dr_priority, number) in neighbors {
            bench.hear(
                number,
                &Hello {
                    dr_priority,
                    ..hello()
                },
            );
        }
        let view = bench.view();
        assert_eq!(view.dr, Some(at(expected)), "{own} and {neighbors:?}");
        assert_eq!(view.is_dr, own == expected);
        assert_eq!(view.neighbors_count, neighbors.len());
        bench.run_to(106.0);
        assert_eq!(bench.view().dr, Some(at(own)), "alone again");
    }
}

/// §4.3.2: the DR changes with Hellos, with the end of neighbours and with this router's own priority.
#[test]
fn operators_hear_of_neighbors_and_of_the_designated_router() {
    let mut bench = Bench::new();
    let said = |bench: &mut Bench| core::mem::take(&mut bench.told).join(", ");
    assert_eq!(said(&mut bench), "DR 10");
    bench.hear(20, &hello());
    assert_eq!(said(&mut bench), "20 up, DR 20");
    bench.hear(20, &hello());
    bench.hear(5, &hello());
    assert_eq!(said(&mut bench), "5 up");
    let important = PimInterfaceConfig {
        dr_priority: 2,
        ..PimInterfaceConfig::default()
    };
    bench.up(Some(important.clone()), Some(OWN), &[]);
    assert_eq!(said(&mut bench), "DR 10");
    bench.hear(
        20,
        &Hello {
            dr_priority: Some(3),
            ..hello()
        },
    );
    assert_eq!(said(&mut bench), "DR 20");
    bench.hear(
        20,
        &Hello {
            generation_id: Some(78),
            ..hello()
        },
    );
    assert_eq!(said(&mut bench), "20 down: restarted, 20 up, DR 10");
    bench.run_to(60.0);
    bench.hear(5, &hello());
    bench.run_to(106.0);
    assert_eq!(said(&mut bench), "20 down: timeout");
    bench.up(Some(important), Some(99), &[]);
    assert_eq!(said(&mut bench), "DR 99");
    bench.hear(
        5,
        &Hello {
            hold_time: Some(0),
            ..hello()
        },
    );
    assert_eq!(said(&mut bench), "5 down: goodbye");
    bench.hear(6, &hello());
    said(&mut bench);
    bench.down();
    assert_eq!(said(&mut bench), "6 down: interface");
}

/// Neighbours stay where the interface has no address, and act for its members then.
#[test]
fn without_an_address_a_neighbor_is_designated() {
    let mut bench = Bench::empty(3, PimConfig::default());
    bench.up(Some(PimInterfaceConfig::default()), None, &[]);
    let view = bench.view();
    assert_eq!((view.dr, view.is_dr, view.next_hello), (None, true, None));
    assert_eq!(view.generation_id, None);
    bench.hear(5, &hello());
    let view = bench.view();
    assert_eq!((view.dr, view.is_dr), (Some(at(5)), false));
    bench.run_to(50.0);
    assert_eq!(bench.said, []);
    bench.up(Some(PimInterfaceConfig::default()), Some(OWN), &[]);
    let view = bench.view();
    assert_eq!((view.dr, view.is_dr), (Some(at(OWN)), true));
    bench.run_to(55.0);
    assert_eq!(bench.said.len(), 1);
}

/// An interface without PIM: nothing is sent, and nobody is heard.
#[test]
fn an_interface_without_pim_is_silent() {
    let mut bench = Bench::empty(3, PimConfig::default());
    bench.up(None, Some(OWN), &[]);
    bench.hear(5, &hello());
    bench.run_to(500.0);
    assert_eq!(bench.said, []);
    assert_eq!(bench.told, [""; 0]);
    assert_eq!(bench.pim.interface(LAN), None);
    assert_eq!(bench.pim.interfaces().count(), 0);
    assert_eq!(bench.pim.refusals(LAN).not_enabled, 1);
    bench.event(PimEvent::Message {
        interface: InterfaceId(7),
        sender: at(5),
        message: Message::Hello(hello()),
    });
    assert_eq!(bench.pim.refusals(InterfaceId(7)).not_enabled, 1);
}

/// §4.3.1: messages of who has not said Hello do not count; §4.9.2: unknown options change nothing, so that a Hello
/// without any makes a neighbour.
#[test]
fn joins_count_after_a_hello_alone() {
    let mut bench = Bench::new();
    let join = || {
        Message::JoinPrune(JoinPrune {
            upstream_neighbor: at(OWN),
            hold_time: 210,
            groups: Vec::new(),
        })
    };
    bench.message(at(5), join());
    assert_eq!(bench.view().refusals.unknown_neighbor, 1);
    bench.hear(5, &Hello::default());
    assert_eq!(bench.neighbors(), [5]);
    bench.message(at(5), join());
    assert_eq!(bench.view().refusals.unknown_neighbor, 1);
    bench.message(at(OWN), join());
    assert_eq!(bench.view().refusals.own_address, 1);
}

/// As many neighbours as are allowed: no more are taken in, those that there are stay, and the log hears of it once a
/// minute.
#[test]
fn there_is_a_limit_of_neighbors() {
    let config = PimConfig {
        max_neighbors: 2,
        ..PimConfig::default()
    };
    let mut bench = Bench::empty(3, config);
    bench.up(Some(PimInterfaceConfig::default()), Some(OWN), &[]);
    for number in 20..30 {
        bench.hear(number, &hello());
        bench.hear(20, &hello());
    }
    assert_eq!(bench.neighbors(), [20, 21]);
    assert_eq!(bench.view().refusals.limit, 8);
    let warnings = |bench: &Bench| {
        let told = bench.told.iter();
        told.filter(|text| text.contains("TooManyNeighbors")).count()
    };
    assert_eq!(warnings(&bench), 1);
    bench.run_to(59.0);
    bench.hear(30, &hello());
    assert_eq!(warnings(&bench), 1);
    bench.run_to(60.0);
    bench.hear(31, &hello());
    assert_eq!(warnings(&bench), 2);
    bench.hear(
        20,
        &Hello {
            hold_time: Some(0),
            ..hello()
        },
    );
    bench.hear(30, &hello());
    assert_eq!(bench.neighbors(), [21, 30]);
}
