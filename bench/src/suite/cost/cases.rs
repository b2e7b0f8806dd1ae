//! The kinds of packets, what the router has to make of each, and the floor that it is held against.

use std::net::Ipv4Addr;

use igmp_wire::{Refusal, abi::InterfaceCounters, igmp::Kind};
use tests::{
    Packet,
    packet::{IS_EX, Record, changed},
};

use super::{
    floor::{Floor, Ground},
    packets::{self, ELSEWHERE, FIRST_V1, FIRST_V2, HOST, ROUTER, SENDER, group, source},
    router::{Count, NARROW_PORT, PORT, Work, refused},
    trial::Verdict,
};

/// How many different groups the frames of one kind name in turn, so that no figure is that of one lucky place in a map.
const TURNS: u32 = 16;
/// How many records a report of the longest kind has.
pub(super) const MOST_RECORDS: u32 = 180;
/// How many groups are known at least: there are some whose hosts speak each of the versions.
pub(super) const GROUPS: u32 = FIRST_V1 + TURNS;
/// How many groups the reports of version 3 refresh: those of four of the longest.
const V3_GROUPS: u32 = 4 * MOST_RECORDS;
const _: () = assert!(V3_GROUPS < FIRST_V2);
/// How many calls a figure of a frame is made of that changes with each run.
const CALLS: usize = 64;

/// Groups with sources, behind those that have none.
const WITH_SOURCES: u32 = 0x20_0000;
/// A group that nobody is a member of.
const UNKNOWN: u32 = 0x30_0000;
/// A group whose data is forwarded.
pub(super) const STREAM: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
/// A group whose data is too long for its only port.
pub(super) const NARROW_STREAM: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 2);
/// A group with data and without members.
const NOBODYS_STREAM: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 3);

/// Under what a case is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// Something of use is done.
    Handled,
    /// It is refused, for the reason that is the case's name.
    Refused,
}

/// A kind of packet.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// Its name in tables.
    pub(super) name: String,
    /// Where it is reported.
    pub(super) topic: Topic,
    /// What the router does.
    pub(super) work: Work,
    /// What it is held against.
    pub(super) ground: Ground,
}

/// A case that goals are about.
pub(super) const V2_REFRESH: &str = "v2 report";
/// Cases that goals are about.
pub(super) const UNICAST: [&str; 2] = ["unicast UDP", "unicast TCP"];

/// The name of version 3 reports with so many records.
pub(super) fn v3_name(records: u32) -> String {
    match records {
        1 => "v3 report, 1 record".to_owned(),
        _ => format!("v3 report, {records} records"),
    }
}

/// How many records the reports have.
pub(super) const RECORDS: [u32; 4] = [1, 10, 50, MOST_RECORDS];

/// Groups with sources that have to be known: with how many each.
pub(super) fn groups_with_sources() -> Vec<(Ipv4Addr, Vec<Ipv4Addr>)> {
    (0..10)
        .map(|n| (group(WITH_SOURCES + n), (1..=10).map(source).collect()))
        .collect()
}

/// All cases.
pub(super) fn all() -> Vec<Case> {
    let mut cases = reports();
    cases.extend(with_sources());
    cases.extend(data());
    cases.extend(others());
    cases.extend(Refusal::ALL.into_iter().map(refusal));
    cases
}

/// Counters of one message of a kind that refreshes so many memberships.
fn received(kind: Option<Kind>, refreshed: u32) -> InterfaceCounters {
    let mut counters = InterfaceCounters::default();
    let counted = [Some(0), kind.map(|kind| kind as usize)];
    for index in counted.into_iter().flatten() {
        if let Some(counter) = counters.received.get_mut(index) {
            *counter = 1;
        }
    }
    counters.refreshed = u64::from(refreshed);
    counters
}

fn work(frames: Vec<Vec<u8>>, verdict: Verdict, counters: InterfaceCounters) -> Work {
    Work {
        frames,
        verdict,
        count: Count::Interface(Box::new(counters)),
        full: false,
    }
}

/// The empty program, over the same frames.
fn nothing(frames: &[Vec<u8>]) -> Ground {
    Ground {
        floor: Floor::Empty,
        frames: frames.to_vec(),
        verdict: Verdict::Pass,
        groups: Vec::new(),
    }
}

/// The floor of one group, for these groups in turn.
pub(super) fn one_group(groups: &[Ipv4Addr]) -> Ground {
    Ground {
        floor: Floor::Group,
        frames: groups.iter().map(|&group| packets::v2(group)).collect(),
        verdict: Verdict::Drop,
        groups: groups.iter().map(|group| group.to_bits()).collect(),
    }
}

/// The floor of a report, for these groups, so many at a time.
pub(super) fn many_groups(groups: &[Ipv4Addr], records: usize) -> Ground {
    Ground {
        floor: Floor::Records,
        frames: groups.chunks(records).map(packets::v3).collect(),
        verdict: Verdict::Drop,
        groups: groups.iter().map(|group| group.to_bits()).collect(),
    }
}

/// Version 2 reports of known groups in turn.
pub(super) fn v2_refresh(groups: &[Ipv4Addr]) -> Work {
    let frames = groups.iter().map(|&group| packets::v2(group)).collect();
    work(frames, Verdict::Drop, received(Some(Kind::ReportV2), 1))
}

/// Version 3 reports of known groups, so many at a time, which divide them without rest.
pub(super) fn v3_refresh(groups: &[Ipv4Addr], records: usize) -> Work {
    let frames = groups.chunks(records).map(packets::v3).collect();
    let counters = received(Some(Kind::ReportV3), records as u32);
    work(frames, Verdict::Drop, counters)
}

fn handled(name: impl Into<String>, work: Work, ground: Ground) -> Case {
    Case {
        name: name.into(),
        topic: Topic::Handled,
        work,
        ground,
    }
}

fn reports() -> Vec<Case> {
    let turns: Vec<Ipv4Addr> = (FIRST_V2..).take(TURNS as usize).map(group).collect();
    let all: Vec<Ipv4Addr> = (0..V3_GROUPS).map(group).collect();
    let v1_turns: Vec<Ipv4Addr> = (FIRST_V1..GROUPS).map(group).collect();
    let v1 = v1_turns.iter().map(|&group| packets::v1(group)).collect();
    let leaves = turns.iter().map(|&group| packets::leave(group)).collect();
    let mut left = received(Some(Kind::Leave), 0);
    left.events = 1;
    let unknown = work(
        vec![packets::leave(group(UNKNOWN))],
        Verdict::Drop,
        received(Some(Kind::Leave), 0),
    );
    let mut cases = vec![
        handled(
            "v1 report",
            work(v1, Verdict::Drop, received(Some(Kind::ReportV1), 1)),
            one_group(&v1_turns),
        ),
        handled(V2_REFRESH, v2_refresh(&turns), one_group(&turns)),
        handled(
            "v2 leave of a member, with its event",
            work(leaves, Verdict::Drop, left),
            one_group(&turns),
        ),
        handled("v2 leave of nobody", unknown, one_group(&turns)),
    ];
    for records in RECORDS {
        // As many groups as are in turns, and at least four reports.
        let count = (TURNS.max(4 * records)).next_multiple_of(records);
        let groups: Vec<Ipv4Addr> = all.iter().copied().take(count as usize).collect();
        cases.push(handled(
            v3_name(records),
            v3_refresh(&groups, records as usize),
            many_groups(&groups, records as usize),
        ));
    }
    cases
}

/// Reports with sources. Their floor looks up and writes as many entries of groups as there are of groups and sources.
fn with_sources() -> Vec<Case> {
    let known = groups_with_sources();
    [(1, 10), (10, 4)]
        .into_iter()
        .map(|(records, sources)| {
            let groups: Vec<Ipv4Addr> = known.iter().take(records).map(|(group, _)| *group).collect();
            let sources: Vec<Ipv4Addr> = (1..=sources).map(source).collect();
            let entries = records * (sources.len() + 1);
            let frame = packets::v3_sources(&groups, &sources);
            let counters = received(Some(Kind::ReportV3), records as u32);
            let floor: Vec<Ipv4Addr> = (0..entries as u32).map(group).collect();
            handled(
                format!(
                    "{} with {} sources{}",
                    v3_name(records as u32),
                    sources.len(),
                    if records > 1 { " each" } else { "" }
                ),
                work(vec![frame], Verdict::Drop, counters),
                many_groups(&floor, entries),
            )
        })
        .collect()
}

fn data() -> Vec<Case> {
    let frames = vec![packets::data(SENDER, STREAM, 18); CALLS];
    let ground = Ground {
        floor: Floor::Route,
        frames: frames.clone(),
        verdict: Verdict::Redirect,
        groups: Vec::new(),
    };
    let forwarded = Work {
        count: Count::Flow(STREAM),
        ..work(frames, Verdict::Redirect, InterfaceCounters::default())
    };
    vec![handled("data, forwarded", forwarded, ground)]
}

fn others() -> Vec<Case> {
    let passed = |name: &str, frame: Vec<u8>| {
        let frames = vec![frame];
        let ground = nothing(&frames);
        let work = work(frames, Verdict::Pass, InterfaceCounters::default());
        handled(name, work, ground)
    };
    let [udp, tcp] = UNICAST;
    vec![
        passed(udp, packets::unicast(17)),
        passed(tcp, packets::unicast(6)),
        passed("ARP", packets::arp()),
    ]
}

/// A packet that is refused for this reason.
fn refusal(reason: Refusal) -> Case {
    let report = || Packet::v2_report(HOST, group(0));
    let with = |change: fn(&mut Packet)| (changed(report(), change).frame(), Some(Kind::ReportV2));
    let data = |source, group, size| (packets::data(source, group, size), None);
    let (frame, kind) = match reason {
        // One byte less than the shortest message has behind its IP header of 24 bytes.
        Refusal::TooShort => (with(|packet| packet.total_len = Some(24 + 7)).0, None),
        Refusal::Checksum => with(|packet| packet.checksum_error = 1),
        Refusal::Ttl => with(|packet| packet.ttl = 2),
        Refusal::RouterAlert => with(|packet| packet.options.clear()),
        Refusal::Source => with(|packet| packet.source = ROUTER),
        Refusal::Group => (
            Packet::v2_report(HOST, [224, 0, 0, 1]).frame(),
            Some(Kind::ReportV2),
        ),
        Refusal::SsmRange => (
            Packet::v2_report(HOST, [232, 1, 2, 3]).frame(),
            Some(Kind::ReportV2),
        ),
        Refusal::UnknownType => (packets::unknown(group(0)).frame(), None),
        Refusal::Malformed => {
            let mut packet = Packet::v3_report(HOST, &[Record::new(IS_EX, group(0), &[])]);
            // One record more than there is.
            if let Some(count) = packet.message.get_mut(7) {
                *count += 1;
            }
            (packet.frame(), Some(Kind::ReportV3))
        }
        Refusal::Limit => (packets::v2(group(UNKNOWN)), Some(Kind::ReportV2)),
        Refusal::Rate => (packets::query(), Some(Kind::QueryV3)),
        Refusal::Fragment => (with(|packet| packet.fragment = 0x2000).0, None),
        Refusal::Vlan => with(|packet| packet.vlans = vec![9]),
        Refusal::Rpf => data(ELSEWHERE, STREAM, 18),
        Refusal::NoMembers => data(SENDER, NOBODYS_STREAM, 18),
        Refusal::Mtu => data(SENDER, NARROW_STREAM, 200),
    };
    let mut counters = refused(reason);
    if !matches!(reason, Refusal::Rpf | Refusal::NoMembers | Refusal::Mtu) {
        counters.add(&received(kind, 0));
    }
    let verdict = match reason {
        Refusal::UnknownType | Refusal::Vlan => Verdict::Pass,
        Refusal::Mtu => Verdict::Redirect,
        _ => Verdict::Drop,
    };
    let calls = if verdict == Verdict::Redirect { CALLS } else { 1 };
    let mut work = work(vec![frame; calls], verdict, counters);
    work.full = reason == Refusal::Limit;
    match reason {
        Refusal::Mtu => work.count = Count::Port(NARROW_PORT, reason),
        Refusal::Rate => work.count = Count::Rate(Box::new(counters)),
        _ => {}
    }
    Case {
        name: reason.name().to_owned(),
        topic: Topic::Refused,
        ground: nothing(&work.frames),
        work,
    }
}

/// Which port the data of a group goes to.
pub(super) const STREAMS: [(Ipv4Addr, u32); 2] = [(STREAM, PORT), (NARROW_STREAM, NARROW_PORT)];
