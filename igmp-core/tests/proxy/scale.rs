//! Many groups.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use igmp_core::{
    FilterMode, HostConfig, HostEvent, Query, SourceListChange, SubscriptionChange,
    host::{MESSAGE_BATCH, ReportMessage},
};
use igmp_wire::igmp::RecordKind;

use crate::bench::{Bench, OWN, QUERIER, START, WAN};

const GROUPS: u32 = 50_000;
/// 1500 bytes without two headers of 24 and 8 bytes, at 8 bytes a record.
const PER_PACKET: usize = 183;

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xef01_0000 + number)
}

fn subscribe(bench: &mut Bench, filter_mode: FilterMode) {
    for number in 0..GROUPS {
        bench.event(HostEvent::Subscription(SubscriptionChange {
            group: address(number),
            filter_mode,
            sources: SourceListChange::Replaced(Vec::new()),
        }));
    }
}

/// How often each group was told, by records of this kind; and how many packets told less than a full one could.
fn told(bench: &Bench, kind: RecordKind) -> (BTreeMap<Ipv4Addr, usize>, usize) {
    let mut told = BTreeMap::new();
    let mut partial = 0;
    for (_, sent) in &bench.sent {
        let ReportMessage::V3(records) = &sent.message else {
            panic!("{sent:?}");
        };
        assert!(records.len() <= PER_PACKET);
        partial += usize::from(records.len() < PER_PACKET);
        for record in records {
            assert_eq!(record.kind, kind);
            *told.entry(record.group).or_default() += 1;
        }
    }
    (told, partial)
}

fn expect_all(told: &BTreeMap<Ipv4Addr, usize>, times: usize) {
    assert_eq!(told.len(), GROUPS as usize);
    assert!(told.values().all(|&count| count == times));
}

#[test]
fn changes_of_fifty_thousand_groups_fill_packets_and_keep_pace() {
    let mut bench = Bench::new(1);
    for (mode, kind, second) in [
        (FilterMode::Exclude, RecordKind::ToExclude, 10.0),
        (FilterMode::Include, RecordKind::ToInclude, 20.0),
    ] {
        bench.sent.clear();
        subscribe(&mut bench, mode);
        bench.run_to(second);
        let (groups, partial) = told(&bench, kind);
        expect_all(&groups, 2);
        assert!(bench.sent.len() < 2 * 274 + 60, "{} packets", bench.sent.len());
        assert!(partial < 60, "{partial} packets were not full");
        // 32 at once, and one in a millisecond.
        for (number, (at, _)) in bench.sent.iter().enumerate() {
            let window = bench.sent[number..]
                .iter()
                .take_while(|(later, _)| later.since(*at).as_secs_f64() < 0.01);
            assert!(window.count() <= 32 + 11);
        }
    }
    assert_eq!(
        bench.host.upstream(bench.now).expect("an upstream").groups_count,
        0
    );
}

/// One by one, as many as a second has: what waits for its turn shares packets.
#[test]
fn changes_one_by_one_share_packets() {
    let mut bench = Bench::new(1);
    for number in 0..10_000 {
        bench.event(HostEvent::Subscription(SubscriptionChange {
            group: address(number),
            filter_mode: FilterMode::Exclude,
            sources: SourceListChange::Replaced(Vec::new()),
        }));
        bench.run_to(f64::from(number) * 0.000_01);
    }
    bench.run_to(5.0);
    let (groups, _) = told(&bench, RecordKind::ToExclude);
    assert_eq!(groups.len(), 10_000);
    assert!(bench.sent.len() < 1_500, "{} packets", bench.sent.len());
}

#[test]
fn a_general_query_is_answered_in_full_packets_over_its_time() {
    let mut bench = Bench::new(1);
    subscribe(&mut bench, FilterMode::Exclude);
    bench.run_to(10.0);
    bench.sent.clear();
    bench.query(None, &[], 100);
    bench.run_to(30.0);
    let (groups, partial) = told(&bench, RecordKind::IsExclude);
    expect_all(&groups, 1);
    // The last packet, and the one before the first of all groups, need not be full.
    assert!(partial <= 2, "{partial} packets were not full");
    assert!(bench.sent.len() <= (GROUPS as usize).div_ceil(PER_PACKET) + 1);
    let times: Vec<f64> = (bench.sent.iter())
        .map(|(at, _)| at.since(START).as_secs_f64() - 10.0)
        .collect();
    assert!(times.iter().all(|&at| at > 0.0 && at <= 10.0));
    for second in 0..10 {
        let low = f64::from(second);
        let count = times.iter().filter(|&&at| at > low && at <= low + 1.0).count();
        assert!((24..=32).contains(&count), "{count} packets in second {second}");
    }
}

/// A query in the middle of an answer is answered for all groups, too, and no group is told later than promised.
#[test]
fn a_second_general_query_is_answered_for_all_groups() {
    let mut bench = Bench::new(1);
    subscribe(&mut bench, FilterMode::Exclude);
    bench.run_to(10.0);
    bench.sent.clear();
    bench.query(None, &[], 100);
    bench.run_to(14.0);
    let before = bench.sent.len();
    bench.query(None, &[], 100);
    bench.run_to(30.0);
    let (groups, _) = told(&bench, RecordKind::IsExclude);
    assert_eq!(groups.len(), GROUPS as usize);
    let mut since_second: BTreeMap<Ipv4Addr, f64> = BTreeMap::new();
    let mut by_first: BTreeMap<Ipv4Addr, f64> = BTreeMap::new();
    for (number, (at, sent)) in bench.sent.iter().enumerate() {
        let ReportMessage::V3(records) = &sent.message else {
            panic!("{sent:?}");
        };
        let at = at.since(START).as_secs_f64();
        for record in records {
            by_first.entry(record.group).or_insert(at);
            if number >= before {
                since_second.entry(record.group).or_insert(at);
            }
        }
    }
    assert_eq!(since_second.len(), GROUPS as usize);
    assert!(since_second.values().all(|&at| at <= 24.0));
    let late = by_first.values().filter(|&&at| at > 20.1).count();
    assert_eq!(late, 0, "groups told later than the first query asked");
}

#[test]
fn an_older_general_query_is_answered_over_its_time() {
    let mut bench = Bench::new(1);
    subscribe(&mut bench, FilterMode::Exclude);
    bench.run_to(10.0);
    for (version, code, second) in [(2, 100, 10.0), (1, 0, 50.0)] {
        bench.run_to(second);
        bench.sent.clear();
        bench.event(HostEvent::Query(Query {
            interface: WAN,
            time: bench.now,
            querier: QUERIER,
            version,
            group: None,
            max_resp_code: code,
            suppress: false,
            qrv: 0,
            qqic: 0,
            sources: Vec::new(),
        }));
        let half = bench.run_to(second + 5.0).len();
        assert!(
            (24_000..=26_000).contains(&half),
            "{half} reports in half of the time"
        );
        bench.run_to(second + 10.0);
        let mut groups: Vec<_> = bench.sent.iter().map(|(_, sent)| sent.destination()).collect();
        assert!(bench.sent.iter().all(|(_, sent)| sent.version() == version));
        groups.sort_unstable();
        let expected: Vec<_> = (0..GROUPS).map(address).collect();
        assert_eq!(groups, expected);
    }
}

/// No call does the work of all groups, whatever happens.
#[test]
fn each_call_sends_a_bounded_number_of_messages() {
    let mut bench = Bench::new(1);
    subscribe(&mut bench, FilterMode::Exclude);
    bench.run_to(10.0);
    bench.query(None, &[], 100);
    // Long overdue.
    bench.now = START + crate::bench::secs(60.0);
    bench.up(HostConfig::default(), Some(OWN), 1400);
    for number in 0..GROUPS as u8 {
        bench.query(Some(number), &[], 10);
    }
    bench.now = START + crate::bench::secs(90.0);
    for _ in 0..20 {
        let mut actions = Vec::new();
        bench.host.handle_timeout(bench.now, &mut actions);
        assert!(actions.len() <= MESSAGE_BATCH);
        assert!(actions.iter().all(|sent| match &sent.message {
            ReportMessage::V3(records) => records.len() <= PER_PACKET,
            _ => false,
        }));
    }
}
