//! Limits: what is refused at one is counted, and what was there before is not harmed.

use std::net::Ipv4Addr;

use igmp_user::kernel::LoadOptions;
use igmp_wire::{
    Refusal,
    abi::InterfaceConfig,
    emit::{Message, Record},
    igmp::RecordKind,
};

use crate::{
    frames::{frame, record},
    harness::{SLOT, Xdp, default_config},
};

fn group(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xef01_0000 + n)
}

fn source(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xc000_0201 + n)
}

#[track_caller]
fn limited(xdp: &mut Xdp, times: u64) {
    assert_eq!(
        xdp.counted().dropped().into_iter().collect::<Vec<_>>(),
        [(Refusal::Limit, times)]
    );
}

#[test]
fn groups_of_an_interface() {
    let mut xdp = Xdp::with(
        &LoadOptions::default(),
        &InterfaceConfig {
            max_groups: 10,
            ..default_config()
        },
    );
    for n in 0..10 {
        xdp.receive(&frame(Message::ReportV2(group(n))));
    }
    assert!(xdp.counted().dropped().is_empty());
    for n in 10..15 {
        xdp.receive(&frame(Message::ReportV2(group(n))));
        assert_eq!(xdp.group(group(n)), None);
    }
    limited(&mut xdp, 5);
    assert_eq!(xdp.events().len(), 10, "no event for what was refused");
    assert_eq!(xdp.kernel.groups_in_use(SLOT).expect("readable"), 10);

    // What was there is refreshed, handed over and extended as before.
    for n in 0..10 {
        xdp.receive(&frame(Message::ReportV2(group(n))));
        xdp.receive(&frame(Message::Leave(group(n))));
    }
    let counted = xdp.counted();
    assert_eq!((counted.0.refreshed, counted.0.events), (10, 10));
    assert!(counted.dropped().is_empty());
}

/// One report with records on both sides of the limit is counted once, and the known groups in it are refreshed.
#[test]
fn a_report_across_the_limit() {
    let mut xdp = Xdp::with(
        &LoadOptions::default(),
        &InterfaceConfig {
            max_groups: 3,
            ..default_config()
        },
    );
    let groups: Vec<Ipv4Addr> = (0..6).map(group).collect();
    let records: Vec<Record<'_>> = groups
        .iter()
        .map(|&group| Record {
            kind: RecordKind::IsExclude,
            group,
            sources: &[],
        })
        .collect();
    xdp.receive(&frame(Message::ReportV3(&records)));
    assert_eq!(xdp.events().len(), 3);
    limited(&mut xdp, 1);
    xdp.receive(&frame(Message::ReportV3(&records)));
    let counted = xdp.counted();
    assert_eq!((counted.0.refreshed, counted.0.events), (3, 0));
    assert_eq!(counted.dropped()[&Refusal::Limit], 1);
}

#[test]
fn capacity_of_the_map_of_groups() {
    let options = LoadOptions {
        max_groups: 64,
        ..LoadOptions::default()
    };
    let mut xdp = Xdp::with(&options, &default_config());
    for n in 0..200 {
        xdp.receive(&frame(Message::ReportV2(group(n))));
    }
    let known = (0..200).filter(|&n| xdp.group(group(n)).is_some()).count();
    assert_eq!(known, 64);
    limited(&mut xdp, 136);
    assert_eq!(xdp.events().len(), 64);
    assert_eq!(xdp.kernel.groups_in_use(SLOT).expect("readable"), 64);
}

#[test]
fn sources_of_a_group() {
    let mut xdp = Xdp::with(
        &LoadOptions::default(),
        &InterfaceConfig {
            max_group_sources: 4,
            ..default_config()
        },
    );
    let sources: Vec<Ipv4Addr> = (0..6).map(source).collect();
    xdp.receive(&record(RecordKind::Allow, group(1), &sources));
    assert_eq!(xdp.group(group(1)).expect("the group is known").sources, 4);
    let known: Vec<bool> = sources
        .iter()
        .map(|&source| xdp.source(group(1), source).is_some())
        .collect();
    assert_eq!(known, [true, true, true, true, false, false]);
    limited(&mut xdp, 1);
    // Another group has a limit of its own, and known sources are refreshed.
    xdp.receive(&record(RecordKind::Allow, group(2), &sources[..4]));
    xdp.receive(&record(RecordKind::IsInclude, group(1), &sources[..4]));
    let counted = xdp.counted();
    assert!(counted.dropped().is_empty());
    assert_eq!(counted.0.refreshed, 1);
}

#[test]
fn capacity_of_the_map_of_sources() {
    let options = LoadOptions {
        max_entries: 16,
        ..LoadOptions::default()
    };
    let mut xdp = Xdp::with(&options, &default_config());
    let sources: Vec<Ipv4Addr> = (0..40).map(source).collect();
    xdp.receive(&record(RecordKind::Allow, group(1), &sources));
    let known = sources
        .iter()
        .filter(|&&source| xdp.source(group(1), source).is_some())
        .count();
    assert_eq!(known, 16);
    assert_eq!(xdp.group(group(1)).expect("the group is known").sources, 16);
    limited(&mut xdp, 1);
}
