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

/// Lets a member on `lan2` come with one report and go with another this often, each time until data arrived and stopped,
/// while `lan1` listens, and sees that `lan1` misses nothing.
fn churn(site: &Site, rounds: usize, join: &Record) {
    let igmpd = site.start_with(&site.config_with("", "[igmp]\nimmediate-leave = true\n", "", ""));
    site.join(&igmpd, 1, GROUP);
    let monitor = igmpd.monitor();
    let raw = reporter(site, 2);
    let member = Ipv4Addr::new(10, 1, 2, 66);
    let join = Packet::v3_report(member, std::slice::from_ref(join));
    let leave = Packet::v3_report(member, &[Record::new(TO_IN, GROUP, &[])]);
    let stream = site.send_to(GROUP).start(RATE);
    let tap = &site.station(2).tap;
    for round in 1..=rounds {
        let joined_at = now();
        raw.send(&join);
        wait_quickly("data to arrive", || {
            tap.latest(GROUP).is_some_and(|at| at > joined_at)
        });
        raw.send(&leave);
        wait_quickly("the member to have left", || {
            monitor.count(|event| event.event == "group-left" && event.interface_name == "lan2") == round
        });
    }
    stream.wait_more(100);
    let sender = stream.stop();
    site.settle();
    site.station(1)
        .got(&sender)
        .assert_exactly("who stayed", sender.sent());
    site.station(1)
        .saw(&sender)
        .assert_exactly("who stayed", sender.sent());
    site.station(2).saw(&sender).assert_in_order("who came and went");
    assert_eq!(site.station(3).saw(&sender).count(), 0, "who never joined");
}

on_datapaths!(a_second_member_of_all_sources: native Native, plain Plain);

fn a_second_member_of_all_sources(datapath: Datapath) {
    churn(&Site::new(datapath, 3), 1_000, &Record::new(TO_EX, GROUP, &[]));
}

// The route of the source comes and goes beside that of the group.
on_datapaths!(a_second_member_of_one_source: native Native, plain Plain, generic Generic);

fn a_second_member_of_one_source(datapath: Datapath) {
    churn(
        &Site::new(datapath, 3),
        200,
        &Record::new(ALLOW, GROUP, &[SOURCE]),
    );
}

// A list of excluded sources makes a route for one that never sends.
#[test]
fn a_second_member_that_excludes_a_source() {
    churn(
        &Site::new(Datapath::Plain, 3),
        200,
        &Record::new(TO_EX, GROUP, &[OTHER_SOURCE]),
    );
}

/// The second member is one that frames cannot be redirected to: with each of its joins all data changes its way.
#[test]
fn a_second_member_of_the_other_kind() {
    let site = Site::new(Datapath::Plain, 3);
    site.compute_checksums();
    accept_redirects(&site.station(1).host);
    churn(&site, 500, &Record::new(TO_EX, GROUP, &[]));
}
