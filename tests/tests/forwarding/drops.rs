//! What is dropped and counted, and what is none of the router's business.

use std::net::Ipv4Addr;

use tests::{
    PATIENCE,
    stream::{
        Arrivals, Datagram, Datapath, Handmade, PORT, Receiver, Sender, Site, Tap,
        site::{SOURCE, WAN},
    },
    wait_for,
};

use crate::common::{GROUP, assert_counted};

/// Packets in one go.
const PACKETS: u64 = 100;
/// A group that nobody joins.
const NOBODY: Ipv4Addr = Ipv4Addr::new(239, 9, 9, 9);

// A packet socket sees everything that XDP lets through to the router's stack.
on_datapaths!(groups_without_members: native Native, plain Plain, generic Generic);

fn groups_without_members(datapath: Datapath) {
    let site = Site::new(datapath, 1);
    let igmpd = site.start();
    let tap = Tap::open(&site.router, "wan0");
    let mut sender = site.send_to(NOBODY);
    assert_counted(&igmpd, "wan0", "no-members", PACKETS, || {
        sender.send_many(PACKETS);
    });
    // On an interface with members of other groups it is the same.
    let mut from_lan = Sender::new(&site.station(1).host, NOBODY);
    assert_counted(&igmpd, "lan1", "no-members", PACKETS, || {
        from_lan.send_many(PACKETS);
    });
    assert_eq!(tap.to(NOBODY), []);
    assert_eq!(site.station(1).tap.to(NOBODY), []);
    let route = |route: &tests::json::Route| route.group_address == NOBODY;
    assert!(!igmpd.routes().iter().any(route));
}

/// What each broken packet is counted as. The group has members, so that every other reason comes after.
fn refusals(made: &mut Handmade) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let mut frame = |change: fn(&mut Datagram)| made.next(SOURCE, GROUP).with(change).frame();
    vec![
        // RFC 1812 §5.3.7: martians. RFC 1122 §3.2.1.3 has the list.
        (
            "loopback",
            "source",
            frame(|it| it.source = [127, 0, 0, 1].into()),
        ),
        (
            "no address",
            "source",
            frame(|it| it.source = [0, 0, 0, 0].into()),
        ),
        (
            "this network",
            "source",
            frame(|it| it.source = [0, 1, 2, 3].into()),
        ),
        (
            "multicast",
            "source",
            frame(|it| it.source = [224, 1, 1, 1].into()),
        ),
        ("broadcast", "source", frame(|it| it.source = [255; 4].into())),
        ("the router itself", "source", frame(|it| it.source = WAN)),
        // Its other addresses belong to other networks.
        (
            "the router on another interface",
            "rpf",
            frame(|it| it.source = [10, 1, 1, 1].into()),
        ),
        (
            "header checksum",
            "checksum",
            frame(|it| it.header_checksum_error = 1),
        ),
        (
            "header checksum, other byte",
            "checksum",
            frame(|it| it.header_checksum_error = 0x100),
        ),
        (
            "checksum over options",
            "checksum",
            frame(|it| (it.options, it.header_checksum_error) = (vec![1; 40], 1)),
        ),
        (
            "length beyond the frame",
            "too-short",
            frame(|it| it.total_len = Some(300)),
        ),
        ("cut off", "too-short", frame(|it| it.cut = Some(100))),
        ("cut off in the header's options", "too-short", {
            frame(|it| (it.options, it.cut) = (vec![1; 40], Some(40)))
        }),
        (
            "length within the header",
            "malformed",
            frame(|it| it.total_len = Some(19)),
        ),
        (
            "a header of 16 bytes",
            "malformed",
            frame(|it| it.version_ihl = Some(0x44)),
        ),
        ("options beyond the packet", "malformed", {
            frame(|it| (it.version_ihl, it.total_len) = (Some(0x4f), Some(40)))
        }),
    ]
}

on_datapaths!(broken_packets: native Native, plain Plain, generic Generic);

fn broken_packets(datapath: Datapath) {
    let site = Site::new(datapath, 2);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    site.join(&igmpd, 2, GROUP);
    let mut made = Handmade::new(site.sender.namespace(), "eth0");
    for (what, reason, frame) in refusals(&mut made) {
        // Shown when the test fails, as what it was about.
        println!("{what}");
        assert_counted(&igmpd, "wan0", reason, 1, || made.send_frame(&frame));
    }
    site.settle();
    for number in [1, 2] {
        assert_eq!(site.station(number).tap.to(GROUP), []);
    }
    // A packet that is right comes through afterwards as before.
    site.assert_delivered(&mut site.send_to(GROUP), 10, &[1, 2]);
}

/// 224.0.0.0/24 stays on its link, whatever the TTL and whoever joined (RFC 5771 §4).
#[test]
fn link_local_groups() {
    let group = Ipv4Addr::new(224, 0, 0, 251);
    for datapath in [Datapath::Native, Datapath::Plain] {
        let site = Site::new(datapath, 1);
        let igmpd = site.start();
        site.station(1).receiver.join(group);
        let tap = Tap::open(&site.router, "wan0");
        for ttl in [1, 16] {
            let mut sender = site.send_to(group).ttl(ttl);
            assert_counted(&igmpd, "wan0", "ttl", 0, || {
                site.assert_delivered(&mut sender, 20, &[]);
            });
            wait_for("the router's stack to get them", PATIENCE, || {
                let faults = tap.arrivals(sender.stream(), SOURCE, group).faults(0..20);
                if faults.is_empty() { Ok(()) } else { Err(faults) }
            });
        }
    }
}

on_datapaths!(unicast_and_broadcast: native Native, plain Plain, generic Generic);

fn unicast_and_broadcast(datapath: Datapath) {
    let site = Site::new(datapath, 1);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    let tap = Tap::open(&site.router, "wan0");
    let mut made = Handmade::new(site.sender.namespace(), "eth0");
    let destinations = [
        WAN,
        [10, 0, 0, 255].into(),
        [255; 4].into(),
        [192, 0, 2, 1].into(),
    ];
    let counted = |name: &str| igmpd.statistics(name).dropped.values().sum::<u64>();
    for destination in destinations {
        for _ in 0..20 {
            // Nor is a broken one of other kinds the router's to judge.
            let packet = made.next([127, 0, 0, 1], destination).with(|it| it.ttl = 1);
            made.send(&packet);
        }
    }
    for destination in destinations {
        wait_for("the router's stack to get them", PATIENCE, || {
            let source = Ipv4Addr::LOCALHOST;
            match tap.arrivals(made.stream(), source, destination).count() {
                20 => Ok(()),
                other => Err(format!("{other} to {destination}")),
            }
        });
    }
    assert_eq!(counted("wan0"), 0);
    // And a socket gets what it should.
    let receiver = Receiver::on(&site.router, "wan0", WAN);
    let mut sender = site.send_to(WAN);
    // What is sent while ARP asks for the router waits in a queue, which later packets may overtake.
    let first = sender.send_many(1);
    receiver.wait_past(sender.stream(), SOURCE, WAN, first.start);
    let sent = sender.send_many(20);
    receiver.wait_past(sender.stream(), SOURCE, WAN, sent.end - 1);
    receiver
        .arrivals(sender.stream(), SOURCE, WAN)
        .assert_exactly("the router", first.start..sent.end);
}

/// An address that the router gets while it runs is its own from then on.
#[test]
fn an_address_that_is_added() {
    let site = Site::new(Datapath::Plain, 1);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    let new = Ipv4Addr::new(10, 0, 0, 9);
    let mut made = Handmade::new(site.sender.namespace(), "eth0");
    let packet = made.next(new, GROUP);
    made.send(&packet);
    site.settle();
    assert_eq!(site.station(1).tap.to(GROUP).len(), 1);
    site.router.ip(&format!("address add {new}/24 dev wan0"));
    wait_for("its own address to be refused", PATIENCE, || {
        let packet = made.next(new, GROUP);
        made.send(&packet);
        let count = igmpd.statistics("wan0").dropped["source"];
        if count > 0 {
            Ok(())
        } else {
            Err("forwarded".to_owned())
        }
    });
    site.settle();
    let before = site.station(1).tap.to(GROUP).len();
    assert_counted(&igmpd, "wan0", "source", 20, || {
        for _ in 0..20 {
            let packet = made.next(new, GROUP);
            made.send(&packet);
        }
    });
    site.settle();
    assert_eq!(site.station(1).tap.to(GROUP).len(), before);
}

/// What arrives on an interface that the configuration does not name is left alone.
#[test]
fn interfaces_without_a_table() {
    let site = Site::new(Datapath::Plain, 1);
    let host = site.network.host("apart", [10, 6, 0, 2], &site.router, "apart0");
    site.router.address("apart0", [10, 6, 0, 1].into(), 24);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    let tap = Tap::open(&site.router, "apart0");
    let mut sender = Sender::new(&host, GROUP);
    let sent = sender.send_many(20);
    let source = sender.source();
    wait_for("the router's stack to get it", PATIENCE, || {
        let faults = tap.arrivals(sender.stream(), source, GROUP).faults(sent.clone());
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    });
    site.settle();
    assert_eq!(site.station(1).saw(&sender).count(), 0);
    assert!(!site.router.has_xdp("apart0"));
    // Nor does data go there.
    let host_tap = Tap::open(host.namespace(), "eth0");
    site.assert_delivered(&mut site.send_to(GROUP), 20, &[1]);
    assert_eq!(host_tap.to(GROUP), []);
}

/// A unicast packet in a frame to a group's Ethernet address, and the other way round: what counts is the IP address.
#[test]
fn frames_and_packets_that_disagree() {
    let site = Site::new(Datapath::Native, 1);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    let mut made = Handmade::new(site.sender.namespace(), "eth0");
    let to_all = made
        .next(SOURCE, GROUP)
        .with(|it| it.destination_mac = Some([0xff; 6]));
    made.send(&to_all);
    let unicast = made
        .next(SOURCE, [10, 1, 1, 2])
        .with(|it| it.destination_mac = Some([1, 0, 0x5e, 1, 1, 1]));
    made.send(&unicast);
    site.settle();
    let station = site.station(1);
    let unicast = station.tap.arrivals(made.stream(), SOURCE, [10, 1, 1, 2].into());
    assert_eq!(unicast, Arrivals::default());
    // If the other is forwarded at all, it is with the group's Ethernet address.
    for frame in station.tap.to(GROUP) {
        assert_eq!(frame.destination_mac(), [1, 0, 0x5e, 1, 1, 1]);
    }
    assert_eq!(PORT, 5000);
}

/// A flood to a group without members costs the others nothing.
#[test]
fn a_flood_beside_a_stream() {
    let site = Site::new(Datapath::Native, 2);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    let stream = site.send_to(GROUP).start(1_000);
    let mut flood = site.send_to(NOBODY);
    let before = igmpd.statistics("wan0").dropped["no-members"];
    let sent = flood.send_many(5_000);
    let sender = stream.stop();
    site.settle();
    site.station(1).got(&sender).assert_exactly("lan1", sender.sent());
    wait_for("the flood to be counted", PATIENCE, || {
        let count = igmpd.statistics("wan0").dropped["no-members"] - before;
        if count == sent.end {
            Ok(())
        } else {
            Err(format!("{count}"))
        }
    });
}
