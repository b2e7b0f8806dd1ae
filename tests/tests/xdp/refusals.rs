//! Packets that are refused: counted once, under the first reason, and nothing else happens.

use std::net::Ipv4Addr;

use igmp_wire::{
    Refusal,
    abi::{InterfaceConfig, InterfaceFlags},
    emit::{Message, Record},
    ethernet::Vlan,
    igmp::{Kind, RecordKind},
};

use crate::{
    frames::{IP, fix_igmp_checksum, fix_ip_checksum, frame, frame_from, query, record},
    harness::{HOST, ROUTER, Verdict, Xdp, default_config},
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
/// Where the IGMP message begins behind a header with Router Alert.
const IGMP: usize = IP + 24;

/// Feeds one packet that must be refused for this reason, without any other trace.
#[track_caller]
fn refused(xdp: &mut Xdp, packet: &[u8], kind: Option<Kind>, reason: Refusal, verdict: Verdict) {
    assert_eq!(xdp.receive(packet), verdict);
    let counted = xdp.counted();
    assert_eq!(counted.dropped().into_iter().collect::<Vec<_>>(), [(reason, 1)]);
    assert_eq!(counted.0.received[0], 1, "it is counted as received all the same");
    if let Some(kind) = kind {
        assert_eq!(counted.received(kind).1, 1);
    } else {
        assert_eq!(counted.0.received[1..].iter().sum::<u64>(), 0);
    }
    assert_eq!((counted.0.events, counted.0.refreshed), (0, 0));
    assert_eq!(xdp.events().len(), 0);
    assert_eq!(xdp.group(GROUP), None);
}

fn v2() -> Vec<u8> {
    frame(Message::ReportV2(GROUP))
}

fn edited(mut packet: Vec<u8>, edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    edit(&mut packet);
    packet
}

#[test]
fn checksums() {
    let mut xdp = Xdp::new();
    for at in [IGMP, IGMP + 1, IGMP + 3, IGMP + 7] {
        let packet = edited(v2(), |packet| packet[at] ^= 0x40);
        assert_eq!(xdp.receive(&packet), Verdict::Drop);
        assert_eq!(
            xdp.counted().dropped().into_iter().collect::<Vec<_>>(),
            [(Refusal::Checksum, 1)]
        );
    }
    let header = edited(v2(), |packet| packet[IP + 11] ^= 1);
    refused(
        &mut xdp,
        &header,
        Some(Kind::ReportV2),
        Refusal::Checksum,
        Verdict::Drop,
    );
}

/// RFC 2236 §2.5 and RFC 9776 §4.2.12: data behind the message is part of what the checksum covers, odd lengths too.
#[test]
fn checksums_cover_trailing_data() {
    for extra in [1_usize, 2, 3, 5, 31, 32, 33, 64, 100, 1000] {
        let mut xdp = Xdp::new();
        let good = edited(v2(), |packet| {
            packet.extend((0..extra).map(|n| n as u8 | 1));
            let total = (24 + 8 + extra) as u16;
            packet[IP + 2..IP + 4].copy_from_slice(&total.to_be_bytes());
            fix_ip_checksum(packet);
            fix_igmp_checksum(packet);
        });
        let bad = edited(good.clone(), |packet| {
            if let Some(last) = packet.last_mut() {
                *last ^= 0x10;
            }
        });
        refused(
            &mut xdp,
            &bad,
            Some(Kind::ReportV2),
            Refusal::Checksum,
            Verdict::Drop,
        );
        assert_eq!(xdp.receive(&good), Verdict::Drop);
        assert!(xdp.group(GROUP).is_some(), "{extra} bytes behind the message");
    }
}

#[test]
fn time_to_live() {
    let mut xdp = Xdp::new();
    for ttl in [0, 2, 64, 255] {
        let packet = edited(v2(), |packet| {
            packet[IP + 8] = ttl;
            fix_ip_checksum(packet);
        });
        refused(
            &mut xdp,
            &packet,
            Some(Kind::ReportV2),
            Refusal::Ttl,
            Verdict::Drop,
        );
    }
}

/// Takes the option out of a frame's IP header.
fn without_router_alert(packet: &[u8]) -> Vec<u8> {
    let mut shorter = [&packet[..IP + 20], &packet[IP + 24..]].concat();
    shorter[IP] = 0x45;
    let total = u16::from_be_bytes([packet[IP + 2], packet[IP + 3]]) - 4;
    shorter[IP + 2..IP + 4].copy_from_slice(&total.to_be_bytes());
    fix_ip_checksum(&mut shorter);
    shorter
}

#[test]
fn router_alert() {
    let mut xdp = Xdp::new();
    refused(
        &mut xdp,
        &without_router_alert(&v2()),
        Some(Kind::ReportV2),
        Refusal::RouterAlert,
        Verdict::Drop,
    );
    let v3 = without_router_alert(&record(RecordKind::IsExclude, GROUP, &[]));
    refused(
        &mut xdp,
        &v3,
        Some(Kind::ReportV3),
        Refusal::RouterAlert,
        Verdict::Drop,
    );
    let leave = without_router_alert(&frame(Message::Leave(GROUP)));
    refused(
        &mut xdp,
        &leave,
        Some(Kind::Leave),
        Refusal::RouterAlert,
        Verdict::Drop,
    );
    let general = without_router_alert(&query(HOST, None, &[]));
    refused(
        &mut xdp,
        &general,
        Some(Kind::QueryV3),
        Refusal::RouterAlert,
        Verdict::Drop,
    );

    // Version 1 never carries it.
    let v1 = frame(Message::ReportV1(GROUP));
    assert_eq!(v1[IP], 0x45);
    xdp.receive(&v1);
    assert!(xdp.counted().dropped().is_empty());

    // Where it is not required, its absence does not matter.
    let mut lenient = Xdp::new();
    lenient.configure(
        0,
        &InterfaceConfig {
            flags: InterfaceFlags::IGMP,
            ..default_config()
        },
    );
    lenient.receive(&without_router_alert(&v2()));
    assert!(lenient.group(GROUP).is_some());
}

/// RFC 2113 does not say that Router Alert is the first option.
#[test]
fn router_alert_among_other_options() {
    for options in [
        vec![1, 1, 1, 1, 0x94, 4, 0, 0],
        vec![0x94, 4, 0, 0, 1, 1, 1, 0],
        vec![7, 7, 4, 0, 0, 0, 0, 1, 0x94, 4, 0, 0],
        vec![1, 0x94, 4, 0, 7, 0, 0, 0],
    ] {
        let mut xdp = Xdp::new();
        let bare = without_router_alert(&v2());
        let mut packet = [&bare[..IP + 20], &options, &bare[IP + 20..]].concat();
        packet[IP] = 0x45 + (options.len() / 4) as u8;
        let total = (20 + options.len() + 8) as u16;
        packet[IP + 2..IP + 4].copy_from_slice(&total.to_be_bytes());
        fix_ip_checksum(&mut packet);
        assert_eq!(xdp.receive(&packet), Verdict::Drop);
        assert!(xdp.group(GROUP).is_some(), "{options:?}");
    }
}

#[test]
fn sources() {
    let mut xdp = Xdp::new();
    for source in [
        ROUTER,
        Ipv4Addr::new(224, 0, 0, 5),
        Ipv4Addr::new(239, 1, 1, 1),
        Ipv4Addr::new(255, 255, 255, 255),
        Ipv4Addr::new(240, 0, 0, 1),
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(0, 1, 2, 3),
    ] {
        let packet = frame_from(source, Vlan::Untagged, Message::ReportV2(GROUP));
        refused(
            &mut xdp,
            &packet,
            Some(Kind::ReportV2),
            Refusal::Source,
            Verdict::Drop,
        );
    }
    // A query from another network could silence the querier; a report from one is taken unless told otherwise.
    let foreign = Ipv4Addr::new(192, 0, 2, 77);
    refused(
        &mut xdp,
        &query(foreign, None, &[]),
        Some(Kind::QueryV3),
        Refusal::Source,
        Verdict::Drop,
    );
    let mut strict = Xdp::new();
    let flags = default_config().flags | InterfaceFlags::VERIFY_SOURCE_SUBNET;
    strict.configure(
        0,
        &InterfaceConfig {
            flags,
            ..default_config()
        },
    );
    let report = frame_from(foreign, Vlan::Untagged, Message::ReportV2(GROUP));
    refused(
        &mut strict,
        &report,
        Some(Kind::ReportV2),
        Refusal::Source,
        Verdict::Drop,
    );
    // RFC 9776 §4.2.14: 0.0.0.0 is always accepted.
    strict.receive(&frame_from(
        Ipv4Addr::UNSPECIFIED,
        Vlan::Untagged,
        Message::ReportV2(GROUP),
    ));
    assert!(strict.group(GROUP).is_some());
    xdp.receive(&report);
    assert!(xdp.group(GROUP).is_some());
}

#[test]
fn groups() {
    let mut xdp = Xdp::new();
    for group in [
        Ipv4Addr::new(224, 0, 0, 1),
        Ipv4Addr::new(10, 1, 1, 5),
        Ipv4Addr::new(240, 0, 0, 1),
        Ipv4Addr::UNSPECIFIED,
    ] {
        for (message, kind) in [
            (Message::ReportV1(group), Kind::ReportV1),
            (Message::ReportV2(group), Kind::ReportV2),
            (Message::Leave(group), Kind::Leave),
        ] {
            // The frame is addressed to a group whatever it reports, so that this is the only thing wrong with it.
            let packet = edited(frame(message), |packet| {
                packet[IP + 16..IP + 20].copy_from_slice(&[224, 0, 0, 2]);
                fix_ip_checksum(packet);
            });
            refused(&mut xdp, &packet, Some(kind), Refusal::Group, Verdict::Drop);
        }
        let packet = record(RecordKind::IsExclude, group, &[]);
        refused(
            &mut xdp,
            &packet,
            Some(Kind::ReportV3),
            Refusal::Group,
            Verdict::Drop,
        );
    }
    let unicast = query(HOST, Some(Ipv4Addr::new(10, 1, 1, 9)), &[]);
    let unicast = edited(unicast, |packet| {
        packet[IP + 16..IP + 20].copy_from_slice(&[224, 0, 0, 1]);
        fix_ip_checksum(packet);
    });
    refused(
        &mut xdp,
        &unicast,
        Some(Kind::QueryV3),
        Refusal::Group,
        Verdict::Drop,
    );
}

/// RFC 4604 §3: no any-source membership in 232/8; the other records of the report count all the same.
#[test]
fn source_specific_range() {
    let group = Ipv4Addr::new(232, 1, 2, 3);
    let mut xdp = Xdp::new();
    for (packet, kind) in [
        (frame(Message::ReportV1(group)), Kind::ReportV1),
        (frame(Message::ReportV2(group)), Kind::ReportV2),
        (frame(Message::Leave(group)), Kind::Leave),
        (record(RecordKind::IsExclude, group, &[]), Kind::ReportV3),
        (record(RecordKind::ToExclude, group, &[HOST]), Kind::ReportV3),
    ] {
        refused(&mut xdp, &packet, Some(kind), Refusal::SsmRange, Verdict::Drop);
        assert_eq!(xdp.group(group), None);
    }
    let mixed = frame(Message::ReportV3(&[
        Record {
            kind: RecordKind::IsExclude,
            group,
            sources: &[],
        },
        Record {
            kind: RecordKind::IsExclude,
            group: GROUP,
            sources: &[],
        },
    ]));
    xdp.receive(&mixed);
    assert!(xdp.group(GROUP).is_some());
    assert_eq!(xdp.group(group), None);
    assert_eq!(
        xdp.counted().dropped().into_iter().collect::<Vec<_>>(),
        [(Refusal::SsmRange, 1)]
    );
}

#[test]
fn unknown_types() {
    let mut xdp = Xdp::new();
    for kind in [0, 0x10, 0x13, 0x14, 0x15, 0x18, 0x1e, 0x1f, 0x23, 0x30, 0xff] {
        let packet = edited(v2(), |packet| {
            packet[IGMP] = kind;
            fix_igmp_checksum(packet);
        });
        // Somebody else on this router may want them.
        refused(&mut xdp, &packet, None, Refusal::UnknownType, Verdict::Pass);
    }
    // To a router of version 1 or 2, a version 3 report is one (RFC 2236 §2.1).
    for version in [1, 2] {
        let mut old = Xdp::new();
        old.configure(
            0,
            &InterfaceConfig {
                version,
                ..default_config()
            },
        );
        let packet = record(RecordKind::IsExclude, GROUP, &[]);
        refused(
            &mut old,
            &packet,
            Some(Kind::ReportV3),
            Refusal::UnknownType,
            Verdict::Pass,
        );
    }
}

#[test]
fn lengths() {
    let mut xdp = Xdp::new();
    for len in 0..8_u16 {
        let packet = edited(v2(), |packet| {
            packet[IP + 2..IP + 4].copy_from_slice(&(24 + len).to_be_bytes());
            fix_ip_checksum(packet);
        });
        refused(&mut xdp, &packet, None, Refusal::TooShort, Verdict::Drop);
    }
    // A header that promises more than there is.
    let long = edited(v2(), |packet| {
        packet[IP + 2..IP + 4].copy_from_slice(&200_u16.to_be_bytes());
        fix_ip_checksum(packet);
    });
    refused(&mut xdp, &long, None, Refusal::TooShort, Verdict::Drop);
    // RFC 9776 §7.1: queries have 8 bytes, or 12 and more.
    for len in 9..12_u16 {
        let packet = edited(query(HOST, None, &[]), |packet| {
            packet[IP + 2..IP + 4].copy_from_slice(&(24 + len).to_be_bytes());
            fix_ip_checksum(packet);
            fix_igmp_checksum(packet);
        });
        refused(&mut xdp, &packet, None, Refusal::Malformed, Verdict::Drop);
    }
}

#[test]
fn counts_that_do_not_fit() {
    let mut xdp = Xdp::new();
    let sources = edited(query(HOST, Some(GROUP), &[HOST]), |packet| {
        packet[IGMP + 11] = 2;
        fix_igmp_checksum(packet);
    });
    refused(
        &mut xdp,
        &sources,
        Some(Kind::QueryV3),
        Refusal::Malformed,
        Verdict::Drop,
    );
    // Sources of no group are no kind of query (RFC 9776 §4.1.11).
    let general = edited(query(HOST, Some(GROUP), &[HOST]), |packet| {
        packet[IGMP + 4..IGMP + 8].fill(0);
        fix_igmp_checksum(packet);
    });
    refused(
        &mut xdp,
        &general,
        Some(Kind::QueryV3),
        Refusal::Malformed,
        Verdict::Drop,
    );

    let two = frame(Message::ReportV3(&[
        Record {
            kind: RecordKind::IsExclude,
            group: GROUP,
            sources: &[],
        },
        Record {
            kind: RecordKind::IsInclude,
            group: Ipv4Addr::new(239, 9, 9, 9),
            sources: &[HOST],
        },
    ]));
    let edits: [fn(&mut Vec<u8>); 5] = [
        // One record more than there is.
        |packet| packet[IGMP + 7] = 3,
        // Very many.
        |packet| packet[IGMP + 6..IGMP + 8].fill(0xff),
        // One source more than there is in the last record.
        |packet| packet[IGMP + 8 + 8 + 3] = 2,
        // Very many.
        |packet| packet[IGMP + 8 + 2..IGMP + 8 + 4].fill(0xff),
        // Auxiliary data that is not there.
        |packet| packet[IGMP + 8 + 8 + 1] = 1,
    ];
    for edit in edits {
        let packet = edited(two.clone(), |packet| {
            edit(packet);
            fix_igmp_checksum(packet);
        });
        // The first record would be good. It is not applied either.
        refused(
            &mut xdp,
            &packet,
            Some(Kind::ReportV3),
            Refusal::Malformed,
            Verdict::Drop,
        );
    }
}

#[test]
fn fragments() {
    let mut xdp = Xdp::new();
    for field in [0x2000_u16, 0x0001, 0x2001, 0x1fff] {
        let packet = edited(v2(), |packet| {
            packet[IP + 6..IP + 8].copy_from_slice(&field.to_be_bytes());
            fix_ip_checksum(packet);
        });
        refused(&mut xdp, &packet, None, Refusal::Fragment, Verdict::Drop);
    }
    let dont_fragment = edited(v2(), |packet| {
        packet[IP + 6..IP + 8].copy_from_slice(&0x4000_u16.to_be_bytes());
        fix_ip_checksum(packet);
    });
    xdp.receive(&dont_fragment);
    assert!(xdp.group(GROUP).is_some(), "the DF bit is not a fragment");
}

/// Tagged frames of a VLAN that is not configured make no state. They pass, because somebody else may have that VLAN.
#[test]
fn vlans() {
    let mut xdp = Xdp::new();
    for vlan in [Vlan::Tagged(9), Vlan::Stacked(7, 9)] {
        let packet = frame_from(HOST, vlan, Message::ReportV2(GROUP));
        refused(
            &mut xdp,
            &packet,
            Some(Kind::ReportV2),
            Refusal::Vlan,
            Verdict::Pass,
        );
    }
}

/// A packet with several defects is counted under the first of them only.
#[test]
fn the_first_reason_counts() {
    let mut xdp = Xdp::new();
    let ttl_and_source = edited(
        frame_from(ROUTER, Vlan::Untagged, Message::ReportV2(GROUP)),
        |packet| {
            packet[IP + 8] = 9;
            fix_ip_checksum(packet);
        },
    );
    refused(
        &mut xdp,
        &ttl_and_source,
        Some(Kind::ReportV2),
        Refusal::Ttl,
        Verdict::Drop,
    );
    let all = edited(ttl_and_source, |packet| packet[IGMP + 7] ^= 1);
    refused(
        &mut xdp,
        &all,
        Some(Kind::ReportV2),
        Refusal::Checksum,
        Verdict::Drop,
    );
}
