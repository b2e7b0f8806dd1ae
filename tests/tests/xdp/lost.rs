//! A full ring loses no change: what could not be handed over is found by a scan.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use igmp_core::{Found, Instant, InterfaceId};
use igmp_user::kernel::{LoadOptions, MapChange, Scan, Seen};
use igmp_wire::{
    emit::{Message, Record},
    igmp::RecordKind,
};

use crate::{
    frames::{frame, record},
    harness::{HOST, SLOT, Xdp, default_config, group_key, source_key},
};

const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn group(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xef01_0000 + n)
}

/// Programs whose ring has room for about 100 events of 40 bytes.
fn small_ring() -> Xdp {
    Xdp::with(
        &LoadOptions {
            event_ring_len: 4096,
            ..LoadOptions::default()
        },
        &default_config(),
    )
}

/// Fills the ring with events of a group that no test looks at.
fn fill(xdp: &mut Xdp) {
    let filler = Ipv4Addr::new(239, 255, 255, 255);
    xdp.receive(&record(RecordKind::IsExclude, filler, &[]));
    while xdp.counted().0.events_lost == 0 {
        xdp.receive(&record(RecordKind::ToInclude, filler, &[]));
    }
}

fn scan(xdp: &mut Xdp) -> BTreeMap<Ipv4Addr, Found> {
    let seen = xdp.kernel.scan(Scan::Marked).expect("the maps are readable");
    let found = seen.into_iter().map(|seen| seen.found);
    found.map(|found| (found.group, found)).collect()
}

#[test]
fn every_join_of_a_burst_is_found() {
    let mut xdp = small_ring();
    let before = xdp.kernel.lost_events().expect("readable");
    for n in 0..5_000 {
        xdp.receive(&frame(Message::ReportV2(group(n))));
    }
    let handed = xdp.events();
    let counted = xdp.counted();
    assert!(counted.0.events_lost > 4_000);
    assert_eq!(counted.0.events + counted.0.events_lost, 5_000);
    assert_eq!(counted.0.events, handed.len() as u64);
    assert_eq!(
        xdp.kernel.lost_events().expect("readable") - before,
        counted.0.events_lost
    );

    let found = scan(&mut xdp);
    let handed: BTreeSet<u32> = handed.iter().map(|(event, _)| event.group).collect();
    for n in 0..5_000 {
        if handed.contains(&group(n).to_bits()) {
            assert!(!found.contains_key(&group(n)), "its event tells of it");
            continue;
        }
        let found = &found[&group(n)];
        assert!(found.exclude && !found.incomplete, "{found:?}");
        assert!(found.last_report[1].is_some());
        assert_eq!((found.interface, found.reporter), (InterfaceId(SLOT), HOST));
    }
    assert_eq!(scan(&mut xdp).len(), 0, "what was found once is not found again");
}

#[test]
fn lost_leaves_are_found() {
    let mut xdp = small_ring();
    for n in 0..3 {
        xdp.receive(&record(RecordKind::IsExclude, group(n), &[]));
    }
    xdp.events();
    scan(&mut xdp);
    fill(&mut xdp);
    xdp.receive(&frame(Message::Leave(group(0))));
    xdp.receive(&record(RecordKind::Block, group(1), &[SOURCE]));
    let found = scan(&mut xdp);
    assert!(found[&group(0)].incomplete && found[&group(1)].incomplete);
    assert!(
        !found.contains_key(&group(2)),
        "the group that nothing was lost of is not mentioned"
    );
}

/// A group that becomes EXCLUDE while the ring is full: the scan says so, so that its members get the traffic at once.
#[test]
fn lost_changes_to_exclude_are_found() {
    let mut xdp = small_ring();
    xdp.receive(&record(RecordKind::Allow, group(1), &[SOURCE]));
    xdp.receive(&record(RecordKind::Allow, group(2), &[SOURCE]));
    xdp.events();
    scan(&mut xdp);
    fill(&mut xdp);
    xdp.receive(&record(RecordKind::ToExclude, group(1), &[]));
    xdp.receive(&record(RecordKind::ToExclude, group(2), &[SOURCE]));
    let found = scan(&mut xdp);
    for n in [1, 2] {
        let found = &found[&group(n)];
        assert!(
            found.exclude && found.incomplete && found.last_report[2].is_some(),
            "{found:?}"
        );
    }
}

#[test]
fn lost_sources_are_found() {
    let mut xdp = small_ring();
    let other = Ipv4Addr::new(192, 0, 2, 2);
    xdp.receive(&record(RecordKind::Allow, group(1), &[SOURCE]));
    xdp.events();
    let key = source_key(group(1), SOURCE);
    let changes = [
        MapChange::SetGroup {
            key: group_key(group(1)),
            refresh: Default::default(),
        },
        MapChange::SetSource { key },
    ];
    xdp.kernel
        .apply(Instant::ZERO, &changes)
        .expect("the changes are made");
    assert_eq!(scan(&mut xdp).len(), 0);
    fill(&mut xdp);
    xdp.receive(&record(RecordKind::Allow, group(1), &[SOURCE, other]));
    xdp.receive(&record(RecordKind::IsInclude, group(2), &[other]));
    let found = scan(&mut xdp);
    let sources = |n| {
        found[&group(n)]
            .sources
            .iter()
            .map(|&(source, _)| source)
            .collect::<Vec<_>>()
    };
    assert_eq!((sources(1), sources(2)), (vec![other], vec![other]));
    assert!(!found[&group(1)].exclude && !found[&group(2)].exclude);
}

/// After a restart of the agent everything is found, not only what is pending.
#[test]
fn a_new_agent_finds_everything() {
    let mut xdp = Xdp::new();
    let any = group(1);
    let specific = Ipv4Addr::new(232, 1, 1, 1);
    xdp.receive(&frame(Message::ReportV3(&[
        Record {
            kind: RecordKind::IsExclude,
            group: any,
            sources: &[],
        },
        Record {
            kind: RecordKind::Allow,
            group: specific,
            sources: &[SOURCE],
        },
    ])));
    xdp.events();
    scan(&mut xdp);
    let found = xdp.kernel.scan(Scan::All).expect("the maps are readable");
    assert_eq!(found.len(), 2);
    for Seen { found, .. } in found {
        let is_any = found.group == any;
        assert_eq!(
            (found.exclude, found.sources.len()),
            (is_any, usize::from(!is_any)),
            "{found:?}"
        );
    }
}

/// A source that is reported while its group is being removed, and the ring is full, is found without the group.
#[test]
fn sources_of_a_removed_group_are_found() {
    let mut xdp = small_ring();
    let other = Ipv4Addr::new(192, 0, 2, 2);
    xdp.receive(&record(RecordKind::Allow, group(1), &[SOURCE]));
    xdp.events();
    scan(&mut xdp);
    fill(&mut xdp);
    let removal = [
        MapChange::RemoveSource {
            key: source_key(group(1), SOURCE),
        },
        MapChange::RemoveGroup {
            key: group_key(group(1)),
        },
    ];
    xdp.kernel
        .apply(Instant::MAX, &removal)
        .expect("the changes are made");
    xdp.receive(&record(RecordKind::Allow, group(1), &[other]));
    while let Some(due) = xdp.kernel.next_removal() {
        xdp.kernel.finish_removals(due).expect("it runs");
    }
    assert_eq!(xdp.group(group(1)), None, "the group went");
    let found = &scan(&mut xdp)[&group(1)];
    assert_eq!(
        found
            .sources
            .iter()
            .map(|&(source, _)| source)
            .collect::<Vec<_>>(),
        [other]
    );
}

/// A scan for some slots leaves the marks of others for those who look for them.
#[test]
fn a_scan_of_other_slots_takes_no_marks() {
    let mut xdp = Xdp::new();
    xdp.receive(&record(RecordKind::IsExclude, group(1), &[SOURCE]));
    let others = [SLOT + 7].into();
    assert_eq!(
        xdp.kernel
            .scan(Scan::Slots(&others))
            .expect("the maps are readable"),
        []
    );
    assert_eq!(scan(&mut xdp).len(), 1);
}
