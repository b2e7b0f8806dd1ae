//! Data that comes with a VLAN tag, and data that needs one.

use std::net::Ipv4Addr;

use tests::{
    Igmpd, PATIENCE, Packet, RawSocket,
    packet::{Record, TO_EX},
    stream::{Arrivals, Datapath, Frame, Handmade, Site, site::SOURCE},
    wait_for,
};

use crate::common::{GROUP, assert_counted, reporter};

/// A host in VLAN 7 of `wan0`.
const TAGGED_SOURCE: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 2);

/// VLANs of an interface with tags alone, numbered 10.`vlan`.0.0/24, as tables of the configuration.
fn vlans(parent: &str, igmp: &str, vlans: &[u16]) -> String {
    let table = |vlan: &u16| {
        format!(
            "[interfaces.\"{parent}.{vlan}\"]\nparent = \"{parent}\"\nvlan = {vlan}\naddress = \"10.{vlan}.0.1/24\"\n{igmp}\n"
        )
    };
    vlans.iter().map(table).collect()
}

/// Lets somebody in a VLAN of a station's link join.
#[track_caller]
fn join(igmpd: &Igmpd, raw: &RawSocket, name: &str, vlan: u16) {
    let member = Ipv4Addr::new(10, u8::try_from(vlan).expect("a small VLAN"), 0, 66);
    let mut report = Packet::v3_report(member, &[Record::new(TO_EX, GROUP, &[])]);
    report.vlans = vec![vlan];
    raw.send(&report);
    igmpd.wait_joined(name, GROUP);
}

/// The numbers of a stream's packets that came with this tag.
fn with_tag(frames: &[Frame], stream: u32, tag: Option<u16>) -> Arrivals {
    let of_stream = frames
        .iter()
        .filter(|frame| frame.tag.map(|tag| tag & 0x0fff) == tag)
        .filter_map(|frame| Some((frame.payload()?, frame.at)))
        .filter(|(payload, _)| payload.stream == stream);
    Arrivals {
        all: of_stream.map(|(payload, at)| (payload.sequence, at)).collect(),
    }
}

on_datapaths!(tags_are_removed: native Native, plain Plain, generic Generic);

fn tags_are_removed(datapath: Datapath) {
    let site = Site::new(datapath, 2);
    let igmpd = site.start_with(&site.config("", &vlans("wan0", "", &[7])));
    site.join(&igmpd, 1, GROUP);
    let mut made = Handmade::new(site.sender.namespace(), "eth0");
    for priority in [0, 5] {
        for _ in 0..10 {
            let packet = made
                .next(TAGGED_SOURCE, GROUP)
                .with(|it| (it.vlans, it.priority) = (vec![7], priority));
            made.send(&packet);
        }
    }
    // Without a tag, and with another, this source is not where it belongs.
    let mut stray = Handmade::new(site.sender.namespace(), "eth0");
    assert_counted(&igmpd, "wan0", "rpf", 10, || {
        for _ in 0..10 {
            let packet = stray.next(TAGGED_SOURCE, GROUP);
            stray.send(&packet);
        }
    });
    for tags in [&[8][..], &[7, 7]] {
        let packet = stray
            .next(TAGGED_SOURCE, GROUP)
            .with(|it| it.vlans = tags.to_vec());
        stray.send(&packet);
    }
    let packet = stray.next(SOURCE, GROUP).with(|it| it.vlans = vec![7]);
    stray.send(&packet);
    // Both untagged and tagged data come through.
    site.assert_delivered(&mut site.send_to(GROUP), 20, &[1]);
    let frames = site.station(1).tap.to(GROUP);
    with_tag(&frames, made.stream(), None).assert_exactly("lan1", 0..20);
    assert_eq!(with_tag(&frames, stray.stream(), None).count(), 0);
    assert!(frames.iter().all(|frame| frame.tag.is_none()));
    for frame in frames.iter().filter(|frame| frame.source() == TAGGED_SOURCE) {
        // The tag is gone and nothing else: the frame is as long as its packet.
        assert_eq!(frame.bytes.len(), 14 + 20 + 8 + 200);
        assert!(frame.is_checksum_right() && frame.is_header_checksum_right());
        assert_eq!(frame.ttl(), 15);
    }
    let receiver = &site.station(1).receiver;
    receiver
        .arrivals(made.stream(), TAGGED_SOURCE, GROUP)
        .assert_exactly("lan1", 0..20);
    assert_eq!(site.station(2).tap.to(GROUP), []);
}

on_datapaths!(tags_are_added: native Native, plain Plain, generic Generic);

fn tags_are_added(datapath: Datapath) {
    let site = Site::new(datapath, 2);
    let igmpd = site.start_with(&site.config("", &vlans("lan1", "igmp = {}", &[7, 9, 11])));
    let raw = reporter(&site, 1);
    let mut sender = site.send_to(GROUP);
    join(&igmpd, &raw, "lan1.7", 7);
    let first = site.send_settled(&mut sender, 20);
    join(&igmpd, &raw, "lan1.9", 9);
    let second = site.send_settled(&mut sender, 20);
    site.join(&igmpd, 1, GROUP);
    let third = site.send_settled(&mut sender, 20);
    site.join(&igmpd, 2, GROUP);
    let fourth = site.send_settled(&mut sender, 20);
    let frames = site.station(1).tap.to(GROUP);
    let tagged = |tag| with_tag(&frames, sender.stream(), tag);
    tagged(Some(7)).assert_exactly("VLAN 7", first.start..fourth.end);
    tagged(Some(9)).assert_exactly("VLAN 9", second.start..fourth.end);
    tagged(None).assert_exactly("no VLAN", third.start..fourth.end);
    assert_eq!(tagged(Some(11)).count(), 0);
    let station = site.station(2);
    station.saw(&sender).assert_exactly("lan2", fourth);
    for frame in &frames {
        assert_eq!(frame.ttl(), 15);
        assert!(frame.is_header_checksum_right());
        assert!(frame.checksum_pending || frame.is_checksum_right());
    }
}

/// From a VLAN of one interface into a VLAN of another.
#[test]
fn tags_are_exchanged() {
    for datapath in [Datapath::Native, Datapath::Plain, Datapath::Generic] {
        let site = Site::new(datapath, 1);
        let tables = vlans("wan0", "", &[7]) + &vlans("lan1", "igmp = {}", &[9]);
        let igmpd = site.start_with(&site.config("", &tables));
        join(&igmpd, &reporter(&site, 1), "lan1.9", 9);
        let mut made = Handmade::new(site.sender.namespace(), "eth0");
        for _ in 0..20 {
            let packet = made.next(TAGGED_SOURCE, GROUP).with(|it| it.vlans = vec![7]);
            made.send(&packet);
        }
        site.settle();
        let frames = site.station(1).tap.to(GROUP);
        with_tag(&frames, made.stream(), Some(9)).assert_exactly("VLAN 9", 0..20);
        assert_eq!(frames.len(), 20, "{datapath:?}");
    }
}

/// Between the VLANs of one interface: data leaves where it came in, but not into the network that it came from.
#[test]
fn from_one_vlan_to_the_other() {
    for datapath in [Datapath::Native, Datapath::Plain, Datapath::Generic] {
        let site = Site::new(datapath, 1);
        let igmpd = site.start_with(&site.config("", &vlans("lan1", "igmp = {}", &[7, 9])));
        let raw = reporter(&site, 1);
        join(&igmpd, &raw, "lan1.7", 7);
        join(&igmpd, &raw, "lan1.9", 9);
        site.join(&igmpd, 1, GROUP);
        let mut made = Handmade::new(site.station(1).host.namespace(), "eth0");
        for _ in 0..20 {
            let packet = made.next([10, 7, 0, 2], GROUP).with(|it| it.vlans = vec![7]);
            made.send(&packet);
        }
        let tap = &site.station(1).tap;
        wait_for("data in VLAN 9 and without a tag", PATIENCE, || {
            let frames = tap.to(GROUP);
            let faults = [Some(9), None].map(|tag| with_tag(&frames, made.stream(), tag).faults(0..20));
            if faults.iter().all(String::is_empty) {
                Ok(())
            } else {
                Err(format!("{datapath:?} {faults:?}"))
            }
        });
        site.settle();
        assert_eq!(with_tag(&tap.to(GROUP), made.stream(), Some(7)).count(), 0);
        assert_eq!(tap.to(GROUP).len(), 40);
    }
}
