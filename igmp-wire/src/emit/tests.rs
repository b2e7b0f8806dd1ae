//! Messages against vectors whose checksums were computed elsewhere, and frames byte by byte.

use core::net::Ipv4Addr;

use super::*;
use crate::{ethernet::Vlan, igmp::RecordKind};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const SSM_GROUP: Ipv4Addr = Ipv4Addr::new(232, 1, 2, 3);
const SOURCES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];

/// Version 3 query with the defaults of RFC 9776 §8.
const fn query_v3(max_response_time: u32, suppress: bool, target: QueryTarget<'_>) -> Message<'_> {
    Message::Query(Query::V3 {
        max_response_time,
        suppress,
        qrv: 2,
        query_interval: 125,
        target,
    })
}

/// Writes into a buffer of another pattern, with room behind, so that bytes left out and bytes too many both show.
#[track_caller]
fn check(message: Message<'_>, expected: &[u8]) {
    let mut buffer = [0xa5; 128];
    assert_eq!(message.buffer_len(), expected.len());
    assert_eq!(message.emit(&mut buffer), Ok(expected.len()));
    let (written, rest) = buffer.split_at(expected.len());
    assert_eq!(written, expected);
    assert!(rest.iter().all(|byte| *byte == 0xa5));

    let mut short = [0xa5; 128];
    let short = &mut short[..expected.len() - 1];
    let error = Error::BufferTooSmall {
        needed: expected.len(),
        available: expected.len() - 1,
    };
    assert_eq!(message.emit(short), Err(error));
    assert!(short.iter().all(|byte| *byte == 0xa5));
}

#[test]
fn general_queries() {
    check(Message::Query(Query::V1), &[0x11, 0x00, 0xee, 0xff, 0, 0, 0, 0]);
    let v2 = Query::V2 {
        max_response_time: 100,
        group: None,
    };
    check(Message::Query(v2), &[0x11, 0x64, 0xee, 0x9b, 0, 0, 0, 0]);
    check(
        query_v3(100, false, QueryTarget::General),
        &[0x11, 0x64, 0xec, 0x1e, 0, 0, 0, 0, 0x02, 0x7d, 0, 0],
    );
}

#[test]
fn specific_queries() {
    let v2 = Query::V2 {
        max_response_time: 10,
        group: Some(GROUP),
    };
    check(Message::Query(v2), &[0x11, 0x0a, 0xfd, 0xf0, 0xef, 1, 2, 3]);
    check(
        query_v3(10, false, QueryTarget::Group(GROUP)),
        &[0x11, 0x0a, 0xfb, 0x73, 0xef, 1, 2, 3, 0x02, 0x7d, 0, 0],
    );
    check(
        query_v3(10, true, QueryTarget::Group(GROUP)),
        &[0x11, 0x0a, 0xf3, 0x73, 0xef, 1, 2, 3, 0x0a, 0x7d, 0, 0],
    );
    check(
        query_v3(10, false, QueryTarget::Sources(SSM_GROUP, &SOURCES)),
        &[
            0x11, 0x0a, 0x7e, 0x6d, 0xe8, 1, 2, 3, 0x02, 0x7d, 0, 2, 192, 0, 2, 1, 192, 0, 2, 2,
        ],
    );
}

#[test]
fn reports_and_leaves() {
    check(Message::ReportV1(GROUP), &[0x12, 0, 0xfc, 0xfa, 0xef, 1, 2, 3]);
    check(Message::ReportV2(GROUP), &[0x16, 0, 0xf8, 0xfa, 0xef, 1, 2, 3]);
    check(Message::Leave(GROUP), &[0x17, 0, 0xf7, 0xfa, 0xef, 1, 2, 3]);
}

#[test]
fn version_3_reports() {
    let record = |kind, group, sources| Record { kind, group, sources };
    check(
        Message::ReportV3(&[record(RecordKind::ToExclude, GROUP, &[])]),
        &[0x22, 0, 0xe8, 0xf9, 0, 0, 0, 1, 4, 0, 0, 0, 0xef, 1, 2, 3],
    );
    check(
        Message::ReportV3(&[record(RecordKind::ToInclude, GROUP, &[])]),
        &[0x22, 0, 0xe9, 0xf9, 0, 0, 0, 1, 3, 0, 0, 0, 0xef, 1, 2, 3],
    );
    check(
        Message::ReportV3(&[record(RecordKind::Allow, SSM_GROUP, &SOURCES[..1])]),
        &[
            0x22, 0, 0x2c, 0xf7, 0, 0, 0, 1, 5, 0, 0, 1, 0xe8, 1, 2, 3, 192, 0, 2, 1,
        ],
    );
    check(
        Message::ReportV3(&[
            record(RecordKind::IsExclude, GROUP, &[]),
            record(RecordKind::IsInclude, SSM_GROUP, &SOURCES),
        ]),
        &[
            0x22, 0, 0x7b, 0xed, 0, 0, 0, 2, 2, 0, 0, 0, 0xef, 1, 2, 3, 1, 0, 0, 2, 0xe8, 1, 2, 3, 192, 0, 2,
            1, 192, 0, 2, 2,
        ],
    );
}

#[test]
fn values_out_of_range() {
    let code_v2 = |max_response_time| {
        let query = Query::V2 {
            max_response_time,
            group: None,
        };
        let mut buffer = [0; 8];
        Message::Query(query).emit(&mut buffer).map(|_| buffer[1])
    };
    // 0 would be a version 1 query, and the field of version 2 is linear.
    assert_eq!(code_v2(0), Ok(1));
    assert_eq!(code_v2(200), Ok(200));
    assert_eq!(code_v2(256), Ok(255));

    let query = Query::V3 {
        max_response_time: u32::MAX,
        suppress: true,
        qrv: 8,
        query_interval: u32::MAX,
        target: QueryTarget::General,
    };
    let mut buffer = [0; 12];
    assert_eq!(Message::Query(query).emit(&mut buffer), Ok(12));
    assert_eq!((buffer[1], buffer[8], buffer[9]), (0xff, 0x08, 0xff));
}

#[test]
fn query_target_from_parts() {
    assert_eq!(QueryTarget::new(None, &SOURCES), QueryTarget::General);
    assert_eq!(QueryTarget::new(Some(GROUP), &[]), QueryTarget::Group(GROUP));
    let target = QueryTarget::new(Some(GROUP), &SOURCES);
    assert_eq!(target, QueryTarget::Sources(GROUP, &SOURCES));
    assert_eq!((target.group(), target.sources()), (Some(GROUP), &SOURCES[..]));
}

/// The IPv4 header checksum by hand: 0x46c0 + 0x0024 + 0x4000 + 0x0102 + 0xc000 + 0x0201 + 0xe000 + 0x0001 + 0x9404 is
/// 0x2bdec, folded 0xbdee, inverted 0x4211.
const GENERAL_QUERY_PACKET: [u8; 36] = [
    0x46, 0xc0, 0x00, 0x24, 0x00, 0x00, 0x40, 0x00, 0x01, 0x02, 0x42, 0x11, 192, 0, 2, 1, 224, 0, 0, 1, 0x94,
    0x04, 0x00, 0x00, 0x11, 0x64, 0xec, 0x1e, 0, 0, 0, 0, 0x02, 0x7d, 0, 0,
];

const fn frame(vlan: Vlan, message: Message<'_>) -> Frame<'_> {
    Frame {
        source_mac: [0x02, 0, 0, 0, 0, 7],
        vlan,
        source: Ipv4Addr::new(192, 0, 2, 1),
        identification: 0,
        message,
    }
}

#[track_caller]
fn check_frame(frame: Frame<'_>, ethernet: &[u8], packet: &[u8]) {
    let len = ethernet.len() + packet.len();
    let mut buffer = [0xa5; 128];
    assert_eq!(frame.buffer_len(), len);
    assert_eq!(frame.emit(&mut buffer), Ok(len));
    assert_eq!(&buffer[..ethernet.len()], ethernet);
    assert_eq!(&buffer[ethernet.len()..len], packet);
    assert!(buffer[len..].iter().all(|byte| *byte == 0xa5));

    for available in 0..len {
        let mut short = [0xa5; 128];
        let short = &mut short[..available];
        assert_eq!(
            frame.emit(short),
            Err(Error::BufferTooSmall {
                needed: len,
                available
            })
        );
        assert!(short.iter().all(|byte| *byte == 0xa5));
    }
}

#[test]
fn frames_with_and_without_tags() {
    let query = query_v3(100, false, QueryTarget::General);
    check_frame(
        frame(Vlan::Untagged, query),
        &[0x01, 0x00, 0x5e, 0, 0, 1, 0x02, 0, 0, 0, 0, 7, 0x08, 0x00],
        &GENERAL_QUERY_PACKET,
    );
    check_frame(
        frame(Vlan::Tagged(7), query),
        &[
            0x01, 0x00, 0x5e, 0, 0, 1, 0x02, 0, 0, 0, 0, 7, 0x81, 0x00, 0, 7, 0x08, 0x00,
        ],
        &GENERAL_QUERY_PACKET,
    );
    check_frame(
        frame(Vlan::Stacked(0xffff, 4094), query),
        &[
            0x01, 0x00, 0x5e, 0, 0, 1, 0x02, 0, 0, 0, 0, 7, 0x88, 0xa8, 0x0f, 0xff, 0x81, 0x00, 0x0f, 0xfe,
            0x08, 0x00,
        ],
        &GENERAL_QUERY_PACKET,
    );
}

#[test]
fn version_1_has_no_router_alert() {
    // 0x45c0 + 0x001c + 0x4000 + 0x0102 + 0xc000 + 0x0201 + 0xef01 + 0x0203 is 0x239e3, folded 0x39e5, inverted 0xc61a.
    check_frame(
        frame(Vlan::Untagged, Message::ReportV1(GROUP)),
        &[0x01, 0x00, 0x5e, 1, 2, 3, 0x02, 0, 0, 0, 0, 7, 0x08, 0x00],
        &[
            0x45, 0xc0, 0x00, 0x1c, 0, 0, 0x40, 0, 1, 2, 0xc6, 0x1a, 192, 0, 2, 1, 0xef, 1, 2, 3, 0x12, 0,
            0xfc, 0xfa, 0xef, 1, 2, 3,
        ],
    );
}

#[test]
fn destinations() {
    let at = |a, b, c, d| Ipv4Addr::new(a, b, c, d);
    let all_ones = at(239, 255, 255, 255);
    let expected = [
        (Message::Query(Query::V1), at(224, 0, 0, 1)),
        (query_v3(1, false, QueryTarget::General), at(224, 0, 0, 1)),
        (query_v3(1, false, QueryTarget::Group(GROUP)), GROUP),
        (
            query_v3(1, false, QueryTarget::Sources(SSM_GROUP, &SOURCES)),
            SSM_GROUP,
        ),
        (Message::ReportV1(GROUP), GROUP),
        (Message::ReportV2(all_ones), all_ones),
        (Message::Leave(GROUP), at(224, 0, 0, 2)),
        (Message::ReportV3(&[]), at(224, 0, 0, 22)),
    ];
    for (message, destination) in expected {
        let frame = frame(Vlan::Untagged, message);
        assert_eq!(frame.ipv4().destination, destination, "{message:?}");
        let [_, b, c, d] = destination.octets();
        assert_eq!(frame.ethernet().destination, [0x01, 0x00, 0x5e, b & 0x7f, c, d]);
    }
}

#[test]
fn more_than_a_packet_holds() {
    // 65,535 bytes less 24 of the header leave 65,511: 12 for the query and 16,374 sources.
    let sources = [Ipv4Addr::new(192, 0, 2, 1); 16_375];
    let mut buffer = [0xa5; 65_600];
    let most = frame(
        Vlan::Untagged,
        query_v3(10, false, QueryTarget::Sources(GROUP, &sources[1..])),
    );
    assert_eq!(most.emit(&mut buffer), Ok(14 + 24 + 12 + 4 * 16_374));
    assert_eq!(buffer[14 + 24 + 10..][..2], [0x3f, 0xf6]);

    let over = frame(
        Vlan::Untagged,
        query_v3(10, false, QueryTarget::Sources(GROUP, &sources)),
    );
    let len = 12 + 4 * 16_375;
    let mut untouched = [0xa5; 65_600];
    assert_eq!(over.emit(&mut untouched), Err(Error::TooLong { len }));
    assert_eq!(over.emit(&mut []), Err(Error::TooLong { len }));
    assert_eq!(over.message.emit(&mut untouched), Err(Error::TooLong { len }));
    assert_eq!(over.ipv4().emit(&mut untouched), Err(Error::TooLong { len }));
    assert!(untouched.iter().all(|byte| *byte == 0xa5));
}
