//! What packets look like when they arrive.

use std::collections::BTreeSet;

use tests::{
    Namespace,
    stream::{
        Datapath, Handmade, Payload, Site,
        datagram::{group_mac, sum},
        site::SOURCE,
    },
};

use crate::common::{GROUP, assert_counted};

/// The Ethernet address of an interface.
fn mac(namespace: &Namespace, interface: &str) -> [u8; 6] {
    let text = namespace.ip(&format!("-j link show dev {interface}"));
    let links: serde_json::Value = serde_json::from_str(&text).expect("ip -j prints JSON");
    let address = links
        .pointer("/0/address")
        .and_then(serde_json::Value::as_str)
        .expect("an address");
    let bytes = address
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).expect("two digits"));
    bytes.collect::<Vec<_>>().try_into().expect("six bytes")
}

on_datapaths!(headers: native Native, plain Plain, generic Generic, kernel Kernel);

fn headers(datapath: Datapath) {
    let site = Site::new(datapath, 2);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    site.join(&igmpd, 2, GROUP);
    // Both ways in which packets come: with a checksum, and with one that is left to hardware.
    let mut made = Handmade::new(site.sender.namespace(), "eth0");
    let handmade = made
        .next(SOURCE, GROUP)
        .with(|it| (it.tos, it.id, it.ttl) = (0xb8, 4_711, 9));
    made.send(&handmade);
    let mut sender = site.send_to(GROUP).ttl(9);
    site.send_settled(&mut sender, 10);
    for number in [1, 2] {
        let name = format!("lan{number}");
        let frames = site.station(number).tap.to(GROUP);
        assert_eq!(frames.len(), 11, "{name}");
        for frame in &frames {
            assert_eq!(frame.destination_mac(), group_mac(GROUP));
            // RFC 1812 §3: a router sends from its own interface.
            assert_eq!(frame.source_mac(), mac(&site.router, &name));
            assert_eq!((frame.source(), frame.ttl(), frame.tag), (SOURCE, 8, None));
            assert!(frame.is_header_checksum_right(), "{frame:02x?}");
            assert!(
                frame.checksum_pending || frame.is_checksum_right(),
                "{frame:02x?}"
            );
            assert!(frame.options().is_empty());
        }
        // The kernel's multicast routing may let packets overtake the first one, which waits for the route.
        let marked = frames
            .iter()
            .find(|frame| frame.id() == 4_711 && frame.tos() == 0xb8);
        let marked = marked.unwrap_or_else(|| panic!("{name}: {frames:02x?}"));
        // Only the two fields that a router changes are others (RFC 1812 §5.3.1).
        let mut expected = handmade.clone().with(|it| it.ttl = 8).frame();
        expected[6..12].copy_from_slice(&marked.source_mac());
        assert_eq!(marked.bytes, expected);
        site.station(number)
            .got(&sender)
            .assert_exactly(&name, sender.sent());
    }
}

/// The checksum is brought up to date by the difference (RFC 1624): these are the values before the change at which a
/// carry or the two forms of zero matter.
#[test]
fn checksums_at_the_edges() {
    let edges: [u16; 9] = [
        0x0000, 0x0001, 0x00ff, 0x0100, 0xfdff, 0xfe00, 0xfeff, 0xff00, 0xfffe,
    ];
    for datapath in [Datapath::Native, Datapath::Plain] {
        let site = Site::new(datapath, 1);
        let igmpd = site.start();
        site.join(&igmpd, 1, GROUP);
        let mut made = Handmade::new(site.sender.namespace(), "eth0");
        let mut found = BTreeSet::new();
        let plain = made.next(SOURCE, GROUP).frame();
        for edge in edges {
            // The checksum goes down by what the identification goes up, in ones' complement.
            let checksum = u16::from_be_bytes([plain[24], plain[25]]);
            let id = sum(&[checksum.to_be_bytes(), (!edge).to_be_bytes()].concat());
            let packet = made.next(SOURCE, GROUP).with(|it| it.id = id);
            let frame = packet.frame();
            found.insert(u16::from_be_bytes([frame[24], frame[25]]));
            made.send(&packet);
        }
        assert_eq!(found, BTreeSet::from(edges));
        site.settle();
        let frames = site.station(1).tap.to(GROUP);
        assert_eq!(frames.len(), edges.len());
        for frame in &frames {
            assert_eq!(frame.ttl(), 15);
            assert_eq!(sum(&frame.bytes[14..34]), 0xffff, "{:02x?}", &frame.bytes[14..34]);
        }
        let arrivals = site.station(1).receiver.arrivals(made.stream(), SOURCE, GROUP);
        assert_eq!(arrivals.count(), edges.len(), "{datapath:?}");
    }
}

on_datapaths!(time_to_live: native Native, plain Plain, generic Generic);

fn time_to_live(datapath: Datapath) {
    let site = Site::new(datapath, 2);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    let mut sender = site.send_to(GROUP).ttl(2);
    site.assert_delivered(&mut sender, 20, &[1]);
    assert!(site.station(1).tap.to(GROUP).iter().all(|frame| frame.ttl() == 1));
    assert_counted(&igmpd, "wan0", "ttl", 20, || {
        site.assert_delivered(&mut site.send_to(GROUP).ttl(1), 20, &[]);
    });
    let mut made = Handmade::new(site.sender.namespace(), "eth0");
    assert_counted(&igmpd, "wan0", "ttl", 1, || {
        let packet = made.next(SOURCE, GROUP).with(|it| it.ttl = 0);
        made.send(&packet);
    });
    // Where nobody would get it anyway, that is the reason.
    assert_counted(&igmpd, "wan0", "no-members", 20, || {
        let group = [239, 1, 1, 2].into();
        site.assert_delivered(&mut site.send_to(group).ttl(1), 20, &[]);
    });
}

// Ethernet's shortest frame has 46 bytes of payload, and a driver may leave more behind a packet.
on_datapaths!(padding: native Native, plain Plain, generic Generic);

fn padding(datapath: Datapath) {
    let site = Site::new(datapath, 1);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    let mut made = Handmade::new(site.sender.namespace(), "eth0");
    for padding in [0, 0, 1, 40] {
        let packet = made
            .next(SOURCE, GROUP)
            .with(|it| (it.size, it.padding) = (Payload::MIN_LEN, padding));
        made.send(&packet);
    }
    let odd = made.next(SOURCE, GROUP).with(|it| it.size = 17);
    made.send(&odd);
    site.settle();
    let receiver = &site.station(1).receiver;
    receiver
        .arrivals(made.stream(), SOURCE, GROUP)
        .assert_exactly("lan1", 0..5);
    for frame in site.station(1).tap.to(GROUP) {
        assert!(frame.is_checksum_right() && frame.is_header_checksum_right());
    }
    // Bytes count as the IP header has them, without what is behind the packet.
    let route = igmpd.route("*", GROUP).expect("a route");
    assert_eq!(route.packets, 5);
}

on_datapaths!(fragments: native Native, plain Plain, generic Generic);

fn fragments(datapath: Datapath) {
    let site = Site::new(datapath, 2);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    // Made by the sender's kernel.
    let mut sender = site.send_to(GROUP).size(3_000);
    let sent = sender.send_many(20);
    // And by hand, in pieces of all sizes, the last one short enough to be padded.
    let mut made = Handmade::new(site.sender.namespace(), "eth0");
    for (id, most) in [(1, 1_480), (2, 8), (3, 1_000)] {
        let packet = made
            .next(SOURCE, GROUP)
            .with(|it| (it.size, it.id) = (3_000 - 1_480 * usize::from(most == 8), 100 + id));
        for (index, fragment) in packet.fragments(most).into_iter().enumerate() {
            made.send_frame(&fragment);
            if index % 16 == 15 {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        }
    }
    site.settle();
    let station = site.station(1);
    station.got(&sender).assert_exactly("lan1", sent);
    let arrivals = station.receiver.arrivals(made.stream(), SOURCE, GROUP);
    arrivals.assert_exactly("lan1", 0..3);
    assert_eq!(site.station(2).tap.to(GROUP), []);
    let frames = station.tap.to(GROUP);
    assert!(frames.iter().all(|frame| frame.fragment() & 0x3fff != 0));
    assert!(frames.iter().all(tests::stream::Frame::is_header_checksum_right));
}

// RFC 1122 §3.2.1.8 and RFC 1812 §4.2.2.1 have hosts and routers live with options that they do not know.
on_datapaths!(options: native Native, plain Plain, generic Generic);

fn options(datapath: Datapath) {
    let site = Site::new(datapath, 1);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    let lists = [
        vec![1, 1, 1, 1],
        // Router Alert (RFC 2113).
        vec![0x94, 4, 0, 0],
        // An option that nobody knows, and the end of the list.
        vec![0x9e, 6, 1, 2, 3, 4, 0, 0],
        // As many as there can be.
        vec![1; 40],
    ];
    let mut made = Handmade::new(site.sender.namespace(), "eth0");
    for list in &lists {
        let packet = made.next(SOURCE, GROUP).with(|it| it.options.clone_from(list));
        made.send(&packet);
    }
    site.settle();
    let station = site.station(1);
    let arrivals = station.receiver.arrivals(made.stream(), SOURCE, GROUP);
    arrivals.assert_exactly("lan1", 0..4);
    for (frame, list) in station.tap.to(GROUP).iter().zip(&lists) {
        assert_eq!(frame.options(), list);
        assert_eq!(frame.ttl(), 15);
        assert!(frame.is_header_checksum_right() && frame.is_checksum_right());
    }
}

/// Long packets, of which most of the frame is not looked at.
#[test]
fn packets_of_all_sizes() {
    for datapath in [Datapath::Native, Datapath::Plain, Datapath::Generic] {
        let site = Site::new(datapath, 1);
        let igmpd = site.start();
        site.join(&igmpd, 1, GROUP);
        let sizes = [16, 17, 18, 19, 500, 1_023, 1_471, 1_472];
        let mut senders = sizes.map(|size| site.send_to(GROUP).size(size));
        for sender in &mut senders {
            sender.send_many(5);
        }
        site.settle();
        for sender in &senders {
            let station = site.station(1);
            station.got(sender).assert_exactly("lan1", 0..5);
            station.saw(sender).assert_exactly("lan1", 0..5);
        }
    }
}

// A sender may hand its kernel a large packet to be cut, and a virtual interface leaves it whole for as long as it can.
on_datapaths!(segments: native Native, plain Plain, generic Generic);

fn segments(datapath: Datapath) {
    let site = Site::new(datapath, 2);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    let mut sender = site.send_to(GROUP).size(1_000);
    for _ in 0..5 {
        sender.send_segments(10);
        site.settle();
    }
    site.station(1).got(&sender).assert_exactly("lan1", 0..50);
    assert_eq!(site.station(2).tap.to(GROUP), []);
}
