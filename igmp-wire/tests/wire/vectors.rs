//! Messages whose bytes and checksums were computed elsewhere.

use std::{net::Ipv4Addr, ops::Range};

use igmp_wire::{
    Refusal,
    abi::Change,
    admit::{Message, judge_record},
    checksum,
    igmp::{Kind, Query},
};

use crate::build::{Ip, addresses, config, judge, records, refusal, with_checksum};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const SSM_GROUP: Ipv4Addr = Ipv4Addr::new(232, 1, 2, 3);
const SOURCES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];

const V1_GENERAL: &[u8] = &[0x11, 0x00, 0xee, 0xff, 0, 0, 0, 0];
const V2_GENERAL: &[u8] = &[0x11, 0x64, 0xee, 0x9b, 0, 0, 0, 0];
const V2_GROUP: &[u8] = &[0x11, 0x0a, 0xfd, 0xf0, 0xef, 1, 2, 3];
const V3_GENERAL: &[u8] = &[0x11, 0x64, 0xec, 0x1e, 0, 0, 0, 0, 2, 0x7d, 0, 0];
const V3_GROUP: &[u8] = &[0x11, 0x0a, 0xfb, 0x73, 0xef, 1, 2, 3, 2, 0x7d, 0, 0];
const V3_GROUP_SUPPRESS: &[u8] = &[0x11, 0x0a, 0xf3, 0x73, 0xef, 1, 2, 3, 0x0a, 0x7d, 0, 0];
const V3_SOURCES: &[u8] = &[
    0x11, 0x0a, 0x7e, 0x6d, 0xe8, 1, 2, 3, 2, 0x7d, 0, 2, 192, 0, 2, 1, 192, 0, 2, 2,
];
const REPORT_V1: &[u8] = &[0x12, 0, 0xfc, 0xfa, 0xef, 1, 2, 3];
const REPORT_V2: &[u8] = &[0x16, 0, 0xf8, 0xfa, 0xef, 1, 2, 3];
const LEAVE: &[u8] = &[0x17, 0, 0xf7, 0xfa, 0xef, 1, 2, 3];
const TO_EXCLUDE: &[u8] = &[0x22, 0, 0xe8, 0xf9, 0, 0, 0, 1, 4, 0, 0, 0, 0xef, 1, 2, 3];
const TO_INCLUDE: &[u8] = &[0x22, 0, 0xe9, 0xf9, 0, 0, 0, 1, 3, 0, 0, 0, 0xef, 1, 2, 3];
const ALLOW: &[u8] = &[
    0x22, 0, 0x2c, 0xf7, 0, 0, 0, 1, 5, 0, 0, 1, 0xe8, 1, 2, 3, 192, 0, 2, 1,
];
const TWO_RECORDS: &[u8] = &[
    0x22, 0, 0x7b, 0xed, 0, 0, 0, 2, 2, 0, 0, 0, 0xef, 1, 2, 3, 1, 0, 0, 2, 0xe8, 1, 2, 3, 192, 0, 2, 1, 192,
    0, 2, 2,
];

const ALL: [&[u8]; 14] = [
    V1_GENERAL,
    V2_GENERAL,
    V2_GROUP,
    V3_GENERAL,
    V3_GROUP,
    V3_GROUP_SUPPRESS,
    V3_SOURCES,
    REPORT_V1,
    REPORT_V2,
    LEAVE,
    TO_EXCLUDE,
    TO_INCLUDE,
    ALLOW,
    TWO_RECORDS,
];

#[test]
fn checksums_are_right() {
    for message in ALL {
        assert!(checksum::valid(checksum::sum(message)), "{message:02x?}");
        assert_eq!(with_checksum(message), message);
    }
}

#[test]
fn one_wrong_bit_is_found_anywhere() {
    for message in ALL {
        for bit in 0..message.len() * 8 {
            let mut wrong = message.to_vec();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let frame = Ip::default().frame(&wrong);
            assert_eq!(
                refusal(&frame, &config()),
                Some(Refusal::Checksum),
                "{wrong:02x?}"
            );
        }
    }
}

#[track_caller]
fn check_query(message: &[u8], expected: Query, sources: &[Ipv4Addr]) {
    let frame = Ip::default().frame(message);
    let Ok(Message::Query(query)) = judge(&frame, &config()).outcome else {
        panic!("refused");
    };
    // The sources are the only field that depends on where in the frame the message stands.
    assert_eq!(
        query,
        Query {
            sources: query.sources,
            ..expected
        }
    );
    assert_eq!(addresses(&frame, query.sources, query.source_count), sources);
}

#[test]
fn queries() {
    let general = |version, max_resp_code, qrv, qqic| Query {
        version,
        max_resp_code,
        group: Ipv4Addr::UNSPECIFIED,
        suppress: false,
        qrv,
        qqic,
        source_count: 0,
        sources: 0,
    };
    check_query(V1_GENERAL, general(1, 0, 0, 0), &[]);
    check_query(V2_GENERAL, general(2, 100, 0, 0), &[]);
    check_query(V3_GENERAL, general(3, 100, 2, 125), &[]);
    let group = Query {
        group: GROUP,
        ..general(3, 10, 2, 125)
    };
    check_query(
        V2_GROUP,
        Query {
            group: GROUP,
            ..general(2, 10, 0, 0)
        },
        &[],
    );
    check_query(V3_GROUP, group, &[]);
    check_query(
        V3_GROUP_SUPPRESS,
        Query {
            suppress: true,
            ..group
        },
        &[],
    );
    let sources = Query {
        group: SSM_GROUP,
        source_count: 2,
        ..group
    };
    check_query(V3_SOURCES, sources, &SOURCES);
}

#[test]
fn reports_and_leaves() {
    for (message, kind) in [
        (REPORT_V1, Kind::ReportV1),
        (REPORT_V2, Kind::ReportV2),
        (LEAVE, Kind::Leave),
    ] {
        let admission = judge(&Ip::default().frame(message), &config());
        assert_eq!(admission.kind, Some(kind));
        assert_eq!(admission.outcome, Ok(Message::Group { kind, group: GROUP }));
    }
}

#[track_caller]
fn check_report(message: &[u8], expected: &[(u8, Ipv4Addr, &[Ipv4Addr], Change)]) {
    let frame = Ip::default().frame(message);
    assert_eq!(judge(&frame, &config()).kind, Some(Kind::ReportV3));
    let found = records(&frame, &config());
    assert_eq!(found.len(), expected.len());
    for ((record, found), (code, group, sources, change)) in found.iter().zip(expected) {
        assert_eq!((record.code, record.group, &found[..]), (*code, *group, *sources));
        assert_eq!(judge_record(record), Ok(*change));
    }
}

#[test]
fn version_3_reports() {
    let any_source = Change::AnySource { version: 3 };
    check_report(TO_EXCLUDE, &[(4, GROUP, &[], any_source)]);
    check_report(TO_INCLUDE, &[(3, GROUP, &[], Change::Less)]);
    check_report(ALLOW, &[(5, SSM_GROUP, &SOURCES[..1], Change::Include)]);
    check_report(
        TWO_RECORDS,
        &[
            (2, GROUP, &[], any_source),
            (1, SSM_GROUP, &SOURCES, Change::Include),
        ],
    );
}

/// Cuts a message at every length, the IP header and the checksum made to fit. `malformed` are the lengths at which the
/// message contradicts itself; below 8 bytes it is too short (RFC 2236 §6), at all other lengths it is a message.
#[track_caller]
fn check_cuts(message: &[u8], malformed: Range<usize>) {
    for len in 0..=message.len() {
        let expected = if len < 8 {
            Some(Refusal::TooShort)
        } else if malformed.contains(&len) {
            Some(Refusal::Malformed)
        } else {
            None
        };
        let frame = Ip::default().frame(&with_checksum(&message[..len]));
        assert_eq!(
            refusal(&frame, &config()),
            expected,
            "{len} bytes of {message:02x?}"
        );
    }
}

#[test]
fn every_cut_message() {
    for message in [V1_GENERAL, V2_GENERAL, V2_GROUP, REPORT_V1, REPORT_V2, LEAVE] {
        check_cuts(message, 0..0);
    }
    // With 8 bytes it is a version 2 query, with 9 to 11 of no version (RFC 9776 §7.1).
    for message in [V3_GENERAL, V3_GROUP, V3_GROUP_SUPPRESS] {
        check_cuts(message, 9..12);
    }
    // Below 20 bytes the two sources do not fit.
    check_cuts(V3_SOURCES, 9..20);
    // A report whose number of records is 1 needs all bytes of that record, and so on.
    check_cuts(TO_EXCLUDE, 8..16);
    check_cuts(TO_INCLUDE, 8..16);
    check_cuts(ALLOW, 8..20);
    check_cuts(TWO_RECORDS, 8..32);
}

#[test]
fn every_cut_frame() {
    for message in ALL {
        let frame = Ip::default().frame(message);
        for len in 0..frame.len() {
            let cut = &frame[..len];
            // Without a whole IP header nothing says that it is IGMP; with one, the frame is shorter than it says.
            if len < 14 + 20 {
                assert_eq!(igmp_wire::admit::envelope(&cut), None, "{len}");
            } else {
                assert_eq!(refusal(cut, &config()), Some(Refusal::TooShort), "{len}");
            }
        }
    }
}

#[test]
fn what_follows_a_message_is_ignored_but_summed() {
    for message in ALL {
        // The zeros are what version 3 has behind the group: to a query of 8 bytes they add a list without sources.
        let more = [message, &[0; 4], &[0xff, 0x01, 0x02, 0x03, 0x04]].concat();
        let before = judge(&Ip::default().frame(message), &config());
        let right = Ip::default().frame(&with_checksum(&more));
        let after = judge(&right, &config());
        assert_eq!(refusal(&right, &config()), None, "{message:02x?}");
        if before.kind.is_some_and(|kind| !kind.is_query()) {
            assert_eq!(after.kind, before.kind);
        }
        let wrong = Ip::default().frame(&more);
        assert_eq!(
            refusal(&wrong, &config()),
            Some(Refusal::Checksum),
            "{message:02x?}"
        );
    }
}

#[test]
fn ethernet_padding_is_not_part_of_the_message() {
    for message in ALL {
        let frame = Ip::default().frame(message);
        let expected = judge(&frame, &config());
        for filler in [0x00, 0xa5] {
            let mut padded = frame.clone();
            padded.resize(frame.len().max(60) + 4, filler);
            assert_eq!(judge(&padded, &config()), expected);
        }
    }
}
