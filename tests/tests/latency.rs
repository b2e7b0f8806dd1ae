//! How long after a report the first packet of a running stream arrives.
//!
//! This has a program of its own because it measures time: the programs of the tests run one after another.

use std::{
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use tests::{
    PATIENCE, Packet, RawSocket,
    packet::{Record, TO_EX, TO_IN},
    stream::{Datapath, Site, message::now},
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
/// How often a member joins.
const JOINS: usize = 200;
/// Packets a second: one arrives no later than 0.1 ms after another.
const RATE: u32 = 10_000;
/// What half of the joins have to be done within.
const MEDIAN: Duration = Duration::from_millis(1);

#[track_caller]
fn wait_quickly(what: &str, mut look: impl FnMut() -> bool) {
    let start = Instant::now();
    while !look() {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        thread::sleep(Duration::from_micros(500));
    }
}

fn latency(datapath: Datapath) {
    let site = Site::new(datapath, 2);
    let igmpd = site.start_with(&site.config_with("", "[igmp]\nimmediate-leave = true\n", "", ""));
    let monitor = igmpd.monitor();
    let raw = RawSocket::open(site.station(1).host.namespace(), "eth0");
    let member = Ipv4Addr::new(10, 1, 1, 66);
    let join = Packet::v3_report(member, &[Record::new(TO_EX, GROUP, &[])]);
    let leave = Packet::v3_report(member, &[Record::new(TO_IN, GROUP, &[])]);
    let tap = &site.station(1).tap;
    let stream = site.send_to(GROUP).start(RATE);
    let mut joined_at = Vec::new();
    for round in 1..=JOINS {
        joined_at.push(now());
        raw.send(&join);
        wait_quickly("data to arrive", || {
            tap.latest(GROUP).is_some_and(|at| at > joined_at[round - 1])
        });
        raw.send(&leave);
        wait_quickly("the member to have left", || {
            monitor.count(|event| event.event == "group-left" && event.interface_name == "lan1") == round
        });
    }
    drop(stream);
    let frames = tap.to(GROUP);
    let mut took: Vec<Duration> = joined_at
        .iter()
        .map(|&at| {
            let first = frames
                .iter()
                .find(|frame| frame.at > at)
                .expect("data after each join");
            first.at - at
        })
        .collect();
    took.sort();
    let (least, median, nearly_all, most) = (took[0], took[JOINS / 2], took[JOINS * 9 / 10], took[JOINS - 1]);
    println!(
        "{datapath:?}: from a report to the first packet, {JOINS} times: least {least:?}, median {median:?}, \
         9 of 10 within {nearly_all:?}, most {most:?}"
    );
    assert!(median < MEDIAN, "{median:?}");
}

#[test]
fn the_first_packet_after_a_report() {
    // One after the other, so that neither disturbs the other.
    for datapath in [Datapath::Native, Datapath::Plain, Datapath::Generic] {
        latency(datapath);
    }
}
