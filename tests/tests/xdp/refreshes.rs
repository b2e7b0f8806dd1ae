//! The table of refreshes: what is noted there, for whom, and until when.
//!
//! The table must never be seen: whatever stands in it, times, reporters and events are as they would be without it. Only these
//! tests look into it, to know that it is used.

use std::net::Ipv4Addr;

use aya::maps::{Array, MapData};
use igmp_core::{Instant, InterfaceId, Liveness, Refresh};
use igmp_user::{
    kernel::{LoadOptions, MapChange},
    sys::Plain,
};
use igmp_wire::{
    abi::{RefreshEntry, SourceFlags},
    emit::Message,
    igmp::RecordKind,
};

use crate::{
    frames::{frame, record, record_from},
    harness::{HOST, SLOT, VLAN_SLOT, Xdp, default_config, group_key, later, now},
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
/// Another host on the network.
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 77);
/// What hosts of version 3 let be refreshed.
const V3: Refresh = Refresh {
    v1: false,
    v2: false,
    v3: true,
};
/// What hosts of version 2 let be refreshed.
const V2: Refresh = Refresh {
    v1: false,
    v2: true,
    v3: true,
};
/// The smallest table.
const BITS: u32 = 6;

/// Programs with the smallest table.
fn small() -> Xdp {
    let options = LoadOptions {
        max_groups: 1 << BITS,
        ..LoadOptions::default()
    };
    Xdp::with(&options, &default_config())
}

fn apply(xdp: &mut Xdp, change: MapChange) {
    let applied = xdp.kernel.apply(now(), &[change]).expect("the change is made");
    assert_eq!(applied.full, 0);
}

/// Makes a group known as its first report and the agent do.
fn learn(xdp: &mut Xdp, packet: &[u8], group: Ipv4Addr, refresh: Refresh) {
    xdp.receive(packet);
    assert_eq!(xdp.events().len(), 1, "{group} is new");
    let key = group_key(group);
    apply(xdp, MapChange::GroupMade { key, refresh });
}

fn is_exclude(group: Ipv4Addr) -> Vec<u8> {
    record(RecordKind::IsExclude, group, &[])
}

/// The entry at the place of a group, in the smallest table.
fn at(table: &Array<MapData, Plain<RefreshEntry>>, group: Ipv4Addr) -> RefreshEntry {
    let place = RefreshEntry::place(SLOT, group.to_bits(), BITS);
    table.get(&place, 0).expect("there is a place").0
}

/// Whether a time is that of something which happened between two moments. The table knows it to 64 ns.
fn assert_between(time: u64, begin: Instant, end: Instant) {
    assert!(
        (begin.as_nanos() - 64..=end.as_nanos()).contains(&time),
        "{time} is not between {begin:?} and {end:?}"
    );
}

#[test]
fn a_refresh_is_noted_and_seen() {
    for (version, first, refresh) in [
        (3, is_exclude(GROUP), V3),
        (2, frame(Message::ReportV2(GROUP)), V2),
    ] {
        let mut xdp = small();
        let table = xdp.refreshes();
        learn(&mut xdp, &first, GROUP, refresh);
        let made = at(&table, GROUP);
        assert_eq!(made.tag, RefreshEntry::tag(GROUP.to_bits(), version));
        assert_eq!(
            (made.reporter, made.stamp),
            (0, u64::from(SLOT)),
            "nothing is noted"
        );

        let (begin, _) = (now(), xdp.counted());
        xdp.receive(&first);
        let end = now();
        assert_eq!((xdp.events().len(), xdp.counted().0.refreshed), (0, 1));
        let noted = at(&table, GROUP);
        assert_eq!((noted.tag, noted.reporter), (made.tag, HOST.to_bits()));
        assert_between(RefreshEntry::time(noted.stamp), begin, end);

        // However the agent asks, it is told.
        let index = usize::from(version) - 1;
        let entry = xdp.group(GROUP).expect("the group is known");
        assert_between(entry.last_report[index], begin, end);
        let read = xdp.kernel.group(InterfaceId(SLOT), GROUP);
        let last = read.last_report[index].expect("there was a report");
        assert_eq!(
            (last.as_nanos(), read.reporter),
            (entry.last_report[index], Some(HOST))
        );
        xdp.kernel.prefetch(&[(InterfaceId(SLOT), GROUP, None)]);
        assert_eq!(xdp.kernel.group(InterfaceId(SLOT), GROUP), read);
        let all = xdp
            .kernel
            .scan(igmp_user::kernel::Scan::All)
            .expect("it is scanned");
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].found.last_report, read.last_report);
    }
}

/// Reports of another version than the entry's have their time in the map of groups. The reporter is that of the last one.
#[test]
fn reports_of_another_version_are_not_noted() {
    let mut xdp = small();
    let table = xdp.refreshes();
    learn(&mut xdp, &frame(Message::ReportV2(GROUP)), GROUP, V2);
    xdp.receive(&frame(Message::ReportV2(GROUP)));
    let noted = at(&table, GROUP);
    let begin = now();
    xdp.receive(&record_from(OTHER, RecordKind::IsExclude, GROUP, &[]));
    let end = now();
    assert_eq!(xdp.events(), []);
    assert_eq!(at(&table, GROUP), noted);
    let entry = xdp.group(GROUP).expect("the group is known");
    assert_eq!(entry.last_report[1], RefreshEntry::time(noted.stamp));
    assert_between(entry.last_report[2], begin, end);
    assert_eq!(entry.reporter, OTHER.to_bits());
    xdp.receive(&frame(Message::ReportV2(GROUP)));
    assert_eq!(
        xdp.group(GROUP).expect("the group is known").reporter,
        HOST.to_bits()
    );
}

/// Groups that share a place are refreshed beside each other, and the place is the next one's when its group is gone.
#[test]
fn a_place_has_one_group_at_a_time() {
    let mut xdp = small();
    let table = xdp.refreshes();
    let place = |group: Ipv4Addr| RefreshEntry::place(SLOT, group.to_bits(), BITS);
    let rivals: Vec<Ipv4Addr> = (1..)
        .map(|n| Ipv4Addr::from_bits(GROUP.to_bits() + n))
        .filter(|group| place(*group) == place(GROUP))
        .take(2)
        .collect();
    let groups = [GROUP, rivals[0], rivals[1]];
    for group in groups {
        learn(&mut xdp, &is_exclude(group), group, V3);
    }
    let mut before = now();
    for group in groups {
        xdp.receive(&is_exclude(group));
        let after = now();
        let entry = xdp.group(group).expect("the group is known");
        assert_between(entry.last_report[2], before, after);
        before = after;
    }
    assert_eq!(xdp.events(), []);
    assert_eq!(at(&table, GROUP).tag, RefreshEntry::tag(GROUP.to_bits(), 3));

    apply(
        &mut xdp,
        MapChange::RemoveGroup {
            key: group_key(GROUP),
        },
    );
    assert_eq!(xdp.kernel.finish_removals(later()).expect("it runs"), []);
    assert_eq!(xdp.group(GROUP), None);
    assert_eq!(at(&table, GROUP).tag, 0);
    let key = group_key(rivals[1]);
    apply(&mut xdp, MapChange::SetGroup { key, refresh: V3 });
    assert_eq!(at(&table, GROUP).tag, RefreshEntry::tag(rivals[1].to_bits(), 3));
    let known = xdp.group(rivals[1]).expect("the group is known").last_report;
    xdp.receive(&is_exclude(rivals[1]));
    assert!(xdp.group(rivals[1]).expect("the group is known").last_report[2] > known[2]);
    // And a new member of the first one is heard.
    xdp.receive(&is_exclude(GROUP));
    assert_eq!(xdp.events().len(), 1);
}

/// The same group on another interface is another group, even where it has the same place.
#[test]
fn interfaces_do_not_share_entries() {
    let mut xdp = small();
    let mut table = xdp.refreshes();
    learn(&mut xdp, &is_exclude(GROUP), GROUP, V3);
    let place = RefreshEntry::place(SLOT, GROUP.to_bits(), BITS);
    let entry = RefreshEntry {
        tag: RefreshEntry::tag(GROUP.to_bits(), 3),
        reporter: 0,
        stamp: RefreshEntry::stamp(VLAN_SLOT, 0),
    };
    table.set(place, Plain(entry), 0).expect("the entry is written");
    let before = xdp.group(GROUP).expect("the group is known");
    xdp.receive(&is_exclude(GROUP));
    assert_eq!(at(&table, GROUP), entry);
    let after = xdp.group(GROUP).expect("the group is known");
    assert!(after.last_report[2] > before.last_report[2]);
}

/// What no longer may be refreshed silently is not noted, and what was noted stays known.
#[test]
fn an_entry_goes_out_of_use_with_its_flag() {
    let mut xdp = small();
    let table = xdp.refreshes();
    let key = group_key(GROUP);
    learn(&mut xdp, &is_exclude(GROUP), GROUP, V3);
    xdp.receive(&is_exclude(GROUP));
    let noted = at(&table, GROUP);
    let refresh = Refresh::default();
    apply(&mut xdp, MapChange::SetGroup { key, refresh });
    let entry = at(&table, GROUP);
    assert_eq!(entry.tag, noted.tag | RefreshEntry::OUT_OF_USE);
    assert_eq!(entry.stamp, noted.stamp);
    let known = xdp.group(GROUP).expect("the group is known");
    assert_eq!(known.last_report[2], RefreshEntry::time(noted.stamp));
    xdp.receive(&is_exclude(GROUP));
    assert_eq!(xdp.events().len(), 1, "the report became an event");
    assert_eq!(at(&table, GROUP), entry);
    apply(&mut xdp, MapChange::SetGroup { key, refresh: V3 });
    assert_eq!(at(&table, GROUP).tag, noted.tag);
    xdp.receive(&is_exclude(GROUP));
    assert_eq!(xdp.events(), []);
    assert!(at(&table, GROUP).stamp > noted.stamp);
}

/// A packet that found the entry in use just before it went may write its time just after.
#[test]
fn a_packet_in_hand_keeps_the_group() {
    let mut xdp = small();
    let mut table = xdp.refreshes();
    let key = group_key(GROUP);
    learn(&mut xdp, &is_exclude(GROUP), GROUP, V3);
    apply(&mut xdp, MapChange::RemoveGroup { key });
    let mut entry = at(&table, GROUP);
    assert_eq!(entry.tag & RefreshEntry::OUT_OF_USE, RefreshEntry::OUT_OF_USE);
    let time = now();
    entry.stamp = RefreshEntry::stamp(SLOT, time.as_nanos());
    entry.reporter = OTHER.to_bits();
    let place = RefreshEntry::place(SLOT, GROUP.to_bits(), BITS);
    table.set(place, Plain(entry), 0).expect("the entry is written");

    let found = xdp.kernel.finish_removals(later()).expect("it runs");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].group, found[0].exclude, found[0].reporter),
        (GROUP, true, OTHER)
    );
    let last = found[0].last_report[2].expect("there was a report");
    assert_between(last.as_nanos(), time, time);
    assert!(xdp.group(GROUP).is_some(), "the group is not deleted");
    // The core wants it again, and then no longer; now nobody refreshes it.
    apply(&mut xdp, MapChange::SetGroup { key, refresh: V3 });
    assert_eq!(at(&table, GROUP).tag, RefreshEntry::tag(GROUP.to_bits(), 3));
    apply(&mut xdp, MapChange::RemoveGroup { key });
    assert_eq!(xdp.kernel.finish_removals(later()).expect("it runs"), []);
    assert_eq!((xdp.group(GROUP), at(&table, GROUP).tag), (None, 0));
}

/// A refresh that is noted after the core has decided, and before it says so, is told at once.
#[test]
fn a_refresh_after_the_decision_is_told() {
    let mut xdp = small();
    learn(&mut xdp, &is_exclude(GROUP), GROUP, V3);
    let decided = now();
    xdp.receive(&is_exclude(GROUP));
    let removal = [MapChange::RemoveGroup {
        key: group_key(GROUP),
    }];
    let applied = xdp.kernel.apply(decided, &removal).expect("the change is made");
    let refreshed: Vec<Ipv4Addr> = applied.refreshed.iter().map(|found| found.group).collect();
    assert_eq!(refreshed, [GROUP]);
    assert_eq!(xdp.kernel.finish_removals(later()).expect("it runs").len(), 1);
}

/// Of changes that follow one another at once, the last one counts.
#[test]
fn the_last_change_counts() {
    let key = group_key(GROUP);
    let set = MapChange::SetGroup { key, refresh: V3 };
    let removal = MapChange::RemoveGroup { key };
    for (changes, is_used) in [([set, removal], false), ([removal, set], true)] {
        let mut xdp = small();
        let table = xdp.refreshes();
        learn(&mut xdp, &is_exclude(GROUP), GROUP, V3);
        xdp.kernel.apply(now(), &changes).expect("the changes are made");
        let tag = at(&table, GROUP).tag;
        assert_eq!(tag & RefreshEntry::OUT_OF_USE == 0, is_used, "{changes:?}");
    }
}

/// A group that is not refreshed silently has no entry, and neither has one that found no room.
#[test]
fn who_has_no_entry() {
    let mut xdp = small();
    let table = xdp.refreshes();
    let source = Ipv4Addr::new(192, 0, 2, 1);
    xdp.receive(&record(RecordKind::Allow, GROUP, &[source]));
    assert_eq!(xdp.events().len(), 1);
    let refresh = Refresh::default();
    let key = group_key(GROUP);
    apply(&mut xdp, MapChange::SetGroup { key, refresh });
    assert_eq!(at(&table, GROUP).tag, 0);
    let flags = xdp.source(GROUP, source).expect("the source is known").flags;
    assert_eq!(flags, SourceFlags::PENDING | SourceFlags::REFRESH);

    let groups = (0..).map(|n| Ipv4Addr::from_bits(0xef05_0000 + n));
    for group in groups.clone().take((1 << BITS) - 1) {
        learn(&mut xdp, &is_exclude(group), group, V3);
    }
    let one_more = groups.clone().nth(1 << BITS).expect("there are more");
    let change = MapChange::SetGroup {
        key: group_key(one_more),
        refresh: V3,
    };
    let applied = xdp.kernel.apply(now(), &[change]).expect("the change is made");
    assert_eq!(applied.full, 1);
    let tags = (0..1 << BITS).map(|place| table.get(&place, 0).expect("there is a place").0.tag);
    let unwanted = RefreshEntry::tag(one_more.to_bits(), 3);
    assert!(tags.into_iter().all(|tag| tag != unwanted));
}
