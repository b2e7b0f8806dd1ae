//! Packets that no honest station sends: each is counted once, under its reason, and changes nothing.

use std::net::Ipv4Addr;

use tests::{
    Lan, PATIENCE, Packet,
    packet::{ALLOW, IS_EX, IS_IN, Record, TO_EX, TO_IN, changed, short},
    refusal::{MEMBER_OF as GROUP, Scene, assert_refused},
    wait_for,
};

/// A group that nobody is a member of.
const OTHER: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 2);
const CHANNEL: Ipv4Addr = Ipv4Addr::new(232, 1, 1, 1);
const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Where the packets say they are from, if they are to be believed in that.
const SENDER: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 66);

fn join(group: Ipv4Addr) -> Packet {
    Packet::v3_report(SENDER, &[Record::new(TO_EX, group, &[])])
}

fn leave_v3(group: Ipv4Addr) -> Packet {
    Packet::v3_report(SENDER, &[Record::new(TO_IN, group, &[])])
}

// RFC 2236 §6: at least 8 octets; RFC 9776 §4.1.2: checksum over the whole payload; TTL 1 and Router Alert: §4.
#[test]
fn broken_envelopes() {
    let Scene { igmpd, station, .. } = &Scene::new("");
    assert_refused(
        igmpd,
        station,
        vec![
            (
                "a message of 4 bytes",
                "too-short",
                Packet::new(SENDER, OTHER, vec![0x16, 0, 0, 0]),
            ),
            (
                "a message of no bytes",
                "too-short",
                Packet::new(SENDER, OTHER, Vec::new()),
            ),
            (
                "a length beyond the frame",
                "too-short",
                changed(join(OTHER), |packet| packet.total_len = Some(1_400)),
            ),
            (
                "a wrong checksum",
                "checksum",
                changed(join(OTHER), |packet| packet.checksum_error = 1),
            ),
            (
                "a wrong checksum of a leave",
                "checksum",
                changed(Packet::leave(SENDER, GROUP), |packet| {
                    packet.checksum_error = 0x0100
                }),
            ),
            (
                "a wrong checksum of the IP header",
                "checksum",
                changed(join(OTHER), |packet| packet.header_checksum_error = 1),
            ),
            ("TTL 0", "ttl", changed(join(OTHER), |packet| packet.ttl = 0)),
            ("TTL 2", "ttl", changed(leave_v3(GROUP), |packet| packet.ttl = 2)),
            (
                "TTL 255",
                "ttl",
                changed(Packet::v2_report(SENDER, OTHER), |packet| packet.ttl = 255),
            ),
            (
                "a version 2 report without Router Alert",
                "router-alert",
                changed(Packet::v2_report(SENDER, OTHER), |packet| packet.options.clear()),
            ),
            (
                "a version 3 report without Router Alert",
                "router-alert",
                changed(join(OTHER), |packet| packet.options.clear()),
            ),
            (
                "a leave with another option",
                "router-alert",
                changed(Packet::leave(SENDER, GROUP), |packet| {
                    // Four times No Operation.
                    packet.options = vec![1, 1, 1, 1];
                }),
            ),
            (
                "a query without Router Alert",
                "router-alert",
                changed(Packet::general_query([10, 1, 1, 0], 10, 2, 2), |packet| {
                    packet.options.clear()
                }),
            ),
            (
                "a first fragment",
                "fragment",
                changed(join(OTHER), |packet| packet.fragment = 0x2000),
            ),
            (
                "a later fragment",
                "fragment",
                changed(join(OTHER), |packet| packet.fragment = 0x0010),
            ),
            (
                "a tag",
                "vlan",
                changed(join(OTHER), |packet| packet.vlans = vec![9]),
            ),
            (
                "two tags",
                "vlan",
                changed(join(OTHER), |packet| packet.vlans = vec![9, 10]),
            ),
        ],
    );
}

// Queries from elsewhere would win the election with a low address; reports of the router itself would be echoes.
#[test]
fn spoofed_senders() {
    let Scene { igmpd, station, .. } = &Scene::new("");
    let from = |source: [u8; 4]| changed(join(OTHER), |packet| packet.source = source.into());
    assert_refused(
        igmpd,
        station,
        vec![
            ("a loopback source", "source", from([127, 0, 0, 1])),
            ("a multicast source", "source", from([224, 0, 0, 5])),
            ("a broadcast source", "source", from([255, 255, 255, 255])),
            ("the router's own address", "source", from([10, 1, 1, 1])),
            (
                "a query from another network",
                "source",
                Packet::general_query([10, 0, 0, 1], 10, 2, 2),
            ),
            (
                "a query from the router's own address",
                "source",
                Packet::general_query([10, 1, 1, 1], 10, 2, 2),
            ),
        ],
    );
    assert!(igmpd.igmp("lan0").is_querier);

    // 0.0.0.0 is right for snooping switches, and never counts in the election (RFC 4541 §2.1.1).
    let before = igmpd.statistics("lan0").received.query_v3;
    station.raw.send(&Packet::general_query([0, 0, 0, 0], 10, 2, 2));
    wait_for("the query from nowhere", PATIENCE, || {
        let now = igmpd.statistics("lan0").received.query_v3;
        if now > before {
            Ok(())
        } else {
            Err(format!("{now} queries"))
        }
    });
    igmpd.wait_queries("lan0", 1);
    assert!(igmpd.igmp("lan0").is_querier);
}

#[test]
fn senders_of_other_networks_where_that_is_verified() {
    let Scene { igmpd, station, .. } = &Scene::new("verify-source-subnet = true");
    let foreign = changed(join(OTHER), |packet| packet.source = [172, 16, 0, 5].into());
    assert_refused(igmpd, station, vec![("a foreign source", "source", foreign)]);
    // RFC 9776 §4.2.14: a host may have no address yet.
    station.raw.send(&changed(join(OTHER), |packet| {
        packet.source = Ipv4Addr::UNSPECIFIED
    }));
    igmpd.wait_joined("lan0", OTHER);
}

#[test]
fn senders_of_other_networks_where_that_is_not_verified() {
    let Scene { igmpd, station, .. } = &Scene::new("");
    let source = Ipv4Addr::new(172, 16, 0, 5);
    station
        .raw
        .send(&changed(join(OTHER), |packet| packet.source = source));
    assert_eq!(igmpd.wait_joined("lan0", OTHER).last_reporter, Some(source));
}

#[test]
fn groups_that_cannot_be() {
    let Scene { igmpd, station, .. } = &Scene::new("");
    // A report goes to its group, and one for such a group would go to some station; this goes to all routers.
    let to_routers = |packet| changed(packet, |packet| packet.destination = [224, 0, 0, 2].into());
    let record = |kind, group: [u8; 4]| Packet::v3_report(SENDER, &[Record::new(kind, group, &[])]);
    assert_refused(
        igmpd,
        station,
        vec![
            (
                "a unicast group",
                "group",
                to_routers(Packet::v2_report(SENDER, [10, 1, 1, 9])),
            ),
            (
                "no group",
                "group",
                to_routers(Packet::v2_report(SENDER, [0, 0, 0, 0])),
            ),
            // RFC 9776 §5: nobody reports 224.0.0.1.
            ("all systems", "group", Packet::v2_report(SENDER, [224, 0, 0, 1])),
            ("a class E group", "group", Packet::leave(SENDER, [240, 0, 0, 1])),
            (
                "a record of a unicast group",
                "group",
                record(TO_EX, [10, 1, 1, 9]),
            ),
            ("a record of all systems", "group", record(IS_EX, [224, 0, 0, 1])),
            (
                "a query for a unicast group",
                "group",
                Packet::new(
                    [10, 1, 1, 66],
                    [224, 0, 0, 1],
                    short(0x11, 10, [10, 1, 1, 9].into()),
                ),
            ),
            // RFC 4604 §3: no sources, no meaning in 232.0.0.0/8.
            (
                "a version 1 report of a channel",
                "ssm-range",
                Packet::v1_report(SENDER, CHANNEL),
            ),
            (
                "a version 2 report of a channel",
                "ssm-range",
                Packet::v2_report(SENDER, CHANNEL),
            ),
            (
                "a leave of a channel",
                "ssm-range",
                Packet::leave(SENDER, CHANNEL),
            ),
            ("TO_EX of a channel", "ssm-range", record(TO_EX, CHANNEL.octets())),
            (
                "IS_EX of a channel",
                "ssm-range",
                Packet::v3_report(SENDER, &[Record::new(IS_EX, CHANNEL, &[A])]),
            ),
        ],
    );
}

#[test]
fn messages_that_contradict_themselves() {
    let Scene { igmpd, station, .. } = &Scene::new("");
    let patched = |packet: Packet, at: usize, bytes: &[u8]| {
        changed(packet, |packet| {
            packet.message[at..at + bytes.len()].copy_from_slice(bytes)
        })
    };
    let with_source = || Packet::v3_report(SENDER, &[Record::new(ALLOW, OTHER, &[A])]);
    // The first record is good, and must not be taken from a report that is not.
    let two = || {
        Packet::v3_report(
            SENDER,
            &[Record::new(TO_EX, OTHER, &[]), Record::new(ALLOW, OTHER, &[A])],
        )
    };
    assert_refused(
        igmpd,
        station,
        vec![
            (
                "two records, one there",
                "malformed",
                patched(join(OTHER), 6, &[0, 2]),
            ),
            (
                "65535 records, one there",
                "malformed",
                patched(join(OTHER), 6, &[255, 255]),
            ),
            (
                "two sources, one there",
                "malformed",
                patched(with_source(), 10, &[0, 2]),
            ),
            (
                "65535 sources, one there",
                "malformed",
                patched(with_source(), 10, &[255, 255]),
            ),
            (
                "auxiliary data that is not there",
                "malformed",
                patched(join(OTHER), 9, &[1]),
            ),
            (
                "auxiliary data beyond the packet",
                "malformed",
                patched(join(OTHER), 9, &[255]),
            ),
            (
                "a good record, and one with a source that is not there",
                "malformed",
                patched(two(), 18, &[0, 2]),
            ),
            (
                "a query for sources that are not there",
                "malformed",
                patched(
                    Packet::general_query([10, 1, 1, 66], 10, 2, 2),
                    4,
                    &[239, 1, 1, 1, 2, 2, 0, 9],
                ),
            ),
            (
                "a General Query with sources",
                "malformed",
                changed(Packet::general_query([10, 1, 1, 66], 10, 2, 2), |packet| {
                    packet.message[11] = 1;
                    packet.message.extend(A.octets());
                }),
            ),
            // RFC 9776 §7.1: 9 to 11 bytes are of no version.
            (
                "a query of 10 bytes",
                "malformed",
                changed(Packet::general_query([10, 1, 1, 66], 10, 2, 2), |packet| {
                    packet.message.truncate(10);
                }),
            ),
            (
                "a total length within the IP header",
                "malformed",
                changed(join(OTHER), |packet| packet.total_len = Some(16)),
            ),
        ],
    );
    let types = [0x00, 0x13, 0x14, 0x1e, 0x30, 0x7f, 0xff];
    let unknown = types
        .map(|kind| {
            (
                "an unknown type",
                "unknown-type",
                Packet::new(SENDER, OTHER, short(kind, 0, OTHER)),
            )
        })
        .to_vec();
    assert_refused(igmpd, station, unknown);
}

// Each is odd and each is right, so each joins a group of its own.
#[test]
fn odd_messages_that_are_right() {
    let Scene { igmpd, station, .. } = &Scene::new("");
    let group = |number: u8| Ipv4Addr::new(239, 7, 7, number);
    let report = |number: u8| Packet::v3_report(SENDER, &[Record::new(TO_EX, group(number), &[])]);
    let auxiliary = |number: u8| Record {
        auxiliary: vec![0xdead_beef; 3],
        ..Record::new(TO_EX, group(number), &[])
    };
    let packets = [
        // RFC 9776 §4.2.11: auxiliary data is stepped over.
        Packet::v3_report(SENDER, &[auxiliary(1), Record::new(TO_EX, group(2), &[])]),
        // §4.2.13: unknown record types are skipped.
        Packet::v3_report(
            SENDER,
            &[Record::new(9, OTHER, &[A]), Record::new(TO_EX, group(3), &[])],
        ),
        // §4.2.12: what follows the last record is ignored, though summed.
        changed(report(4), |packet| packet.message.extend([1, 2, 3, 4, 5])),
        // RFC 2236 §2.5: and so with version 2.
        changed(Packet::v2_report(SENDER, group(5)), |packet| {
            packet.message.extend([1, 2, 3, 4]);
        }),
        // §4.2.14: a host may have no address yet.
        changed(report(6), |packet| packet.source = Ipv4Addr::UNSPECIFIED),
        // §4.2.15: reports to any address of the interface are accepted.
        changed(report(7), |packet| packet.destination = [10, 1, 1, 1].into()),
        // RFC 2113 §2.1: the option's value is ignored, and it may follow others.
        changed(report(8), |packet| packet.options = vec![0x94, 4, 0, 7]),
        changed(report(9), |packet| {
            packet.options = vec![1, 1, 0x94, 4, 0, 0, 0, 0]
        }),
        // RFC 1112: version 1 has no Router Alert.
        Packet::v1_report(SENDER, group(10)),
        // A tag with VLAN ID 0 carries a priority and names no VLAN (IEEE 802.1Q).
        changed(report(11), |packet| packet.vlans = vec![0]),
    ];
    for packet in packets {
        station.raw.send(&packet);
    }
    for number in 1..=11 {
        igmpd.wait_joined("lan0", group(number));
    }
    assert_eq!(igmpd.group("lan0", OTHER), None);
    // RFC 4604 §3.1: a record that is refused does not take the others with it.
    station.raw.send(&Packet::v3_report(
        SENDER,
        &[
            Record::new(TO_EX, CHANNEL, &[]),
            Record::new(TO_EX, group(12), &[]),
            Record::new(TO_EX, [10, 1, 1, 9], &[]),
            Record::new(IS_IN, CHANNEL, &[A]),
        ],
    ));
    igmpd.wait_joined("lan0", group(12));
    igmpd.wait_joined("lan0", CHANNEL);
}

// Reports of any size that the driver hands over in one piece are read to their end. 425 records of 8 bytes, 3,432 bytes
// of IP packet, are more than any 1500-byte link carries.
#[test]
fn a_report_that_is_larger_than_usual() {
    let lan = Lan::new();
    let station = lan.station("station");
    lan.router.ip("link set lan0 mtu 3450");
    for port in ["router", "station"] {
        lan.switch.namespace().ip(&format!("link set {port} mtu 3450"));
    }
    lan.switch.namespace().ip("link set br0 mtu 3450");
    station.namespace.ip("link set eth0 mtu 3450");
    let igmpd = lan.igmpd("");
    assert_eq!(igmpd.interface("lan0").xdp_mode.as_deref(), Some("native"));
    let records: Vec<_> = (0..425)
        .map(|number| Record::new(TO_EX, Ipv4Addr::from_bits(0xef08_0000 + number), &[]))
        .collect();
    station.raw.send(&Packet::v3_report(SENDER, &records));
    wait_for("all groups", PATIENCE, || {
        let count = igmpd.igmp("lan0").groups_count;
        if count == 425 {
            Ok(())
        } else {
            Err(format!("{count} groups"))
        }
    });
}
