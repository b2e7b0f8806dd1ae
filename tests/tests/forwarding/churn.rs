//! Members that come and go while others listen: the others miss nothing.

use std::net::Ipv4Addr;

use tests::{
    Packet,
    packet::{ALLOW, Record, TO_EX, TO_IN},
    stream::{
        Datapath, Site,
        message::now,
        site::{OTHER_SOURCE, SOURCE, accept_redirects},
    },
};

use crate::common::{GROUP, reporter, wait_quickly};

/// Packets a second. The queues on the way have room for what comes within a tenth of a second.
const RATE: u32 = 2_000;
/// The same while a port set is made, which takes some tens of milliseconds.
const SLOW: u32 = 40;

/// Whether packets have to come in the order in which they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Kept,
    Any,
}

/// Lets a member on `lan2` come with one report and go with another this often, each time until data arrived and stopped,
/// while `lan1` listens, and sees that `lan1` misses nothing.
fn churn(site: &Site, rounds: usize, join: &Record, order: Order) {
    let igmpd = site.start_with(&site.config_with("", "[igmp]\nimmediate-leave = true\n", "", ""));
    site.join(&igmpd, 1, GROUP);
    let monitor = igmpd.monitor();
    let raw = reporter(site, 2);
    let member = Ipv4Addr::new(10, 1, 2, 66);
    let join = Packet::v3_report(member, std::slice::from_ref(join));
    let leave = Packet::v3_report(member, &[Record::new(TO_IN, GROUP, &[])]);
    let tap = &site.station(2).tap;
    let come = || {
        let joined_at = now();
        raw.send(&join);
        wait_quickly("data to arrive", || {
            tap.latest(GROUP).is_some_and(|at| at > joined_at)
        });
    };
    let go = |round| {
        raw.send(&leave);
        wait_quickly("the member to have left", || {
            monitor.count(|event| event.event == "group-left" && event.interface_name == "lan2") == round
        });
    };
    // The port set of both is made when the second member comes for the first time. Until then the stack carries what goes
    // there, and may overtake what was redirected just before, unless packets come one by one.
    let stream = site.send_to(GROUP).start(SLOW);
    come();
    stream.wait_more(10);
    go(1);
    let stream = stream.stop().start(RATE);
    for round in 2..=rounds {
        come();
        go(round);
    }
    stream.wait_more(100);
    let sender = stream.stop();
    site.settle();
    let stayed = site.station(1);
    let ways = [stayed.got(&sender), stayed.saw(&sender)];
    for arrivals in ways {
        match order {
            Order::Kept => arrivals.assert_exactly("who stayed", sender.sent()),
            Order::Any => arrivals.assert_all("who stayed", sender.sent()),
        }
    }
    if order == Order::Kept {
        site.station(2).saw(&sender).assert_in_order("who came and went");
    }
    assert_eq!(site.station(3).saw(&sender).count(), 0, "who never joined");
}

on_datapaths!(a_second_member_of_all_sources: native Native, plain Plain);

fn a_second_member_of_all_sources(datapath: Datapath) {
    let join = Record::new(TO_EX, GROUP, &[]);
    churn(&Site::new(datapath, 3), 1_000, &join, Order::Kept);
}

// The route of the source comes and goes beside that of the group.
on_datapaths!(a_second_member_of_one_source: native Native, plain Plain, generic Generic);

fn a_second_member_of_one_source(datapath: Datapath) {
    churn(
        &Site::new(datapath, 3),
        200,
        &Record::new(ALLOW, GROUP, &[SOURCE]),
        Order::Kept,
    );
}

// A list of excluded sources makes a route for one that never sends.
#[test]
fn a_second_member_that_excludes_a_source() {
    churn(
        &Site::new(Datapath::Plain, 3),
        200,
        &Record::new(TO_EX, GROUP, &[OTHER_SOURCE]),
        Order::Kept,
    );
}

/// The second member is one that frames cannot be redirected to: with each of its joins all data changes its way. A packet that
/// takes the stack then may overtake those that were redirected before it in the same batch of the driver.
#[test]
fn a_second_member_of_the_other_kind() {
    let site = Site::new(Datapath::Plain, 3);
    site.compute_checksums();
    accept_redirects(&site.station(1).host);
    churn(&site, 500, &Record::new(TO_EX, GROUP, &[]), Order::Any);
}
