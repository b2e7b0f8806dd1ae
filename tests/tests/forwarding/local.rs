//! Sockets on the router itself.

use tests::{
    PATIENCE,
    stream::{Datapath, Receiver, Sender, Site, Tap, site::WAN},
    wait_for,
};

use crate::common::GROUP;

/// Packets in one go.
const PACKETS: u64 = 50;

/// Sends until one packet got through to the router's socket: the agent has noticed that it joined.
#[track_caller]
fn wait_local(local: &Receiver, sender: &mut Sender) {
    wait_for("the router's own member to be known", PATIENCE, || {
        sender.send();
        let arrivals = local.arrivals(sender.stream(), sender.source(), GROUP);
        if arrivals.count() > 0 {
            Ok(())
        } else {
            Err(format!("none of {:?}", sender.sent()))
        }
    });
}

on_datapaths!(a_socket_of_the_router: native Native, plain Plain, generic Generic, kernel Kernel);

fn a_socket_of_the_router(datapath: Datapath) {
    let site = Site::new(datapath, 2);
    let igmpd = site.start();
    let local = Receiver::on(&site.router, "wan0", WAN);
    let elsewhere = Receiver::on(&site.router, "lan2", [10, 1, 2, 1].into());
    local.join(GROUP);
    elsewhere.join(GROUP);
    // Alone at first.
    wait_local(&local, &mut site.send_to(GROUP));
    let mut sender = site.send_to(GROUP);
    let sent = sender.send_many(PACKETS);
    local.wait_past(sender.stream(), sender.source(), GROUP, sent.end - 1);
    local
        .arrivals(sender.stream(), sender.source(), GROUP)
        .assert_exactly("the router", sent);
    let before = sender.sent().end;
    // Then beside a host elsewhere.
    site.join(&igmpd, 1, GROUP);
    site.assert_delivered(&mut sender, PACKETS, &[1]);
    local.wait_past(sender.stream(), sender.source(), GROUP, sender.sent().end - 1);
    let mut own = local.arrivals(sender.stream(), sender.source(), GROUP);
    own.all.retain(|(sequence, _)| *sequence >= before);
    own.assert_exactly("the router", before..sender.sent().end);
    // And after the host.
    site.station(1).receiver.leave(GROUP);
    igmpd.wait_left("lan1", GROUP, PATIENCE);
    let from = sender.sent().end;
    site.assert_delivered(&mut sender, PACKETS, &[]);
    local.wait_past(sender.stream(), sender.source(), GROUP, sender.sent().end - 1);
    let own = local.arrivals(sender.stream(), sender.source(), GROUP);
    assert!(own.missing(from..sender.sent().end).is_empty());
    own.assert_in_order("the router");
    // A socket that joined on another interface is no member here.
    assert_eq!(elsewhere.count(), 0);
}

/// When the router's own socket leaves, its stack is spared again.
#[test]
fn a_socket_of_the_router_that_leaves() {
    let site = Site::new(Datapath::Native, 1);
    let igmpd = site.start();
    let tap = Tap::open(&site.router, "wan0");
    let local = Receiver::on(&site.router, "wan0", WAN);
    local.join(GROUP);
    let mut sender = site.send_to(GROUP);
    wait_local(&local, &mut sender);
    let dropped = || igmpd.statistics("wan0").dropped["no-members"];
    drop(local);
    let before = dropped();
    wait_for("data to be dropped early", PATIENCE, || {
        sender.send();
        let count = dropped();
        if count > before {
            Ok(())
        } else {
            Err(format!("{count}"))
        }
    });
    let sent = sender.send_many(PACKETS);
    site.settle();
    let seen = tap.arrivals(sender.stream(), sender.source(), GROUP);
    assert_eq!(
        seen.missing(sent.clone()).len(),
        usize::try_from(PACKETS).expect("few")
    );
}

/// A source-specific member of the router's own gets its source.
#[test]
fn a_socket_of_the_router_for_one_source() {
    let site = Site::new(Datapath::Plain, 1);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    let local = Receiver::on(&site.router, "wan0", WAN);
    local.join_source(GROUP, tests::stream::site::SOURCE);
    let mut sender = site.send_to(GROUP);
    wait_local(&local, &mut sender);
    let from = sender.sent().end;
    site.assert_delivered(&mut sender, PACKETS, &[1]);
    local.wait_past(sender.stream(), sender.source(), GROUP, sender.sent().end - 1);
    let own = local.arrivals(sender.stream(), sender.source(), GROUP);
    assert!(own.missing(from..sender.sent().end).is_empty());
    own.assert_in_order("the router");
}
