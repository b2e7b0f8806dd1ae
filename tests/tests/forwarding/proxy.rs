//! Data through an IGMP proxy (RFC 4605 §4.2).

use std::net::Ipv4Addr;

use tests::{
    Igmpd, PATIENCE, Packet,
    packet::{Record, TO_EX},
    stream::{
        Arrivals, Datapath, Handmade, Sender, Site, Tap,
        site::{FENCE, IGMP, SOURCE},
    },
    wait_for,
};

use crate::common::GROUP;

/// Packets in one go.
const PACKETS: u64 = 30;

/// A proxy whose upstream interface is `wan0`, and what arrives there.
struct Proxy {
    site: Site,
    upstream: Tap,
    igmpd: Igmpd,
}

impl Proxy {
    fn new(datapath: Datapath, rest: &str) -> Self {
        let site = Site::new(datapath, 3);
        if datapath == Datapath::Native {
            tests::stream::site::accept_redirects(&site.sender);
        }
        let upstream = Tap::open(site.sender.namespace(), "eth0");
        let config = site.config_with("", IGMP, "proxy-upstream = true\n", rest);
        let igmpd = site.start_with(&config);
        Self {
            site,
            upstream,
            igmpd,
        }
    }

    /// Sends from the host on `lan<number>`, and sees that the upstream network gets it, these stations do, and no other.
    #[track_caller]
    fn assert_from(&self, number: usize, group: Ipv4Addr, source: Ipv4Addr, members: &[usize]) {
        let namespace = self.site.station(number).host.namespace();
        let mut made = Handmade::new(namespace, "eth0");
        for _ in 0..PACKETS {
            let packet = made.next(source, group);
            made.send(&packet);
        }
        self.settle_from(number);
        let up = self.upstream.arrivals(made.stream(), source, group);
        up.assert_exactly("the upstream network", 0..PACKETS);
        for (index, station) in self.site.stations.iter().enumerate() {
            let expected = if members.contains(&(index + 1)) {
                PACKETS
            } else {
                0
            };
            let seen = station.tap.arrivals(made.stream(), source, group);
            seen.assert_exactly(&format!("lan{} from lan{number}", index + 1), 0..expected);
        }
    }

    /// Waits until what a station sent has arrived.
    #[track_caller]
    fn settle_from(&self, number: usize) {
        let mut fence = Sender::new(&self.site.station(number).host, FENCE);
        let last = fence.send_many(3).end - 1;
        for (index, station) in self.site.stations.iter().enumerate() {
            if index + 1 != number {
                station.wait_fence(&fence, last);
            }
        }
        wait_for("the upstream network", PATIENCE, || {
            let arrivals = self.upstream.arrivals(fence.stream(), fence.source(), FENCE);
            match arrivals.span() {
                Some((_, highest)) if highest >= last => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }
}

on_datapaths!(downstream_and_upstream: native Native, plain Plain, generic Generic);

fn downstream_and_upstream(datapath: Datapath) {
    let proxy = Proxy::new(datapath, "");
    let (site, igmpd) = (&proxy.site, &proxy.igmpd);
    // From upstream: to members downstream, wherever the source is.
    let mut sender = site.send_to(GROUP);
    site.assert_delivered(&mut sender, PACKETS, &[]);
    site.join(igmpd, 1, GROUP);
    site.join(igmpd, 2, GROUP);
    site.assert_delivered(&mut sender, PACKETS, &[1, 2]);
    let far: Ipv4Addr = [192, 0, 2, 1].into();
    let mut made = Handmade::new(site.sender.namespace(), "eth0");
    for _ in 0..PACKETS {
        let packet = made.next(far, GROUP);
        made.send(&packet);
    }
    site.settle();
    for (number, expected) in [(1, PACKETS), (2, PACKETS), (3, 0)] {
        let seen = site.station(number).tap.arrivals(made.stream(), far, GROUP);
        seen.assert_exactly(&format!("lan{number}"), 0..expected);
    }
    // From downstream: upstream in any case, and to members elsewhere.
    let host = |number: u8| Ipv4Addr::new(10, 1, number, 2);
    proxy.assert_from(1, GROUP, host(1), &[2]);
    proxy.assert_from(3, GROUP, host(3), &[1, 2]);
    proxy.assert_from(1, [239, 9, 9, 9].into(), host(1), &[]);
    // Each source comes from where the routing table has it, and goes to the others.
    for (source, incoming, outgoing) in [
        ("10.0.0.2", "wan0", &["lan1", "lan2"][..]),
        ("192.0.2.1", "wan0", &["lan1", "lan2"]),
        ("10.1.1.2", "lan1", &["lan2", "wan0"]),
        ("10.1.3.2", "lan3", &["lan1", "lan2", "wan0"]),
    ] {
        let route = igmpd.route(source, GROUP).expect("a source that has sent");
        assert_eq!(route.incoming_interface.as_deref(), Some(incoming), "{route:?}");
        assert_eq!(route.outgoing_interface, outgoing, "{route:?}");
    }
    // Nothing comes back from where it was sent to.
    let strange = |frame: &tests::stream::Frame| frame.source() == SOURCE;
    assert_eq!(proxy.upstream.count(strange), 0);
}

/// Only the querier of a network forwards into it (RFC 4605 §4.2), so that two proxies do not both do so.
#[test]
fn another_querier() {
    let proxy_of = |datapath| {
        // The router has number 5 in this network, so that a lower one can win.
        let proxy = Proxy::new(datapath, "[interfaces.lan9]\nigmp = {}\n");
        let host = proxy
            .site
            .network
            .host("host9", [10, 1, 9, 2], &proxy.site.router, "lan9");
        proxy.site.router.address("lan9", [10, 1, 9, 5].into(), 24);
        proxy.igmpd.wait_up(&["lan9"]);
        (proxy, host)
    };
    let (proxy, host) = proxy_of(Datapath::Plain);
    let tap = Tap::open(host.namespace(), "eth0");
    let raw = tests::RawSocket::open(host.namespace(), "eth0");
    let member = Ipv4Addr::new(10, 1, 9, 66);
    raw.send(&Packet::v3_report(member, &[Record::new(TO_EX, GROUP, &[])]));
    proxy.igmpd.wait_joined("lan9", GROUP);
    let mut sender = proxy.site.send_to(GROUP);
    let first = proxy.site.send_settled(&mut sender, PACKETS);
    let seen = |sender: &Sender| tap.arrivals(sender.stream(), sender.source(), GROUP);
    wait_for("data while this is the querier", PATIENCE, || {
        let faults = seen(&sender).faults(first.clone());
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    });
    raw.send(&Packet::general_query([10, 1, 9, 3], 10, 2, 125));
    wait_for("the other to be the querier", PATIENCE, || {
        let igmp = proxy.igmpd.igmp("lan9");
        if igmp.is_querier {
            Err(format!("{igmp:?}"))
        } else {
            Ok(())
        }
    });
    proxy.site.send_settled(&mut sender, PACKETS);
    assert_eq!(seen(&sender), {
        let mut arrivals = seen(&sender);
        arrivals.all.retain(|(sequence, _)| first.contains(sequence));
        arrivals
    });
    // Data that is sent in that network goes upstream: that is not forwarding into it.
    let mut made = Handmade::new(host.namespace(), "eth0");
    for _ in 0..PACKETS {
        let packet = made.next([10, 1, 9, 2], GROUP);
        made.send(&packet);
    }
    let arrived = || {
        proxy
            .upstream
            .arrivals(made.stream(), [10, 1, 9, 2].into(), GROUP)
    };
    wait_for("data upstream", PATIENCE, || {
        let faults = arrived().faults(0..PACKETS);
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    });
    assert_ne!(arrived(), Arrivals::default());
}

/// Martians and broken packets are no better for coming through a proxy.
#[test]
fn broken_packets() {
    let proxy = Proxy::new(Datapath::Plain, "");
    proxy.site.join(&proxy.igmpd, 1, GROUP);
    let mut made = Handmade::new(proxy.site.sender.namespace(), "eth0");
    let broken = [
        made.next([127, 0, 0, 1], GROUP),
        made.next(SOURCE, GROUP).with(|it| it.header_checksum_error = 1),
        made.next(SOURCE, GROUP).with(|it| it.ttl = 1),
    ];
    for (packet, reason) in broken.iter().zip(["source", "checksum", "ttl"]) {
        crate::common::assert_counted(&proxy.igmpd, "wan0", reason, 1, || made.send(packet));
    }
    proxy.site.settle();
    assert_eq!(proxy.site.station(1).tap.to(GROUP), []);
}
