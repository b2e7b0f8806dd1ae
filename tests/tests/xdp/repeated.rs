//! Reports that repeat what is known, and those that nearly do: the short way for them judges, applies and counts as the parser
//! of user space and [`GroupStep::decide`] say.

use std::{collections::HashMap, net::Ipv4Addr};

use igmp_core::Refresh;
use igmp_user::kernel::{LoadOptions, MapChange};
use igmp_wire::{
    Refusal,
    abi::{Change, GroupFlags, GroupStep, InterfaceConfig, InterfaceFlags, RefreshEntry},
    address,
    admit::{self, Message as Admitted},
    emit::{Message, Record},
    ethernet::Vlan,
    igmp::{Kind, RecordKind},
};

use crate::{
    agreement::{expected, spoil},
    frames::{IP, fix_igmp_checksum, fix_ip_checksum, frame_from},
    harness::{HOST, ROUTER, Verdict, Xdp, default_config, group_key, now},
    numbers::Numbers,
};

/// How many frames each configuration gets.
const FRAMES: u32 = 4_000;

/// The router's second address on the interface, where it has one.
const SECOND: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// One of a few groups that soon are known, or something that no membership is kept of.
fn group_of(numbers: &mut Numbers) -> Ipv4Addr {
    let last = numbers.below(40) as u8;
    let odd = numbers.pick(&[
        Ipv4Addr::new(224, 0, 0, last),
        Ipv4Addr::new(224, 0, 0, 251),
        Ipv4Addr::new(224, 0, 1, last),
        Ipv4Addr::new(232, 1, 1, last),
        Ipv4Addr::new(192, 0, 2, last),
        Ipv4Addr::new(240, 0, 0, last),
        Ipv4Addr::new(223, 255, 255, last),
        Ipv4Addr::new(239, 2, last, last),
    ]);
    if numbers.one_in(60) {
        odd
    } else {
        Ipv4Addr::new(239, 1, 1, last)
    }
}

fn generate(numbers: &mut Numbers) -> Vec<u8> {
    let source = numbers.pick(&[
        HOST,
        HOST,
        HOST,
        HOST,
        ROUTER,
        SECOND,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::new(192, 0, 2, 9),
        Ipv4Addr::new(127, 0, 0, 1),
        Ipv4Addr::new(224, 0, 0, 9),
    ]);
    let count = numbers.pick(&[1, 1, 2, 3, 7, 8, 9, 15, 16, 17, 40, 182, 183, 184, 200]);
    let records: Vec<Record<'_>> = (0..count)
        .map(|_| Record {
            kind: match numbers.below(300) {
                0 => RecordKind::IsInclude,
                1 => RecordKind::ToInclude,
                2 => RecordKind::Allow,
                3 => RecordKind::Block,
                even if even % 2 == 0 => RecordKind::IsExclude,
                _ => RecordKind::ToExclude,
            },
            group: group_of(numbers),
            sources: &[],
        })
        .collect();
    let message = match numbers.below(3) {
        0 => Message::ReportV2(group_of(numbers)),
        _ => Message::ReportV3(&records),
    };
    let mut frame = frame_from(source, Vlan::Untagged, message);
    match numbers.below(8) {
        0 => spoil(numbers, &mut frame),
        // Everything that the short way looks at, byte by byte, with checksums that are right nevertheless.
        1 => {
            let at = IP + numbers.below(40.min(frame.len() - IP));
            let place = &mut frame[at];
            *place = match numbers.below(3) {
                0 => *place ^ 1 << numbers.below(8),
                1 => place.wrapping_add(1),
                _ => numbers.next() as u8,
            };
            mend(&mut frame);
        }
        // Some record.
        2 if count > 1 && frame.len() > IP + 40 => {
            let at = IP + 32 + numbers.below(frame.len() - IP - 32);
            frame[at] = numbers.pick(&[0, 1, 2, 3, 4, 5, 6, 0xff]);
            mend(&mut frame);
        }
        _ => {}
    }
    frame
}

/// Writes the checksums anew where the frame is as long as its headers say.
fn mend(frame: &mut [u8]) {
    let header = usize::from(frame[IP] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([frame[IP + 2], frame[IP + 3]]));
    if header >= 20 && total >= header + 4 && frame.len() >= IP + total {
        fix_ip_checksum(frame);
        fix_igmp_checksum(frame);
    }
}

/// What becomes of one membership.
#[derive(Default)]
struct Outcome {
    refreshed: u64,
    events: u64,
}

/// What the router knows of a group.
struct Known {
    flags: u32,
    reporter: Ipv4Addr,
    /// The rounds in which its three times were set last.
    rounds: [Option<usize>; 3],
}

/// What the router knows, by the decisions that the simulation of the protocol makes as well.
#[derive(Default)]
struct Model {
    groups: HashMap<Ipv4Addr, Known>,
    /// Which round it is.
    round: usize,
}

impl Model {
    fn apply(&mut self, group: Ipv4Addr, change: Change, source: Ipv4Addr, outcome: &mut Outcome) {
        let known = self.groups.get(&group).map(|known| known.flags);
        let round = self.round;
        let set = |known: &mut Known| {
            known.reporter = source;
            let Change::AnySource { version } = change else {
                unreachable!("nothing else asks for a group and excludes nothing")
            };
            known.rounds[usize::from(version) - 1] = Some(round);
        };
        match GroupStep::decide(change, known) {
            GroupStep::Ignore => {}
            GroupStep::Refresh => {
                outcome.refreshed += 1;
                self.groups.entry(group).and_modify(set);
            }
            GroupStep::Insert(flags) => {
                outcome.events += 1;
                let mut known = Known {
                    flags,
                    reporter: source,
                    rounds: [None; 3],
                };
                set(&mut known);
                self.groups.insert(group, known);
            }
            GroupStep::Hand(mark) => {
                outcome.events += 1;
                if mark == GroupFlags::LOST_JOIN {
                    self.groups.entry(group).and_modify(set);
                }
            }
            // None of the frames has a source that can be one, unless what is broken makes it so; such frames are left out.
            GroupStep::Sources { .. } => unreachable!("no record has sources"),
        }
    }

    /// What a frame does that is not refused as a whole.
    fn report(&mut self, frame: &[u8], config: &InterfaceConfig) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(envelope) = admit::envelope(&frame) else {
            return outcome;
        };
        let admission = admit::admit(&frame, envelope.ip, frame.len(), config);
        let source = admission.source;
        match admission.outcome {
            Ok(Admitted::Group { kind, group }) if !address::is_link_local_group(group) => {
                let change = match kind {
                    Kind::ReportV1 => Change::AnySource { version: 1 },
                    Kind::ReportV2 => Change::AnySource { version: 2 },
                    _ if config.version < 2 => return outcome,
                    _ => Change::Less,
                };
                self.apply(group, change, source, &mut outcome);
            }
            Ok(Admitted::Report(mut records)) if admit::fits(&frame, &records).is_ok() => {
                while let Ok(Some(record)) = records.next(&frame) {
                    if let Ok(change) = admit::judge_record(&record)
                        && change != Change::Nothing
                    {
                        self.apply(record.group, change, source, &mut outcome);
                    }
                }
            }
            _ => {}
        }
        outcome
    }
}

/// Whether some record of the frame has sources, which the model knows nothing of.
fn has_sources(frame: &[u8], config: &InterfaceConfig) -> bool {
    let Some(envelope) = admit::envelope(&frame) else {
        return false;
    };
    let Ok(Admitted::Report(mut records)) = admit::admit(&frame, envelope.ip, frame.len(), config).outcome
    else {
        return false;
    };
    while let Ok(Some(record)) = records.next(&frame) {
        if record.source_count != 0 {
            return true;
        }
    }
    false
}

fn configs() -> [InterfaceConfig; 5] {
    let plain = default_config();
    let mut two = InterfaceConfig {
        prefix_count: 2,
        flags: plain.flags | InterfaceFlags::VERIFY_SOURCE_SUBNET,
        ..plain
    };
    two.prefixes[1].address = SECOND.to_bits();
    two.prefixes[1].mask = 0xffff_ff00;
    [
        plain,
        two,
        InterfaceConfig {
            prefix_count: 0,
            flags: InterfaceFlags::IGMP | InterfaceFlags::VERIFY_SOURCE_SUBNET,
            ..plain
        },
        InterfaceConfig { version: 2, ..plain },
        InterfaceConfig {
            flags: plain.flags & !InterfaceFlags::IGMP,
            ..plain
        },
    ]
}

/// Tells what an agent tells of groups that these events are of: nothing but that it has heard of them.
fn hear(xdp: &mut Xdp) -> u64 {
    let events = xdp.events();
    let made: Vec<MapChange> = events
        .iter()
        .filter(|(event, _)| event.inserted != 0)
        .map(|(event, _)| {
            let has = |version| u32::from(event.inserted) & GroupFlags::refresh(version) != 0;
            MapChange::GroupMade {
                key: group_key(Ipv4Addr::from_bits(event.group)),
                refresh: Refresh {
                    v1: has(1),
                    v2: has(2),
                    v3: has(3),
                },
            }
        })
        .collect();
    let applied = xdp.kernel.apply(now(), &made).expect("the changes are made");
    assert_eq!(applied.full, 0);
    events.len() as u64
}

/// With an agent that hears of groups, their times are noted in the table of refreshes. It is so small here that some groups
/// find their place taken.
#[test]
fn repeated_reports_are_judged_applied_and_counted_once() {
    for has_agent in [false, true] {
        check_repeated_reports(has_agent);
    }
}

fn check_repeated_reports(has_agent: bool) {
    let options = LoadOptions {
        max_groups: 512,
        ..LoadOptions::default()
    };
    let mut seen = [0_u32; Refusal::COUNT];
    let (mut refreshed, mut events, mut mixed) = (0, 0, 0);
    let (mut noted, mut not_noted) = (0, 0);
    for (seed, config) in configs().into_iter().enumerate() {
        let mut numbers = Numbers(seed as u64 + 100);
        let mut xdp = Xdp::with(&options, &config);
        let mut model = Model::default();
        let mut began = Vec::new();
        let is_handled = config.has(InterfaceFlags::IGMP);
        for round in 0..FRAMES {
            model.round = began.len();
            began.push(now().as_nanos());
            let frame = generate(&mut numbers);
            if has_sources(&frame, &config) {
                continue;
            }
            let context = format!("configuration {seed}, round {round}: {frame:02x?}");
            let verdict = xdp.receive(&frame);
            let counted = xdp.counted();
            let handed = if has_agent {
                hear(&mut xdp)
            } else {
                xdp.events().len() as u64
            };
            let refusals: Vec<Refusal> = counted.dropped().into_keys().collect();
            let Some((kind, refusal)) = expected(&frame, &[(Vlan::Untagged, config)]) else {
                assert_eq!(
                    (counted.0.received[0], verdict, handed),
                    (0, Verdict::Pass, 0),
                    "{context}"
                );
                continue;
            };
            assert_eq!(counted.0.received[0], 1, "{context}");
            let by_kind: u64 = counted.0.received[1..].iter().sum();
            assert_eq!(by_kind, u64::from(kind.is_some()), "{context}");
            if let Some(kind) = kind {
                assert_eq!(counted.received(kind), (1, 1), "{context}");
            }
            if kind.is_some_and(Kind::is_query) {
                continue;
            }
            if !is_handled {
                assert_eq!(
                    (verdict, handed, refusals.len()),
                    (Verdict::Pass, 0, 0),
                    "{context}"
                );
                continue;
            }
            assert_eq!(refusals, refusal.into_iter().collect::<Vec<_>>(), "{context}");
            let outcome = model.report(&frame, &config);
            assert_eq!(
                (counted.0.refreshed, handed),
                (outcome.refreshed, outcome.events),
                "{context}"
            );
            let passes = refusal == Some(Refusal::UnknownType);
            assert_eq!(
                verdict,
                if passes { Verdict::Pass } else { Verdict::Drop },
                "{context}"
            );
            refreshed += outcome.refreshed;
            events += outcome.events;
            mixed += u32::from(outcome.refreshed > 0 && (outcome.events > 0 || refusal.is_some()));
            if let Some(refusal) = refusal {
                seen[refusal as usize] += 1;
            }
        }
        began.push(now().as_nanos());
        let table = xdp.refreshes();
        let stamps: HashMap<u32, u64> = (0..table.len())
            .map(|place| table.get(&place, 0).expect("there is a place").0)
            .map(|entry| (entry.tag, RefreshEntry::time(entry.stamp)))
            .collect();
        for (group, known) in &model.groups {
            let entry = xdp.group(*group).expect("the group is known");
            assert_eq!(
                (entry.flags, Ipv4Addr::from_bits(entry.reporter)),
                (known.flags, known.reporter),
                "{group}"
            );
            for (time, round) in entry.last_report.into_iter().zip(known.rounds) {
                // The table of refreshes keeps times in steps of 64 ns.
                let expected = round.map_or(0..=0, |round| began[round] - 64..=began[round + 1]);
                assert!(expected.contains(&time), "{group}: {time} is not in {expected:?}");
            }
            let tags = (1..=3).map(|version| RefreshEntry::tag(group.to_bits(), version));
            match tags.filter_map(|tag| stamps.get(&tag)).max() {
                Some(time) if *time > 0 => noted += 1,
                _ => not_noted += 1,
            }
        }
    }
    println!("times of {noted} groups were noted in the table, and those of {not_noted} were not");
    assert_eq!(noted > 100, has_agent);
    assert!(not_noted > 0);
    // The frames must have reached all of it.
    for refusal in [
        Refusal::TooShort,
        Refusal::Checksum,
        Refusal::Ttl,
        Refusal::RouterAlert,
        Refusal::Source,
        Refusal::Group,
        Refusal::SsmRange,
        Refusal::UnknownType,
        Refusal::Malformed,
        Refusal::Fragment,
    ] {
        assert!(
            seen[refusal as usize] >= 10,
            "only {} frames were refused for {refusal:?}",
            seen[refusal as usize]
        );
    }
    assert!(
        refreshed > 60_000 && events > 100 && mixed > 100,
        "{refreshed} refreshed, {events} events, {mixed} reports with both"
    );
}

/// Each kind of report writes its own time, and who sent it.
#[test]
fn the_time_of_its_version_is_written() {
    let group = Ipv4Addr::new(239, 1, 1, 1);
    let other = Ipv4Addr::new(10, 1, 1, 77);
    let is_exclude = [Record {
        kind: RecordKind::IsExclude,
        group,
        sources: &[],
    }];
    for (message, written) in [(Message::ReportV2(group), 1), (Message::ReportV3(&is_exclude), 2)] {
        let mut xdp = Xdp::new();
        xdp.receive(&frame_from(HOST, Vlan::Untagged, message));
        let first = xdp.group(group).expect("the group is known");
        xdp.receive(&frame_from(other, Vlan::Untagged, message));
        let second = xdp.group(group).expect("the group is known");
        assert_eq!(xdp.counted().0.refreshed, 1);
        assert_eq!(second.reporter, other.to_bits());
        for version in 0..3 {
            let is_later = second.last_report[version] > first.last_report[version];
            assert_eq!(
                is_later,
                version == written,
                "the time of version {}",
                version + 1
            );
        }
    }
}
