//! Queries of other routers: handed over with all that they say, and passed up.

use std::net::Ipv4Addr;

use igmp_wire::{
    Refusal,
    abi::{Event, EventKind},
    emit::{Message, Query, QueryTarget},
    ethernet::Vlan,
    igmp::Kind,
};

use crate::{
    frames::{frame_from, query},
    harness::{HOST, SLOT, Verdict, Xdp},
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const SOURCES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];

/// What RFC 9776 §4.1 lets a query say, in each version, and how it must arrive.
#[test]
fn queries_arrive_with_all_they_say() {
    let v3 = |suppress, target| Query::V3 {
        max_response_time: 100,
        suppress,
        qrv: 2,
        query_interval: 125,
        target,
    };
    let cases = [
        (Query::V1, Kind::QueryV1, 0, 1, 0, 0, 0, vec![]),
        (
            Query::V2 {
                max_response_time: 100,
                group: None,
            },
            Kind::QueryV2,
            0,
            2,
            100,
            0,
            0,
            vec![],
        ),
        (
            Query::V2 {
                max_response_time: 10,
                group: Some(GROUP),
            },
            Kind::QueryV2,
            GROUP.to_bits(),
            2,
            10,
            0,
            0,
            vec![],
        ),
        (
            v3(false, QueryTarget::General),
            Kind::QueryV3,
            0,
            3,
            100,
            2,
            125,
            vec![],
        ),
        (
            v3(false, QueryTarget::Group(GROUP)),
            Kind::QueryV3,
            GROUP.to_bits(),
            3,
            100,
            2,
            125,
            vec![],
        ),
        (
            v3(true, QueryTarget::Group(GROUP)),
            Kind::QueryV3,
            GROUP.to_bits(),
            3,
            100,
            0x0a,
            125,
            vec![],
        ),
        (
            v3(false, QueryTarget::Sources(GROUP, &SOURCES)),
            Kind::QueryV3,
            GROUP.to_bits(),
            3,
            100,
            2,
            125,
            SOURCES.to_vec(),
        ),
    ];
    for (message, kind, group, version, max_resp_code, s_qrv, qqic, sources) in cases {
        let mut xdp = Xdp::new();
        let packet = frame_from(HOST, Vlan::Untagged, Message::Query(message));
        assert_eq!(
            xdp.receive(&packet),
            Verdict::Pass,
            "the router's own sockets may need it"
        );
        assert_eq!(xdp.counted().received(kind), (1, 1));
        let events = xdp.events();
        assert_eq!(events.len(), 1);
        let (event, listed) = &events[0];
        let expected = Event {
            time: event.time,
            slot: SLOT,
            group,
            sender: HOST.to_bits(),
            source_count: sources.len() as u16,
            kind: EventKind::Query as u8,
            version,
            max_resp_code,
            s_qrv,
            qqic,
            ..Event::default()
        };
        assert_eq!(*event, expected);
        assert_eq!(*listed, sources);
    }
}

/// 0.0.0.0 never takes part in the election (RFC 4541 §2.1.1), which is for the agent to see to: it may still lower
/// timers.
#[test]
fn queries_without_a_source_are_handed_over() {
    let mut xdp = Xdp::new();
    assert_eq!(
        xdp.receive(&query(Ipv4Addr::UNSPECIFIED, None, &[])),
        Verdict::Pass
    );
    assert_eq!(xdp.events().len(), 1);
}

/// A flood of queries costs the agent a bounded number of events.
#[test]
fn floods_of_queries_meet_a_limit() {
    let mut xdp = Xdp::new();
    let packet = query(HOST, None, &[]);
    xdp.receive(&packet);
    let began = std::time::Instant::now();
    xdp.time(&packet, 300_000);
    let elapsed = began.elapsed();
    let counted = xdp.counted();
    let refused = counted.dropped().get(&Refusal::Rate).copied().unwrap_or(0);
    // A burst of 20,000, and 10,000 a second from then on.
    let allowed = 20_001 + (elapsed.as_secs_f64() * 10_000.0) as u64 + 1;
    let handed = counted.0.events + counted.0.events_lost;
    assert!(handed <= allowed, "{handed} of at most {allowed} in {elapsed:?}");
    assert_eq!(
        handed + refused,
        300_001,
        "each query was handed over, lost for the ring, or refused"
    );
}
