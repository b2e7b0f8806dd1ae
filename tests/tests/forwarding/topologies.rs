//! Networks of other shapes: routers in a row, and a router whose LAN is a bridge of its own.

use std::net::Ipv4Addr;

use tests::{
    Igmpd,
    stream::{
        Datapath, Handmade, Sender, Site, Station,
        site::{SOURCE, ethtool},
    },
};

use crate::common::GROUP;

/// Packets in one go.
const PACKETS: u64 = 50;

/// A source behind another router like this one, which sends the group here because its configuration says so.
#[test]
fn routers_in_a_row() {
    for datapath in [Datapath::Native, Datapath::Plain, Datapath::Generic] {
        let site = Site::new(datapath, 2);
        let far = Ipv4Addr::new(10, 5, 0, 2);
        let other = site.sender.namespace();
        let host = site.network.host("far", far.octets(), other, "far0");
        other.address("far0", [10, 5, 0, 1].into(), 24);
        if datapath == Datapath::Native {
            ethtool(host.namespace(), &["-K", "eth0", "tx", "off"]);
        }
        site.router.ip(&format!("route add 10.5.0.0/24 via {SOURCE}"));
        let igmpd = site.start();
        let key = datapath.interface();
        let config = format!(
            "[interfaces.far0]\n{key}\n[interfaces.eth0]\n{key}\n[interfaces.eth0.igmp]\nstatic-group = [{{ group = \"{GROUP}\" }}]\n"
        );
        let upstream = Igmpd::start_on(&site.network, other, &["far0", "eth0"], &config);
        site.join(&igmpd, 1, GROUP);
        let mut sender = Sender::new(&host, GROUP);
        let sent = sender.send_many(PACKETS);
        let station = site.station(1);
        station
            .receiver
            .wait_past(sender.stream(), far, GROUP, sent.end - 1);
        site.settle();
        station.got(&sender).assert_exactly("lan1", sent.clone());
        station.saw(&sender).assert_exactly("lan1", sent);
        assert!(station.tap.to(GROUP).iter().all(|frame| frame.ttl() == 14));
        assert_eq!(site.station(2).saw(&sender).count(), 0);
        // One router's own data is the other's like any host's.
        let mut own = Sender::new(&site.sender, GROUP);
        site.assert_delivered(&mut own, PACKETS, &[1]);
        // What the other has no route for does not come through it.
        let mut stray = Handmade::new(host.namespace(), "eth0");
        for _ in 0..PACKETS {
            let packet = stray.next([192, 0, 2, 1], GROUP);
            stray.send(&packet);
        }
        site.settle();
        assert_eq!(upstream.statistics("far0").dropped["rpf"], PACKETS);
        let seen = station.tap.arrivals(stray.stream(), [192, 0, 2, 1].into(), GROUP);
        assert_eq!(seen.count(), 0);
    }
}

/// The router's LAN is a bridge on the router itself, as on most home routers: no XDP of a driver's own, and no redirects.
#[test]
fn a_bridge_of_the_router() {
    let site = Site::new(Datapath::Plain, 1);
    site.router.ip("link add lan9 type bridge");
    let station = |number: u8| {
        let port = format!("port{number}");
        let role = format!("host9-{number}");
        let host = site.network.host(&role, [10, 1, 9, number], &site.router, &port);
        site.router.ip(&format!("link set {port} master lan9"));
        Station::new(host)
    };
    let (member, other) = (station(2), station(3));
    site.router.address("lan9", [10, 1, 9, 1].into(), 24);
    let igmpd = site.start_with(&site.config("", "[interfaces.lan9]\nigmp = {}\n"));
    igmpd.wait_up(&["lan9"]);
    member.receiver.join(GROUP);
    igmpd.wait_joined("lan9", GROUP);
    site.join(&igmpd, 1, GROUP);
    // Into the bridge.
    let mut sender = site.send_to(GROUP);
    let sent = sender.send_many(PACKETS);
    member
        .receiver
        .wait_past(sender.stream(), SOURCE, GROUP, sent.end - 1);
    site.settle();
    member.got(&sender).assert_exactly("the member", sent.clone());
    site.station(1).got(&sender).assert_exactly("lan1", sent);
    assert_eq!(other.got(&sender).count(), 0);
    // And out of it.
    let mut sender = Sender::new(&other.host, GROUP);
    let sent = sender.send_many(PACKETS);
    let far = site.station(1);
    far.receiver
        .wait_past(sender.stream(), sender.source(), GROUP, sent.end - 1);
    far.got(&sender).assert_exactly("lan1", sent.clone());
    // The bridge brings it to its own member, and the router does not do so again.
    member
        .receiver
        .wait_past(sender.stream(), sender.source(), GROUP, sent.end - 1);
    site.settle();
    member.got(&sender).assert_exactly("the member", sent);
}
