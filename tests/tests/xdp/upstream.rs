//! The upstream interface of a proxy: what the querier and other hosts say is handed over, and nothing is learned.

use std::net::Ipv4Addr;

use igmp_user::kernel::LoadOptions;
use igmp_wire::{
    Refusal,
    abi::{Event, EventKind, InterfaceConfig, InterfaceFlags},
    emit::{Message, Query, Record},
    ethernet::Vlan,
    igmp::{Kind, RecordKind},
};

use crate::{
    frames::{IP, fix_ip_checksum, frame_from, query},
    harness::{HOST, ROUTER, SLOT, Verdict, Xdp, default_config},
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
/// Not in the network of the interface.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn upstream() -> Xdp {
    let config = InterfaceConfig {
        flags: InterfaceFlags::HOST | InterfaceFlags::REQUIRE_ROUTER_ALERT,
        ..default_config()
    };
    Xdp::with(&LoadOptions::default(), &config)
}

/// A frame that goes to another destination.
fn redirected(mut frame: Vec<u8>, destination: Ipv4Addr) -> Vec<u8> {
    frame[IP + 16..IP + 20].copy_from_slice(&destination.octets());
    fix_ip_checksum(&mut frame);
    frame
}

#[track_caller]
fn assert_refused(xdp: &mut Xdp, frame: &[u8], reason: Refusal) {
    assert_eq!(xdp.receive(frame), Verdict::Drop);
    let dropped: Vec<_> = xdp.counted().dropped().into_iter().collect();
    assert_eq!(dropped, [(reason, 1)]);
    assert!(xdp.events().is_empty());
}

/// Wherever the querier has its address: upstream there is no election that a forged one could win.
#[test]
fn queries_are_handed_over() {
    let mut xdp = upstream();
    for (querier, group, sources) in [
        (HOST, None, &[][..]),
        (ELSEWHERE, None, &[]),
        (Ipv4Addr::UNSPECIFIED, None, &[]),
        (HOST, Some(GROUP), &[]),
        (HOST, Some(GROUP), &[ELSEWHERE]),
    ] {
        assert_eq!(xdp.receive(&query(querier, group, sources)), Verdict::Pass);
        assert!(xdp.counted().dropped().is_empty());
        let events = xdp.events();
        assert_eq!(events.len(), 1);
        let (event, listed) = &events[0];
        assert_eq!(event.kind, EventKind::Query as u8);
        assert_eq!(
            (event.sender, event.group),
            (querier.to_bits(), group.map_or(0, Ipv4Addr::to_bits))
        );
        assert_eq!(listed, sources);
    }
}

/// RFC 9776 §4.1.12: the interface's own address will do as well. RFC 9776 §9.1: no other group will.
#[test]
fn general_queries_go_to_all_systems() {
    let mut xdp = upstream();
    let v1 = frame_from(HOST, Vlan::Untagged, Message::Query(Query::V1));
    for general in [v1, query(HOST, None, &[])] {
        assert_eq!(xdp.receive(&redirected(general.clone(), ROUTER)), Verdict::Pass);
        assert_eq!(xdp.events().len(), 1);
        xdp.counted();
        for elsewhere in [GROUP, Ipv4Addr::new(224, 0, 0, 2)] {
            assert_refused(&mut xdp, &redirected(general.clone(), elsewhere), Refusal::Group);
        }
        // To somebody else it is none of this host's business.
        assert_eq!(xdp.receive(&redirected(general, ELSEWHERE)), Verdict::Pass);
        assert!(xdp.events().is_empty());
        xdp.counted();
    }
    // A specific query may come by any (§4.1.12).
    let specific = redirected(query(HOST, Some(GROUP), &[]), Ipv4Addr::new(224, 0, 0, 2));
    assert_eq!(xdp.receive(&specific), Verdict::Pass);
    assert_eq!(xdp.events().len(), 1);
    // A router accepts General Queries by any.
    let mut router = Xdp::new();
    assert_eq!(
        router.receive(&redirected(query(HOST, None, &[]), GROUP)),
        Verdict::Pass
    );
    assert_eq!(router.events().len(), 1);
}

/// RFC 2236 §3: another host's report stands for this one's.
#[test]
fn old_reports_of_other_hosts_are_handed_over() {
    let mut xdp = upstream();
    for (message, kind, event_kind) in [
        (Message::ReportV1(GROUP), Kind::ReportV1, EventKind::ReportV1),
        (Message::ReportV2(GROUP), Kind::ReportV2, EventKind::ReportV2),
    ] {
        let verdict = xdp.receive(&frame_from(HOST, Vlan::Untagged, message));
        assert_eq!(verdict, Verdict::Pass, "the router's own sockets may go by it");
        let counted = xdp.counted();
        assert_eq!(counted.received(kind), (1, 1));
        assert!(counted.dropped().is_empty());
        let events = xdp.events();
        let expected = Event {
            time: events[0].0.time,
            slot: SLOT,
            group: GROUP.to_bits(),
            sender: HOST.to_bits(),
            kind: event_kind as u8,
            ..Event::default()
        };
        assert_eq!(events, [(expected, vec![])]);
    }
    assert_eq!(xdp.kernel.groups_in_use(SLOT).expect("readable"), 0);
    assert_eq!(xdp.group(GROUP), None);
}

/// What is of no use to a host in any version passes, and nothing is learned from it.
#[test]
fn other_messages_pass() {
    let mut xdp = upstream();
    let record = Record {
        kind: RecordKind::ToExclude,
        group: GROUP,
        sources: &[],
    };
    for message in [
        Message::Leave(GROUP),
        Message::ReportV3(&[record]),
        Message::ReportV2(Ipv4Addr::new(224, 0, 0, 251)),
    ] {
        let frame = frame_from(HOST, Vlan::Untagged, message);
        assert_eq!(xdp.receive(&frame), Verdict::Pass);
        assert!(xdp.events().is_empty());
        assert_eq!(xdp.group(GROUP), None);
    }
    assert!(xdp.counted().dropped().is_empty());
}

#[test]
fn broken_messages_are_refused() {
    let mut xdp = upstream();
    let general = query(HOST, None, &[]);
    let mut ttl = general.clone();
    ttl[IP + 8] = 2;
    fix_ip_checksum(&mut ttl);
    assert_refused(&mut xdp, &ttl, Refusal::Ttl);
    let mut checksum = general.clone();
    checksum[IP + 24 + 2] ^= 0x55;
    assert_refused(&mut xdp, &checksum, Refusal::Checksum);
    // No Operation in the place of Router Alert.
    for message in [
        Message::Query(Query::V2 {
            max_response_time: 100,
            group: None,
        }),
        Message::ReportV2(GROUP),
    ] {
        let mut option = frame_from(HOST, Vlan::Untagged, message);
        option[IP + 20..IP + 24].fill(1);
        fix_ip_checksum(&mut option);
        assert_refused(&mut xdp, &option, Refusal::RouterAlert);
    }
    assert_refused(&mut xdp, &query(ROUTER, None, &[]), Refusal::Source);
    let unicast = redirected(query(HOST, Some(ELSEWHERE), &[]), Ipv4Addr::new(224, 0, 0, 1));
    assert_refused(&mut xdp, &unicast, Refusal::Group);
}

/// However many reports there are, queries get through.
#[test]
fn floods_of_reports_leave_room_for_queries() {
    let mut xdp = upstream();
    let report = frame_from(HOST, Vlan::Untagged, Message::ReportV2(GROUP));
    xdp.receive(&report);
    let began = std::time::Instant::now();
    xdp.time(&report, 300_000);
    let elapsed = began.elapsed();
    let counted = xdp.counted();
    let refused = counted.dropped().get(&Refusal::Rate).copied().unwrap_or(0);
    // Half of the burst of 20,000, and 10,000 a second from then on.
    let allowed = 10_001 + (elapsed.as_secs_f64() * 10_000.0) as u64 + 1;
    let handed = counted.0.events + counted.0.events_lost;
    assert!(handed <= allowed, "{handed} of at most {allowed} in {elapsed:?}");
    assert_eq!(handed + refused, 300_001);
    xdp.events();
    assert_eq!(xdp.receive(&query(HOST, None, &[])), Verdict::Pass);
    assert_eq!(xdp.events().len(), 1);
    assert!(xdp.counted().dropped().is_empty());
}
