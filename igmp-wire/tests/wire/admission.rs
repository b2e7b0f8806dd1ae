//! Which packets are refused, and for which reason first.

use std::net::Ipv4Addr;

use igmp_wire::{
    Refusal,
    abi::{InterfaceConfig, InterfaceFlags},
    admit::{Message, judge_group},
    igmp::Kind,
};

use crate::build::{HOST, Ip, ROUTER, config, judge, refusal, with_checksum};

const GENERAL_QUERY: &[u8] = &[0x11, 0x64, 0xec, 0x1e, 0, 0, 0, 0, 2, 0x7d, 0, 0];
const REPORT_V2: &[u8] = &[0x16, 0, 0xf8, 0xfa, 0xef, 1, 2, 3];
const REPORT_V3: &[u8] = &[0x22, 0, 0xe8, 0xf9, 0, 0, 0, 1, 4, 0, 0, 0, 0xef, 1, 2, 3];

fn with_flags(flags: u32) -> InterfaceConfig {
    InterfaceConfig { flags, ..config() }
}

fn with_version(version: u32) -> InterfaceConfig {
    InterfaceConfig { version, ..config() }
}

/// One frame with every defect at once, from which one after the other is taken away: each time the next in the order
/// must come to light.
#[test]
fn the_first_defect_counts() {
    // No Router Alert, the router's own address as source, 224.0.0.1 as group, and an unknown type.
    let mut ip = Ip {
        header_words: Some(4),
        total_len: Some(21),
        fragment: 0x2000,
        ttl: 2,
        source: ROUTER,
        options: vec![],
        right_checksum: false,
        ..Ip::default()
    };
    let mut message = vec![0x99, 0, 0, 0, 224, 0, 0, 1];
    let check = |ip: &Ip, message: &[u8], expected| {
        assert_eq!(refusal(&ip.frame(message), &config()), expected, "{ip:?}");
    };
    check(&ip, &message, Some(Refusal::Malformed));
    ip.header_words = None;
    check(&ip, &message, Some(Refusal::Fragment));
    ip.fragment = 0;
    check(&ip, &message, Some(Refusal::TooShort));
    ip.total_len = None;
    check(&ip, &message, Some(Refusal::Checksum));
    ip.right_checksum = true;
    check(&ip, &message, Some(Refusal::Checksum));
    message = with_checksum(&message);
    check(&ip, &message, Some(Refusal::Ttl));
    ip.ttl = 1;
    check(&ip, &message, Some(Refusal::UnknownType));
    message[0] = 0x16;
    message = with_checksum(&message);
    check(&ip, &message, Some(Refusal::RouterAlert));
    ip.options = vec![0x94, 4, 0, 0];
    check(&ip, &message, Some(Refusal::Source));
    ip.source = HOST;
    check(&ip, &message, Some(Refusal::Group));
    message[4..8].copy_from_slice(&[232, 0, 0, 1]);
    message = with_checksum(&message);
    check(&ip, &message, Some(Refusal::SsmRange));
    message[4..8].copy_from_slice(&[239, 0, 0, 1]);
    message = with_checksum(&message);
    check(&ip, &message, None);
}

#[test]
fn a_refused_packet_is_still_known_for_what_it_is() {
    let ip = Ip {
        ttl: 2,
        ..Ip::default()
    };
    let admission = judge(&ip.frame(REPORT_V2), &config());
    assert_eq!(admission.kind, Some(Kind::ReportV2));
    assert_eq!(admission.source, HOST);
    assert_eq!(admission.destination, Ipv4Addr::new(224, 0, 0, 22));
    assert_eq!(admission.outcome, Err(Refusal::Ttl));

    let fragment = Ip {
        fragment: 1,
        ..Ip::default()
    };
    let admission = judge(&fragment.frame(REPORT_V2), &config());
    assert_eq!((admission.kind, admission.source), (None, HOST));

    let unreadable = Ip {
        header_words: Some(4),
        ..Ip::default()
    };
    let admission = judge(&unreadable.frame(REPORT_V2), &config());
    assert_eq!((admission.kind, admission.source), (None, Ipv4Addr::UNSPECIFIED));
    assert_eq!(admission.destination, Ipv4Addr::UNSPECIFIED);
}

#[test]
fn message_types() {
    let known = [0x11, 0x12, 0x16, 0x17, 0x22];
    for message_type in 0..=u8::MAX {
        // As a version 3 report this has no records, as any other it names a group.
        let message = with_checksum(&[message_type, 0, 0, 0, 239, 0, 0, 0]);
        let expected = (!known.contains(&message_type)).then_some(Refusal::UnknownType);
        let frame = Ip::default().frame(&message);
        assert_eq!(refusal(&frame, &config()), expected, "{message_type:#04x}");
    }
}

#[test]
fn a_query_tells_its_version_by_length_and_code() {
    // RFC 9776 §7.1.
    for len in 8..=16 {
        for code in [0, 1, 255] {
            let mut message = vec![0x11, code, 0, 0, 239, 1, 2, 3];
            message.resize(len, 0);
            let admission = judge(&Ip::default().frame(&with_checksum(&message)), &config());
            let expected = match (len, code) {
                (8, 0) => Some(Kind::QueryV1),
                (8, _) => Some(Kind::QueryV2),
                (9..=11, _) => None,
                _ => Some(Kind::QueryV3),
            };
            assert_eq!(admission.kind, expected);
            if expected.is_none() {
                assert_eq!(admission.outcome, Err(Refusal::Malformed));
            }
        }
    }
}

#[test]
fn groups_of_queries() {
    let check = |message: &[u8], expected| {
        let frame = Ip::default().frame(&with_checksum(message));
        assert_eq!(refusal(&frame, &config()), expected, "{message:02x?}");
    };
    for group in [[192, 0, 2, 1], [223, 255, 255, 255], [240, 0, 0, 0], [0, 0, 0, 1]] {
        let [a, b, c, d] = group;
        // Version 1 has the field, but it is to be ignored (RFC 1112 Appendix I).
        check(&[0x11, 0, 0, 0, a, b, c, d], None);
        check(&[0x11, 9, 0, 0, a, b, c, d], Some(Refusal::Group));
        check(&[0x11, 9, 0, 0, a, b, c, d, 2, 125, 0, 0], Some(Refusal::Group));
    }
    check(&[0x11, 9, 0, 0, 232, 1, 2, 3, 2, 125, 0, 0], None);
    // Sources without a group are none of the three variants (RFC 9776 §4.1.11).
    check(
        &[0x11, 9, 0, 0, 0, 0, 0, 0, 2, 125, 0, 1, 192, 0, 2, 1],
        Some(Refusal::Malformed),
    );
    // One source fewer than is said.
    check(
        &[0x11, 9, 0, 0, 239, 1, 2, 3, 2, 125, 0, 2, 192, 0, 2, 1],
        Some(Refusal::Malformed),
    );
}

#[test]
fn flags_of_queries_are_not_mixed_up() {
    // The upper four bits of the byte are reserved (RFC 9776 §4.1.4).
    for flags in 0..=u8::MAX {
        let message = with_checksum(&[0x11, 9, 0, 0, 239, 1, 2, 3, flags, 125, 0, 0]);
        let Ok(Message::Query(query)) = judge(&Ip::default().frame(&message), &config()).outcome else {
            panic!("refused");
        };
        assert_eq!((query.suppress, query.qrv), (flags & 8 != 0, flags % 8));
    }
}

#[test]
fn groups_of_reports() {
    for (group, expected) in [
        ([224, 0, 0, 1], Some(Refusal::Group)),
        ([192, 0, 2, 1], Some(Refusal::Group)),
        ([240, 0, 0, 0], Some(Refusal::Group)),
        ([0, 0, 0, 0], Some(Refusal::Group)),
        ([232, 0, 0, 0], Some(Refusal::SsmRange)),
        ([232, 255, 255, 255], Some(Refusal::SsmRange)),
        ([231, 255, 255, 255], None),
        ([233, 0, 0, 0], None),
        ([224, 0, 0, 0], None),
        ([224, 0, 0, 251], None),
        ([239, 255, 255, 255], None),
    ] {
        let [a, b, c, d] = group;
        for (message_type, kind) in [
            (0x12, Kind::ReportV1),
            (0x16, Kind::ReportV2),
            (0x17, Kind::Leave),
        ] {
            let message = with_checksum(&[message_type, 0, 0, 0, a, b, c, d]);
            let outcome = judge(&Ip::default().frame(&message), &config()).outcome;
            let group = Ipv4Addr::from(group);
            let expected = match expected {
                Some(refusal) => Err(refusal),
                None => Ok(Message::Group { kind, group }),
            };
            assert_eq!(outcome, expected);
        }
        // A source-specific report of the source-specific range is what the range is for.
        let source_specific = expected.filter(|refusal| *refusal != Refusal::SsmRange);
        assert_eq!(judge_group(group.into(), false).err(), source_specific);
    }
}

#[test]
fn sources() {
    let verify = with_flags(InterfaceFlags::IGMP | InterfaceFlags::VERIFY_SOURCE_SUBNET);
    let plain = with_flags(InterfaceFlags::IGMP);
    let refused = Some(Refusal::Source);
    // Of each source: a query, a report, a report where the subnet is verified.
    for (source, query, report, verified) in [
        // No address yet (RFC 9776 §4.2.14), or a snooping switch (RFC 4541 §2.1.1).
        ([0, 0, 0, 0], None, None, None),
        ([192, 0, 2, 10], None, None, None),
        ([192, 0, 3, 10], refused, None, refused),
        // The router's own address, a loopback, a multicast and two broadcast addresses.
        ([192, 0, 2, 254], refused, refused, refused),
        ([127, 0, 0, 1], refused, refused, refused),
        ([239, 1, 2, 3], refused, refused, refused),
        ([255, 255, 255, 255], refused, refused, refused),
        ([0, 1, 2, 3], refused, refused, refused),
        ([240, 0, 0, 1], refused, refused, refused),
    ] {
        let ip = Ip {
            source: source.into(),
            ..Ip::default()
        };
        assert_eq!(refusal(&ip.frame(GENERAL_QUERY), &plain), query, "{source:?}");
        for message in [REPORT_V2, REPORT_V3] {
            assert_eq!(refusal(&ip.frame(message), &plain), report, "{source:?}");
            assert_eq!(refusal(&ip.frame(message), &verify), verified, "{source:?}");
        }
    }
}

#[test]
fn every_network_of_the_interface_counts() {
    let mut config = with_flags(InterfaceFlags::VERIFY_SOURCE_SUBNET);
    config.prefixes[1].address = Ipv4Addr::new(10, 1, 0, 1).to_bits();
    config.prefixes[1].mask = 0xffff_0000;
    // The unused third has the mask 0, which every address would match.
    config.prefix_count = 2;
    for (source, expected) in [
        ([10, 1, 255, 255], None),
        ([192, 0, 2, 1], None),
        ([10, 2, 0, 1], Some(Refusal::Source)),
        ([10, 1, 0, 1], Some(Refusal::Source)),
    ] {
        let ip = Ip {
            source: source.into(),
            ..Ip::default()
        };
        assert_eq!(refusal(&ip.frame(REPORT_V2), &config), expected, "{source:?}");
    }
    // Without an address the interface cannot tell its neighbours from others.
    config.prefix_count = 0;
    assert_eq!(refusal(&Ip::default().frame(REPORT_V2), &config), None);
    assert_eq!(refusal(&Ip::default().frame(GENERAL_QUERY), &config), None);
}

#[test]
fn router_alert_is_required_of_versions_2_and_3() {
    let ip = Ip {
        options: vec![],
        ..Ip::default()
    };
    let v1 = [vec![0x11, 0, 0, 0, 0, 0, 0, 0], vec![0x12, 0, 0, 0, 239, 1, 2, 3]];
    let others = [
        vec![0x11, 100, 0, 0, 0, 0, 0, 0],
        vec![0x16, 0, 0, 0, 239, 1, 2, 3],
        vec![0x17, 0, 0, 0, 239, 1, 2, 3],
        GENERAL_QUERY.to_vec(),
        REPORT_V3.to_vec(),
    ];
    for message in v1 {
        assert_eq!(refusal(&ip.frame(&with_checksum(&message)), &config()), None);
    }
    for message in others {
        let frame = ip.frame(&with_checksum(&message));
        assert_eq!(refusal(&frame, &config()), Some(Refusal::RouterAlert));
        assert_eq!(refusal(&frame, &with_flags(InterfaceFlags::IGMP)), None);
    }
}

#[test]
fn an_older_interface_does_not_know_version_3_reports() {
    // RFC 2236 §2.1: unrecognized message types are ignored.
    let frame = Ip::default().frame(REPORT_V3);
    for version in [1, 2] {
        let admission = judge(&frame, &with_version(version));
        assert_eq!(admission.kind, Some(Kind::ReportV3));
        assert_eq!(admission.outcome, Err(Refusal::UnknownType));
        // It hears of the other routers whatever version they run, to warn of it (RFC 9776 §7.3.1).
        assert_eq!(
            refusal(&Ip::default().frame(GENERAL_QUERY), &with_version(version)),
            None
        );
        assert_eq!(
            refusal(&Ip::default().frame(REPORT_V2), &with_version(version)),
            None
        );
    }
}

#[test]
fn the_destination_is_not_judged() {
    for destination in [
        [192, 0, 2, 254],
        [192, 0, 2, 77],
        [224, 0, 0, 1],
        [239, 1, 2, 3],
        [255; 4],
    ] {
        let ip = Ip {
            destination: destination.into(),
            ..Ip::default()
        };
        for message in [REPORT_V2, REPORT_V3, GENERAL_QUERY] {
            let admission = judge(&ip.frame(message), &config());
            assert_eq!(admission.destination.octets(), destination);
            assert!(admission.outcome.is_ok());
        }
    }
}
