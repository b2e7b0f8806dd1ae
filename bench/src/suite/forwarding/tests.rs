//! What is counted is what was sent.

use super::*;
use crate::site::alone;

#[test]
fn everybody_delivers_everything_to_every_port() {
    let _alone = alone();
    let arguments = Arguments::for_tests();
    for ports in [1, 2] {
        for rival in Rival::ALL {
            let mut forwarder = Forwarder::start(&arguments, rival, ports, 3)
                .unwrap_or_else(|error| panic!("{}: {error:#}", rival.name()));
            for (len, groups) in [(64, 1), (1_400, 3)] {
                forwarder.site.choose(len, groups).expect("frames");
                for sent in [
                    forwarder.site.send(1_000).expect("live frames"),
                    forwarder.site.send_through_socket(256).expect("a packet socket"),
                ] {
                    assert_eq!(turn::loss(&sent), None, "{} with {ports} ports", rival.name());
                    assert_eq!(sent.arrived.len(), ports as usize);
                    for sink in &sent.arrived {
                        assert_eq!(sink.packets, sent.frames, "{}", rival.name());
                        assert_eq!(sink.bytes, sent.frames * len as u64, "{}", rival.name());
                    }
                }
            }
        }
    }
}

#[test]
fn packets_that_do_not_arrive_are_told() {
    let _alone = alone();
    let mut forwarder = Forwarder::start(&Arguments::for_tests(), Rival::Igmpd, 1, 3).expect("a router");
    // Every fourth packet goes to a group without members.
    forwarder.site.choose(64, 4).expect("frames");
    let sent = forwarder.site.send(100).expect("live frames");
    assert_eq!(sent.arrived.iter().map(|sink| sink.packets).sum::<u64>(), 75);
    assert_eq!(sent.arrived.iter().map(|sink| sink.lost).sum::<u64>(), 25);
    let error = turn::take(&mut forwarder, Load::Live, 100).expect_err("25 do not arrive");
    assert!(error.to_string().contains("75 of 100"), "{error:#}");
}

#[test]
fn a_missing_contestant_is_a_remark() {
    let _alone = alone();
    let mut arguments = Arguments::for_tests();
    arguments.contestants = "/nonexistent".into();
    let effort = Effort {
        repetitions: 1,
        quick: true,
    };
    let section = measure(&arguments, &effort).expect("igmpd is there");
    assert!(
        section
            .remarks
            .iter()
            .any(|text| text.contains("smcroute is missing")),
        "{:?}",
        section.remarks
    );
    assert!(section.goals.iter().all(|goal| !goal.is_met()));
    assert!(!section.tables.is_empty());
}
