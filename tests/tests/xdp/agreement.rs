//! The XDP program and the user-space parser judge the same frames alike: accepted or refused, and for what reason.

use std::net::Ipv4Addr;

use igmp_user::kernel::LoadOptions;
use igmp_wire::{
    Refusal,
    abi::{InterfaceConfig, InterfaceFlags},
    address,
    admit::{self, Message as Admitted},
    emit::{Message, Query, QueryTarget, Record},
    ethernet::Vlan,
    igmp::{Kind, RecordKind},
};

use crate::{
    frames::{IP, fix_igmp_checksum, fix_ip_checksum, frame_from},
    harness::{HOST, ROUTER, VLAN_SLOT, Verdict, Xdp, default_config},
    numbers::Numbers,
};

/// How many frames are generated.
const FRAMES: u32 = 120_000;

fn address_of(numbers: &mut Numbers) -> Ipv4Addr {
    let last = numbers.below(4) as u8;
    numbers.pick(&[
        Ipv4Addr::new(239, 1, 1, last),
        Ipv4Addr::new(239, 1, 1, last),
        Ipv4Addr::new(232, 1, 1, last),
        Ipv4Addr::new(232, 1, 1, last),
        Ipv4Addr::new(224, 0, 0, last),
        Ipv4Addr::new(192, 0, 2, last),
        Ipv4Addr::new(10, 1, 1, last),
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::BROADCAST,
        Ipv4Addr::new(127, 0, 0, last),
    ])
}

fn generate(numbers: &mut Numbers) -> Vec<u8> {
    let other = address_of(numbers);
    let source = numbers.pick(&[HOST, HOST, HOST, HOST, ROUTER, Ipv4Addr::UNSPECIFIED, other]);
    let vlan = numbers.pick(&[
        Vlan::Untagged,
        Vlan::Untagged,
        Vlan::Untagged,
        Vlan::Tagged(7),
        Vlan::Tagged(9),
        Vlan::Stacked(7, 9),
    ]);
    let group = address_of(numbers);
    let lists: Vec<Vec<Ipv4Addr>> = (0..numbers.below(6))
        .map(|_| {
            let count = numbers.pick(&[0, 0, 1, 2, 5, 70]);
            (0..count).map(|_| address_of(numbers)).collect()
        })
        .collect();
    let records: Vec<Record<'_>> = lists
        .iter()
        .map(|sources| Record {
            kind: numbers.pick(&[
                RecordKind::IsInclude,
                RecordKind::IsExclude,
                RecordKind::ToInclude,
                RecordKind::ToExclude,
                RecordKind::Allow,
                RecordKind::Block,
            ]),
            group: address_of(numbers),
            sources,
        })
        .collect();
    let sources = lists.first().map_or(&[][..], Vec::as_slice);
    let message = match numbers.below(9) {
        0 => Message::Query(Query::V1),
        1 => Message::Query(Query::V2 {
            max_response_time: 100,
            group: Some(group),
        }),
        2 => Message::Query(Query::V3 {
            max_response_time: 100,
            suppress: false,
            qrv: 2,
            query_interval: 125,
            target: QueryTarget::new(Some(group), sources),
        }),
        3 => Message::ReportV1(group),
        4 => Message::ReportV2(group),
        5 => Message::Leave(group),
        _ => Message::ReportV3(&records),
    };
    let mut frame = frame_from(source, vlan, message);
    for _ in 0..numbers.pick(&[0, 0, 0, 1, 2]) {
        spoil(numbers, &mut frame);
    }
    frame
}

/// Breaks a frame, and mends its checksums half of the time so that what is broken is reached.
pub(crate) fn spoil(numbers: &mut Numbers, frame: &mut Vec<u8>) {
    match numbers.below(5) {
        0 => {
            let len = 14 + numbers.below(frame.len() - 13);
            frame.truncate(len);
        }
        1 => frame.extend(std::iter::repeat_n(0xee, numbers.below(40))),
        2 if frame.len() > 40 => {
            // Somewhere in the IP header or at the beginning of the message, where the fields are.
            let at = IP + numbers.below(26.min(frame.len() - IP));
            frame[at] = numbers.next() as u8;
        }
        3 if frame.len() > 50 => {
            let at = IP + 24 + numbers.below(12.min(frame.len() - IP - 24));
            frame[at] = numbers.pick(&[0, 1, 2, 3, 0x11, 0x16, 0x22, 0x7f, 0xff]);
        }
        _ => {
            let at = numbers.below(frame.len());
            frame[at] ^= 1 << numbers.below(8);
        }
    }
    let untagged = frame.len() > IP + 20 && frame[12..14] == [8, 0];
    if untagged && !numbers.one_in(2) {
        let header = usize::from(frame[IP] & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes([frame[IP + 2], frame[IP + 3]]));
        if header >= 20 && total >= header + 4 && frame.len() >= IP + total {
            fix_ip_checksum(frame);
            fix_igmp_checksum(frame);
        }
    }
}

/// What user space says to a frame: what it is counted as, and whether it is refused. `None` where it is not to be
/// counted at all.
pub(crate) fn expected(
    frame: &[u8],
    configs: &[(Vlan, InterfaceConfig)],
) -> Option<(Option<Kind>, Option<Refusal>)> {
    let envelope = admit::envelope(&frame)?;
    let configured = configs
        .iter()
        .find(|(vlan, _)| *vlan == envelope.vlan)
        .map(|(_, config)| config);
    let config = configured.unwrap_or(&configs[0].1);
    let admission = admit::admit(&frame, envelope.ip, frame.len(), config);
    let destination = admission.destination;
    let to_us = address::is_multicast(destination) || destination.is_unspecified() || destination == ROUTER;
    if !to_us {
        return None;
    }
    if configured.is_none() {
        return Some((admission.kind, Some(Refusal::Vlan)));
    }
    let refusal = match admission.outcome {
        // A host does not read them.
        _ if admission.kind == Some(Kind::ReportV3) && config.has(InterfaceFlags::HOST) => {
            admit::judge(&frame, envelope.ip, frame.len(), config).refusal
        }
        Err(refusal) => Some(refusal),
        Ok(Admitted::Report(records)) => match admit::fits(&frame, &records) {
            Err(refusal) => Some(refusal),
            Ok(()) => {
                let mut records = records;
                let mut first = None;
                while let Ok(Some(record)) = records.next(&frame) {
                    first = first.or(admit::judge_record(&record).err());
                }
                first
            }
        },
        Ok(Admitted::Query(_) | Admitted::Group { .. }) => None,
    };
    Some((admission.kind, refusal))
}

#[test]
fn kernel_and_user_space_agree() {
    let mut seen = [0_u32; Refusal::COUNT];
    let (mut accepted, mut passed) = (0_u32, 0_u32);
    let flags = default_config().flags;
    for (seed, config) in [
        (1, default_config()),
        (
            2,
            InterfaceConfig {
                flags: flags | InterfaceFlags::VERIFY_SOURCE_SUBNET,
                ..default_config()
            },
        ),
        (
            3,
            InterfaceConfig {
                flags: InterfaceFlags::IGMP,
                version: 2,
                ..default_config()
            },
        ),
        (
            4,
            InterfaceConfig {
                flags: InterfaceFlags::HOST | InterfaceFlags::REQUIRE_ROUTER_ALERT,
                ..default_config()
            },
        ),
    ] {
        let mut numbers = Numbers(seed);
        let tagged = InterfaceConfig {
            slot: VLAN_SLOT,
            ..config
        };
        let configs = [(Vlan::Untagged, config), (Vlan::Tagged(7), tagged)];
        let options = LoadOptions {
            max_groups: 1 << 12,
            max_entries: 1 << 14,
            ..LoadOptions::default()
        };
        let mut xdp = Xdp::with(&options, &config);
        xdp.configure(7, &tagged);
        for round in 0..FRAMES / 4 {
            let frame = generate(&mut numbers);
            let context = format!("seed {seed}, round {round}: {frame:02x?}");
            let verdict = xdp.receive(&frame);
            let counted = xdp.counted_in_both();
            xdp.events();
            let kinds = [
                Kind::QueryV1,
                Kind::QueryV2,
                Kind::QueryV3,
                Kind::ReportV1,
                Kind::ReportV2,
                Kind::ReportV3,
                Kind::Leave,
            ];
            let kind = kinds.into_iter().find(|&kind| counted.received(kind).1 > 0);
            let refusals: Vec<Refusal> = counted.dropped().into_keys().collect();
            match expected(&frame, &configs) {
                None => {
                    assert_eq!((counted.0.received[0], verdict), (0, Verdict::Pass), "{context}");
                    assert!(refusals.is_empty(), "{context}");
                    passed += 1;
                }
                Some((expected_kind, refusal)) => {
                    assert_eq!((counted.0.received[0], kind), (1, expected_kind), "{context}");
                    // A query too many for the agent is the one thing that depends on when it comes.
                    if refusals != [Refusal::Rate] {
                        assert_eq!(refusals, refusal.into_iter().collect::<Vec<_>>(), "{context}");
                    }
                    match refusal {
                        Some(refusal) => seen[refusal as usize] += 1,
                        None => accepted += 1,
                    }
                }
            }
        }
    }
    // The frames must have reached every reason there is for a single packet without a limit in its way.
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
        Refusal::Vlan,
    ] {
        assert!(
            seen[refusal as usize] >= 50,
            "only {} frames were refused for {refusal:?}",
            seen[refusal as usize]
        );
    }
    assert!(
        accepted > FRAMES / 10 && passed > 500,
        "{accepted} accepted, {passed} passed"
    );
}
