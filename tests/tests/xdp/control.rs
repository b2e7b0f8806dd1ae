//! The agent's changes, made in place by the control program.

use std::net::Ipv4Addr;

use igmp_core::{Instant, InterfaceId, Liveness, Refresh};
use igmp_user::kernel::MapChange;
use igmp_wire::{
    abi::{EventKind, GroupFlags, SourceFlags},
    emit::Message,
    igmp::RecordKind,
};

use crate::{
    frames::{frame, record},
    harness::{HOST, SLOT, Xdp, group_key, later, now, source_key},
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn apply(xdp: &mut Xdp, changes: &[MapChange]) {
    xdp.kernel.apply(now(), changes).expect("the changes are made");
}

const ALL: Refresh = Refresh {
    v1: true,
    v2: true,
    v3: true,
};

#[test]
fn flags_decide_what_refreshes() {
    let mut xdp = Xdp::new();
    let reports = [
        (frame(Message::ReportV1(GROUP)), EventKind::ReportV1),
        (frame(Message::ReportV2(GROUP)), EventKind::ReportV2),
        (record(RecordKind::IsExclude, GROUP, &[]), EventKind::IsExclude),
    ];
    xdp.receive(&reports[2].0);
    xdp.events();
    for bits in 0..8_u8 {
        let refresh = Refresh {
            v1: bits & 1 != 0,
            v2: bits & 2 != 0,
            v3: bits & 4 != 0,
        };
        apply(
            &mut xdp,
            &[MapChange::SetGroup {
                key: group_key(GROUP),
                refresh,
            }],
        );
        let flags = xdp.group(GROUP).expect("the group is known").flags;
        assert_eq!(flags & (GroupFlags::PENDING | GroupFlags::EXCLUDE), 0);
        for (bit, (packet, kind)) in reports.iter().enumerate() {
            xdp.receive(packet);
            let events: Vec<u8> = xdp.events().iter().map(|(event, _)| event.kind).collect();
            let expected = if bits >> bit & 1 == 1 {
                vec![]
            } else {
                vec![*kind as u8]
            };
            assert_eq!(events, expected, "{refresh:?}");
        }
    }
}

/// A change of flags must not undo what the XDP program wrote.
#[test]
fn times_survive_a_change_of_flags() {
    let mut xdp = Xdp::new();
    xdp.receive(&frame(Message::ReportV2(GROUP)));
    let before = xdp.group(GROUP).expect("the group is known");
    apply(
        &mut xdp,
        &[MapChange::SetGroup {
            key: group_key(GROUP),
            refresh: ALL,
        }],
    );
    let after = xdp.group(GROUP).expect("the group is known");
    assert_eq!(
        (after.last_report, after.reporter),
        (before.last_report, before.reporter)
    );
}

#[test]
fn what_is_missing_is_inserted() {
    let mut xdp = Xdp::new();
    let changes = [
        MapChange::SetGroup {
            key: group_key(GROUP),
            refresh: Refresh {
                v3: true,
                ..Refresh::default()
            },
        },
        MapChange::SetSource {
            key: source_key(GROUP, SOURCE),
        },
    ];
    apply(&mut xdp, &changes);
    let group = xdp.group(GROUP).expect("the group is known");
    assert_eq!((group.flags, group.sources), (GroupFlags::REFRESH_V3, 1));
    assert_eq!(
        xdp.source(GROUP, SOURCE).expect("the source is known").flags,
        SourceFlags::REFRESH
    );
    assert_eq!(xdp.kernel.groups_in_use(SLOT).expect("readable"), 1);
}

#[test]
fn removal_takes_two_steps() {
    let mut xdp = Xdp::new();
    xdp.receive(&record(RecordKind::Allow, GROUP, &[SOURCE]));
    xdp.events();
    let removal = [
        MapChange::RemoveSource {
            key: source_key(GROUP, SOURCE),
        },
        MapChange::RemoveGroup {
            key: group_key(GROUP),
        },
    ];
    apply(&mut xdp, &removal);
    assert!(
        xdp.group(GROUP).is_some() && xdp.source(GROUP, SOURCE).is_some(),
        "nothing is deleted at once"
    );
    let due = xdp.kernel.next_removal().expect("something is due");
    assert_eq!(
        xdp.kernel
            .finish_removals(Instant::from_nanos(due.as_nanos() - 1))
            .expect("it runs"),
        []
    );
    assert!(xdp.group(GROUP).is_some());
    assert_eq!(xdp.kernel.finish_removals(due).expect("it runs"), []);
    assert_eq!((xdp.group(GROUP), xdp.source(GROUP, SOURCE)), (None, None));
    assert_eq!(xdp.kernel.groups_in_use(SLOT).expect("readable"), 0);
    assert_eq!(xdp.kernel.next_removal(), None);
}

/// A report between the two steps is an event; and even one whose event is lost keeps the entry.
#[test]
fn a_report_during_the_removal_is_not_lost() {
    let mut xdp = Xdp::new();
    xdp.receive(&record(RecordKind::IsExclude, GROUP, &[]));
    xdp.events();
    apply(
        &mut xdp,
        &[MapChange::SetGroup {
            key: group_key(GROUP),
            refresh: ALL,
        }],
    );
    apply(
        &mut xdp,
        &[MapChange::RemoveGroup {
            key: group_key(GROUP),
        }],
    );
    xdp.receive(&record(RecordKind::IsExclude, GROUP, &[]));
    assert_eq!(xdp.events().len(), 1, "the report became an event");
    let found = xdp.kernel.finish_removals(later()).expect("it runs");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].group, found[0].exclude, found[0].reporter),
        (GROUP, true, HOST)
    );
    assert!(xdp.group(GROUP).is_some());
}

/// The core decided at `decided` what a refresh a moment later contradicts.
#[test]
fn a_refresh_after_the_decision_keeps_the_entry() {
    let mut xdp = Xdp::new();
    xdp.receive(&record(RecordKind::Allow, GROUP, &[SOURCE]));
    xdp.events();
    let decided = now();
    xdp.receive(&record(RecordKind::IsInclude, GROUP, &[SOURCE]));
    assert_eq!(xdp.events().len(), 0, "a silent refresh");
    let removal = [MapChange::RemoveSource {
        key: source_key(GROUP, SOURCE),
    }];
    let refreshed = xdp.kernel.apply(decided, &removal).expect("the change is made");
    let listed: Vec<_> = refreshed
        .refreshed
        .iter()
        .flat_map(|found| &found.sources)
        .map(|&(source, _)| source)
        .collect();
    assert_eq!(listed, [SOURCE], "the core hears of it at once");
    let found = xdp.kernel.finish_removals(later()).expect("it runs");
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0]
            .sources
            .iter()
            .map(|&(source, _)| source)
            .collect::<Vec<_>>(),
        [SOURCE]
    );
}

#[test]
fn setting_again_cancels_the_removal() {
    let mut xdp = Xdp::new();
    xdp.receive(&record(RecordKind::IsExclude, GROUP, &[]));
    let key = group_key(GROUP);
    apply(
        &mut xdp,
        &[
            MapChange::RemoveGroup { key },
            MapChange::SetGroup { key, refresh: ALL },
        ],
    );
    assert_eq!(xdp.kernel.finish_removals(later()).expect("it runs"), []);
    assert!(xdp.group(GROUP).is_some());
}

/// A group that its report made as it should be needs no command, and none is run that would insert it anew.
#[test]
fn what_a_report_made_is_left_alone() {
    let mut xdp = Xdp::new();
    xdp.receive(&frame(Message::ReportV2(GROUP)));
    let made = xdp.group(GROUP).expect("the group is known");
    let refresh = Refresh {
        v2: true,
        v3: true,
        v1: false,
    };
    let other = Ipv4Addr::new(239, 1, 2, 4);
    let changes = [GROUP, other].map(|group| MapChange::GroupMade {
        key: group_key(group),
        refresh,
    });
    apply(&mut xdp, &changes);
    assert_eq!(xdp.group(GROUP), Some(made));
    assert_eq!(xdp.group(other), None);
}

/// A removal that was under way has taken the flags off that the report had given.
#[test]
fn what_a_report_made_is_written_where_it_was_to_be_removed() {
    let mut xdp = Xdp::new();
    xdp.receive(&frame(Message::ReportV2(GROUP)));
    let key = group_key(GROUP);
    let refresh = Refresh {
        v2: true,
        v3: true,
        v1: false,
    };
    for at_once in [true, false] {
        let (removal, made) = (
            MapChange::RemoveGroup { key },
            MapChange::GroupMade { key, refresh },
        );
        if at_once {
            apply(&mut xdp, &[removal, made]);
        } else {
            apply(&mut xdp, &[removal]);
            apply(&mut xdp, &[made]);
        }
        assert_eq!(xdp.kernel.finish_removals(later()).expect("it runs"), []);
        let flags = xdp.group(GROUP).expect("the group is known").flags;
        assert_eq!(flags, GroupFlags::REFRESH_V2 | GroupFlags::REFRESH_V3);
    }
}

/// Times are read one by one or together, with the same result, and many more than fit into one run.
#[test]
fn times_are_read_together() {
    let mut xdp = Xdp::new();
    let groups: Vec<Ipv4Addr> = (0..500).map(|n| Ipv4Addr::from_bits(0xef02_0000 + n)).collect();
    for &group in &groups {
        xdp.receive(&frame(Message::ReportV2(group)));
    }
    xdp.receive(&record(RecordKind::Allow, GROUP, &[SOURCE]));
    let interface = InterfaceId(SLOT);
    let alone: Vec<_> = groups
        .iter()
        .map(|&group| xdp.kernel.group(interface, group))
        .collect();
    let source = xdp.kernel.source(interface, GROUP, SOURCE);
    let mut keys: Vec<_> = groups.iter().map(|&group| (interface, group, None)).collect();
    keys.push((interface, GROUP, Some(SOURCE)));
    keys.push((interface, Ipv4Addr::new(239, 250, 0, 1), None));
    xdp.kernel.prefetch(&keys);
    let together: Vec<_> = groups
        .iter()
        .map(|&group| xdp.kernel.group(interface, group))
        .collect();
    assert_eq!(alone, together);
    assert!(
        together
            .iter()
            .all(|times| times.last_report[1].is_some() && times.reporter == Some(HOST))
    );
    assert_eq!(xdp.kernel.source(interface, GROUP, SOURCE), source);
    assert!(source.last_report.is_some());
    let unknown = xdp.kernel.group(interface, Ipv4Addr::new(239, 250, 0, 1));
    assert_eq!(unknown, Default::default());
}
