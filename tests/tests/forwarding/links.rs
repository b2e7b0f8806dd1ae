//! Interfaces of a port set that go down, vanish, or take only short packets.

use tests::{
    PATIENCE,
    stream::{Datapath, Site, site::ethtool},
    wait_for,
};

use crate::common::{GROUP, assert_counted};

/// Packets a second.
const RATE: u32 = 1_000;

on_datapaths!(an_interface_that_goes_down: native Native, plain Plain, generic Generic, kernel Kernel);

fn an_interface_that_goes_down(datapath: Datapath) {
    let site = Site::new(datapath, 4);
    let igmpd = site.start();
    for number in 1..=4 {
        site.join(&igmpd, number, GROUP);
    }
    // The kernel's engine has to ask about the first packets.
    let mut sender = site.send_to(GROUP);
    site.send_settled(&mut sender, 5);
    let stream = sender.start(RATE);
    stream.wait_more(100);
    // One is switched off here, one loses its carrier, and one is taken out.
    site.router.ip("link set lan2 down");
    stream.wait_more(100);
    site.router.ip("link set lan2 up");
    site.station(3).host.namespace().ip("link set eth0 down");
    stream.wait_more(100);
    site.router.ip("link delete lan4");
    stream.wait_more(100);
    // The one that is up again gets its data again, as soon as its host answered a query or before.
    let back = stream.sent();
    wait_for("data on the interface that is up again", PATIENCE, || {
        let receiver = &site.station(2).receiver;
        match receiver.arrivals(stream.stream(), stream.source(), GROUP).span() {
            Some((_, highest)) if highest > back => Ok(()),
            other => Err(format!("{other:?}, {back} sent")),
        }
    });
    let sender = stream.stop();
    site.settle_at(&[site.station(1)]);
    site.station(1).got(&sender).assert_exactly("lan1", sender.sent());
    site.station(1).saw(&sender).assert_exactly("lan1", sender.sent());
    for number in [2, 3, 4] {
        site.station(number)
            .saw(&sender)
            .assert_in_order(&format!("lan{number}"));
    }
}

/// A driver that can be redirected to, then cannot, and then can again: what it gets meanwhile may suffer, and nothing else.
#[test]
fn an_interface_that_changes_its_kind() {
    let site = Site::new(Datapath::Native, 2);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    site.join(&igmpd, 2, GROUP);
    let stream = site.send_to(GROUP).start(RATE);
    for state in ["off", "on", "off", "on"] {
        stream.wait_more(100);
        ethtool(site.station(2).host.namespace(), &["-K", "eth0", "gro", state]);
        let changed = stream.sent();
        wait_for("data after the change", PATIENCE, || {
            let arrivals = site
                .station(2)
                .receiver
                .arrivals(stream.stream(), stream.source(), GROUP);
            match arrivals.span() {
                Some((_, highest)) if highest > changed => Ok(()),
                other => Err(format!("{other:?}, {changed} sent")),
            }
        });
    }
    let from = stream.sent() + 1;
    stream.wait_more(100);
    let sender = stream.stop();
    site.settle();
    site.station(1).got(&sender).assert_exactly("lan1", sender.sent());
    let changed = site.station(2).got(&sender);
    changed.assert_in_order("lan2");
    let missing = changed.missing(from..sender.sent().end);
    assert!(missing.is_empty(), "{missing:?}");
}

/// An interface that was there at no time comes to be, and has a member.
#[test]
fn an_interface_that_appears() {
    let site = Site::new(Datapath::Plain, 1);
    let igmpd = site.start_with(&site.config("", "[interfaces.lan2]\nigmp = {}\n"));
    site.join(&igmpd, 1, GROUP);
    let stream = site.send_to(GROUP).start(RATE);
    let host = site.network.host("late", [10, 1, 2, 2], &site.router, "lan2");
    site.router.address("lan2", [10, 1, 2, 1].into(), 24);
    igmpd.wait_up(&["lan2"]);
    let late = tests::stream::Receiver::new(&host);
    late.join(GROUP);
    igmpd.wait_joined("lan2", GROUP);
    let known = stream.wait_more(100);
    let sender = stream.stop();
    late.wait_past(sender.stream(), sender.source(), GROUP, known - 1);
    site.settle();
    site.station(1).got(&sender).assert_exactly("lan1", sender.sent());
}

// An IPv4 packet has 28 bytes of headers here: with 1,372 bytes of payload it just fits into 1,400.
on_datapaths!(packets_longer_than_the_mtu: native Native, plain Plain, generic Generic);

fn packets_longer_than_the_mtu(datapath: Datapath) {
    let site = Site::new(datapath, 3);
    site.router.ip("link set lan2 mtu 1400");
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    site.join(&igmpd, 2, GROUP);
    let sized = |size| site.send_to(GROUP).size(size);
    assert_counted(&igmpd, "lan2", "mtu", 30, || {
        site.assert_delivered(&mut sized(1_472), 30, &[1]);
    });
    assert_counted(&igmpd, "lan2", "mtu", 30, || {
        site.assert_delivered(&mut sized(1_373), 30, &[1]);
    });
    assert_counted(&igmpd, "lan2", "mtu", 0, || {
        site.assert_delivered(&mut sized(1_372), 30, &[1, 2]);
        site.assert_delivered(&mut sized(200), 30, &[1, 2]);
    });
    // The MTU is followed when it changes.
    site.router.ip("link set lan1 mtu 1300");
    site.router.ip("link set lan2 mtu 1500");
    let mut sender = sized(1_472);
    wait_for("the new MTUs to hold", PATIENCE, || {
        let sequence = sender.send();
        site.settle();
        let has = |number: usize| {
            let seen = site.station(number).saw(&sender);
            seen.missing(sequence..sequence + 1).is_empty()
        };
        if (has(1), has(2)) == (false, true) {
            Ok(())
        } else {
            Err(format!("lan1 {}, lan2 {}", has(1), has(2)))
        }
    });
    assert_counted(&igmpd, "lan1", "mtu", 30, || {
        site.assert_delivered(&mut sender, 30, &[2]);
    });
}
