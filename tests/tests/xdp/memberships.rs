//! Reports: what they insert, refresh, and hand over.

use std::net::Ipv4Addr;

use igmp_wire::{
    abi::{EventKind, GroupFlags, InterfaceConfig, SourceFlags},
    emit::{Message, Record},
    ethernet::Vlan,
    igmp::{Kind, RecordKind},
};

use crate::{
    frames::{frame, frame_from, record},
    harness::{HOST, ROUTER, SLOT, VLAN_SLOT, Verdict, Xdp, default_config},
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const SSM: Ipv4Addr = Ipv4Addr::new(232, 1, 2, 3);
const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// The kinds and source counts of all events in the ring.
fn kinds(xdp: &mut Xdp) -> Vec<(u8, u16)> {
    xdp.events()
        .iter()
        .map(|(event, _)| (event.kind, event.source_count))
        .collect()
}

/// RFC 9776 §7.3.2: a version 1 or 2 report is IS_EX({}). It makes the group known, and the next one only refreshes it.
#[test]
fn reports_of_old_hosts_insert_once_and_refresh_after() {
    for (message, kind, event, version) in [
        (Message::ReportV1(GROUP), Kind::ReportV1, EventKind::ReportV1, 0),
        (Message::ReportV2(GROUP), Kind::ReportV2, EventKind::ReportV2, 1),
    ] {
        let mut xdp = Xdp::new();
        assert_eq!(xdp.receive(&frame(message)), Verdict::Drop);
        let events = xdp.events();
        assert_eq!(events.len(), 1);
        let (first, sources) = &events[0];
        assert_eq!(
            (first.slot, first.group, first.sender, first.kind),
            (SLOT, GROUP.to_bits(), HOST.to_bits(), event as u8)
        );
        assert!(sources.is_empty());
        let inserted = xdp.group(GROUP).expect("the group is known");
        // EXCLUDE({}) with a host of that version: nothing is left for the agent to write.
        let flags = GroupFlags::refresh(version as u8 + 1) | GroupFlags::REFRESH_V3;
        assert_eq!(inserted.flags, flags);
        assert_eq!(u32::from(first.inserted), flags);
        assert_eq!(inserted.reporter, HOST.to_bits());
        assert_eq!(
            inserted.last_report[version], first.time,
            "the event carries the time of the report"
        );
        let counted = xdp.counted();
        assert_eq!(counted.received(kind), (1, 1));
        assert_eq!((counted.0.events, counted.0.refreshed), (1, 0));

        let from = Ipv4Addr::new(10, 1, 1, 77);
        assert_eq!(
            xdp.receive(&frame_from(from, Vlan::Untagged, message)),
            Verdict::Drop
        );
        assert_eq!(kinds(&mut xdp), []);
        let refreshed = xdp.group(GROUP).expect("the group is known");
        assert!(refreshed.last_report[version] > inserted.last_report[version]);
        assert_eq!(refreshed.reporter, from.to_bits());
        assert_eq!(refreshed.flags, inserted.flags);
        let counted = xdp.counted();
        assert_eq!((counted.0.events, counted.0.refreshed), (0, 1));
    }
}

/// A version 2 report for a group of which the agent does not know version 2 hosts switches the compatibility mode
/// (RFC 9776 §7.3.2), so it is not a mere refresh.
#[test]
fn a_report_of_another_version_is_handed_over() {
    let mut xdp = Xdp::new();
    xdp.receive(&record(RecordKind::IsExclude, GROUP, &[]));
    assert_eq!(kinds(&mut xdp), [(EventKind::IsExclude as u8, 0)]);
    xdp.receive(&frame(Message::ReportV2(GROUP)));
    assert_eq!(kinds(&mut xdp), [(EventKind::ReportV2 as u8, 0)]);
    xdp.receive(&frame(Message::ReportV1(GROUP)));
    assert_eq!(kinds(&mut xdp), [(EventKind::ReportV1 as u8, 0)]);
    let times = xdp.group(GROUP).expect("the group is known").last_report;
    assert!(
        times[2] < times[1] && times[1] < times[0],
        "each report set the time of its version"
    );
}

/// In EXCLUDE({}) both IS_EX({}) and TO_EX({}) set the group timer and nothing else (RFC 9776 §6.4.1 and §6.4.2).
#[test]
fn exclude_nothing_refreshes() {
    for first in [RecordKind::IsExclude, RecordKind::ToExclude] {
        for second in [RecordKind::IsExclude, RecordKind::ToExclude] {
            let mut xdp = Xdp::new();
            xdp.receive(&record(first, GROUP, &[]));
            assert_eq!(kinds(&mut xdp), [(first as u8, 0)]);
            xdp.receive(&record(second, GROUP, &[]));
            assert_eq!(kinds(&mut xdp), []);
            assert_eq!(xdp.counted().0.refreshed, 1);
        }
    }
}

/// A list of excluded sources is the agent's business each time.
#[test]
fn exclude_lists_are_handed_over_with_their_sources() {
    for kind in [RecordKind::IsExclude, RecordKind::ToExclude] {
        let mut xdp = Xdp::new();
        for round in 0..2 {
            xdp.receive(&record(kind, GROUP, &[SOURCE, OTHER]));
            let events = xdp.events();
            assert_eq!(events.len(), 1, "round {round}");
            assert_eq!(
                (events[0].0.kind, events[0].0.inserted, &events[0].1[..]),
                (kind as u8, 0, &[SOURCE, OTHER][..])
            );
        }
        let entry = xdp.group(GROUP).expect("the group is known");
        assert_eq!(entry.flags, GroupFlags::PENDING | GroupFlags::EXCLUDE);
        assert_eq!(entry.sources, 0, "excluded sources have no entry");
    }
}

/// IS_IN, ALLOW and TO_IN make each source known (RFC 9776 §6.4). Repeated, the first two only set source timers; TO_IN
/// also says what is not wanted, so it is handed over each time.
#[test]
fn included_sources_insert_once_and_refresh_after() {
    for (kind, again) in [
        (RecordKind::IsInclude, false),
        (RecordKind::Allow, false),
        (RecordKind::ToInclude, true),
    ] {
        let mut xdp = Xdp::new();
        xdp.receive(&record(kind, SSM, &[SOURCE, OTHER]));
        let events = xdp.events();
        assert_eq!(events.len(), 1);
        assert_eq!(
            (events[0].0.kind, &events[0].1[..]),
            (kind as u8, &[SOURCE, OTHER][..])
        );
        let group = xdp.group(SSM).expect("the group is known");
        assert_eq!(
            (group.flags, group.sources, group.last_report),
            (GroupFlags::PENDING, 2, [0; 3])
        );
        let before = xdp.source(SSM, SOURCE).expect("the source is known");
        assert_eq!(before.flags, SourceFlags::PENDING | SourceFlags::REFRESH);
        assert_eq!(
            (before.last_report, before.reporter),
            (events[0].0.time, HOST.to_bits())
        );

        xdp.receive(&record(kind, SSM, &[SOURCE]));
        assert_eq!(xdp.events().len(), usize::from(again), "{kind:?}");
        assert!(xdp.source(SSM, SOURCE).expect("the source is known").last_report > before.last_report);
        assert_eq!(
            xdp.source(SSM, OTHER).expect("the source is known").last_report,
            before.last_report,
            "a source that was not listed is not refreshed"
        );
        assert_eq!(xdp.counted().0.refreshed, u64::from(!again));
    }
}

/// A list with one new source among known ones is a change.
#[test]
fn one_new_source_is_handed_over() {
    let mut xdp = Xdp::new();
    xdp.receive(&record(RecordKind::Allow, SSM, &[SOURCE]));
    xdp.events();
    xdp.receive(&record(RecordKind::Allow, SSM, &[SOURCE, OTHER]));
    let events = xdp.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].1, [SOURCE, OTHER]);
    assert_eq!(xdp.group(SSM).expect("the group is known").sources, 2);
}

/// RFC 9776 §4.2.8 lists unicast addresses; nothing else can be a source.
#[test]
fn impossible_sources_get_no_entry() {
    let mut xdp = Xdp::new();
    let bad = [
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::BROADCAST,
        Ipv4Addr::new(224, 1, 1, 1),
        Ipv4Addr::LOCALHOST,
    ];
    xdp.receive(&record(
        RecordKind::Allow,
        SSM,
        &[bad[0], SOURCE, bad[1], bad[2], bad[3]],
    ));
    for source in bad {
        assert_eq!(xdp.source(SSM, source), None, "{source}");
    }
    assert!(xdp.source(SSM, SOURCE).is_some());
    assert_eq!(xdp.group(SSM).expect("the group is known").sources, 1);
}

/// What says less about a group that nobody is a member of says nothing (INCLUDE({}) in the tables of RFC 9776 §6.4).
#[test]
fn leaves_of_unknown_groups_are_nothing() {
    let mut xdp = Xdp::new();
    for packet in [
        frame(Message::Leave(GROUP)),
        record(RecordKind::ToInclude, GROUP, &[]),
        record(RecordKind::Block, GROUP, &[SOURCE]),
        record(RecordKind::Block, GROUP, &[]),
        record(RecordKind::IsInclude, GROUP, &[]),
        record(RecordKind::Allow, GROUP, &[]),
    ] {
        assert_eq!(xdp.receive(&packet), Verdict::Drop);
        assert_eq!(xdp.group(GROUP), None);
    }
    assert_eq!(kinds(&mut xdp), []);
    let counted = xdp.counted();
    assert!(counted.dropped().is_empty());
    assert_eq!((counted.0.events, counted.0.received[0]), (0, 6));
}

/// What says less about a known group is handed over.
#[test]
fn leaves_of_known_groups_are_handed_over() {
    let mut xdp = Xdp::new();
    xdp.receive(&record(RecordKind::IsExclude, GROUP, &[]));
    xdp.events();
    xdp.receive(&frame(Message::Leave(GROUP)));
    xdp.receive(&record(RecordKind::ToInclude, GROUP, &[]));
    xdp.receive(&record(RecordKind::Block, GROUP, &[SOURCE]));
    let expected = [
        (EventKind::Leave as u8, 0),
        (EventKind::ToInclude as u8, 0),
        (EventKind::Block as u8, 1),
    ];
    assert_eq!(kinds(&mut xdp), expected);
    assert!(xdp.group(GROUP).is_some(), "only the agent deletes");
}

/// RFC 9776 §7.3.1: an interface in version 1 mode ignores leaves.
#[test]
fn a_version_1_interface_ignores_leaves() {
    let mut xdp = Xdp::new();
    xdp.configure(
        0,
        &InterfaceConfig {
            version: 1,
            ..default_config()
        },
    );
    xdp.receive(&frame(Message::ReportV1(GROUP)));
    xdp.events();
    assert_eq!(xdp.receive(&frame(Message::Leave(GROUP))), Verdict::Drop);
    assert_eq!(kinds(&mut xdp), []);
    assert!(xdp.counted().dropped().is_empty());
}

/// All records of a report are applied, also behind one of an unknown type (RFC 9776 §4.2.13).
#[test]
fn every_record_counts() {
    let mut xdp = Xdp::new();
    let mut packet = frame(Message::ReportV3(&[
        Record {
            kind: RecordKind::IsExclude,
            group: GROUP,
            sources: &[],
        },
        Record {
            kind: RecordKind::IsExclude,
            group: Ipv4Addr::new(239, 9, 9, 9),
            sources: &[SOURCE],
        },
        Record {
            kind: RecordKind::IsInclude,
            group: SSM,
            sources: &[SOURCE, OTHER],
        },
    ]));
    // The second record gets a type that does not exist.
    packet[14 + 24 + 8 + 8] = 99;
    crate::frames::fix_igmp_checksum(&mut packet);
    assert_eq!(xdp.receive(&packet), Verdict::Drop);
    assert_eq!(
        kinds(&mut xdp),
        [(EventKind::IsExclude as u8, 0), (EventKind::IsInclude as u8, 2)]
    );
    assert_eq!(xdp.group(Ipv4Addr::new(239, 9, 9, 9)), None);
    assert!(xdp.counted().dropped().is_empty());
}

/// A full Ethernet frame holds 183 records; a second report of the same only refreshes.
#[test]
fn a_full_frame_of_records() {
    let mut xdp = Xdp::new();
    let groups: Vec<Ipv4Addr> = (0..183).map(|n| Ipv4Addr::new(239, 7, 0, n as u8)).collect();
    let records: Vec<Record<'_>> = groups
        .iter()
        .map(|&group| Record {
            kind: RecordKind::IsExclude,
            group,
            sources: &[],
        })
        .collect();
    let packet = frame(Message::ReportV3(&records));
    assert!(packet.len() > 1490 && packet.len() <= 1514);
    assert_eq!(xdp.receive(&packet), Verdict::Drop);
    assert_eq!(xdp.events().len(), 183);
    for group in groups {
        assert!(xdp.group(group).is_some(), "{group}");
    }
    assert_eq!(xdp.receive(&packet), Verdict::Drop);
    let counted = xdp.counted();
    assert_eq!(
        (counted.0.events, counted.0.refreshed, counted.0.received[0]),
        (183, 183, 2)
    );
    assert_eq!(xdp.events().len(), 0);
}

/// A full frame with one record of 364 sources comes over whole.
#[test]
fn a_full_frame_of_sources() {
    let mut xdp = Xdp::new();
    let sources: Vec<Ipv4Addr> = (0..364_u32)
        .map(|n| Ipv4Addr::from_bits(0x0a02_0001 + n))
        .collect();
    let packet = record(RecordKind::Allow, SSM, &sources);
    assert!(packet.len() > 1500 && packet.len() <= 1514);
    assert_eq!(xdp.receive(&packet), Verdict::Drop);
    let events = xdp.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].1, sources);
    assert_eq!(xdp.group(SSM).expect("the group is known").sources, 364);
    assert!(xdp.source(SSM, sources[363]).is_some());
}

/// Every number of sources around the sizes in which room is reserved arrives whole.
#[test]
fn events_of_every_size() {
    for count in [0, 1, 2, 63, 64, 65, 128, 364] {
        let mut xdp = Xdp::new();
        let sources: Vec<Ipv4Addr> = (0..count).map(|n| Ipv4Addr::from_bits(0x0a02_0001 + n)).collect();
        xdp.receive(&record(RecordKind::ToExclude, GROUP, &sources));
        let events = xdp.events();
        assert_eq!(events.len(), 1, "{count} sources");
        assert_eq!(
            (u32::from(events[0].0.source_count), &events[0].1),
            (count, &sources)
        );
    }
}

/// 224.0.0.0/24 never leaves its link (RFC 5771 §4): accepted, but no state and no event.
#[test]
fn link_local_groups_make_no_state() {
    let mut xdp = Xdp::new();
    for last in [2, 5, 22, 251] {
        let group = Ipv4Addr::new(224, 0, 0, last);
        for packet in [
            frame(Message::ReportV1(group)),
            frame(Message::ReportV2(group)),
            frame(Message::Leave(group)),
            record(RecordKind::IsExclude, group, &[]),
            record(RecordKind::Allow, group, &[SOURCE]),
        ] {
            assert_eq!(xdp.receive(&packet), Verdict::Drop);
        }
        assert_eq!(xdp.group(group), None);
    }
    assert_eq!(kinds(&mut xdp), []);
    let counted = xdp.counted();
    assert!(counted.dropped().is_empty());
    assert_eq!(counted.0.received[0], 20);
}

/// A configured VLAN is an interface of its own: its groups and counters are apart.
#[test]
fn tagged_frames_belong_to_their_vlan() {
    let mut xdp = Xdp::new();
    xdp.configure(
        7,
        &InterfaceConfig {
            slot: VLAN_SLOT,
            ..default_config()
        },
    );
    let packet = frame_from(HOST, Vlan::Tagged(7), Message::ReportV2(GROUP));
    assert_eq!(xdp.receive(&packet), Verdict::Drop);
    let events = xdp.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].0.slot, VLAN_SLOT);
    assert_eq!(xdp.group(GROUP), None, "the untagged interface has no member");
    assert_eq!(xdp.counted_in(VLAN_SLOT).received(Kind::ReportV2), (1, 1));
}

/// A tag with VLAN ID 0 carries a priority only (IEEE 802.1Q): the frame belongs to the untagged interface.
#[test]
fn priority_tags_are_no_vlan() {
    let mut xdp = Xdp::new();
    let mut packet = frame_from(HOST, Vlan::Tagged(7), Message::ReportV2(GROUP));
    packet[14..16].copy_from_slice(&[0xa0, 0]);
    assert_eq!(xdp.receive(&packet), Verdict::Drop);
    assert!(xdp.group(GROUP).is_some());
}

/// Padding behind the packet (Ethernet's 60 bytes) is not part of it.
#[test]
fn ethernet_padding_is_ignored() {
    let mut xdp = Xdp::new();
    let mut packet = frame(Message::ReportV2(GROUP));
    packet.resize(60, 0xee);
    assert_eq!(xdp.receive(&packet), Verdict::Drop);
    assert!(xdp.group(GROUP).is_some());
}

/// Frames that are no IGMP pass, whatever they are, and nothing is counted.
#[test]
fn other_frames_pass_untouched() {
    let mut xdp = Xdp::new();
    let mut udp = frame(Message::ReportV2(GROUP));
    udp[14 + 9] = 17;
    crate::frames::fix_ip_checksum(&mut udp);
    let mut arp = udp.clone();
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    let mut ipv6 = udp.clone();
    ipv6[12..14].copy_from_slice(&[0x86, 0xdd]);
    let mut version = frame(Message::ReportV2(GROUP));
    version[14] = 0x56;
    for packet in [udp, arp, ipv6, version, vec![0; 14], vec![0xff; 20]] {
        assert_eq!(xdp.receive(&packet), Verdict::Pass);
    }
    assert_eq!(xdp.counted().0, Default::default());
    assert_eq!(kinds(&mut xdp), []);
}

/// IGMP that is addressed to another host is on its way through this router, and not for it.
#[test]
fn transit_passes() {
    let mut xdp = Xdp::new();
    let mut packet = frame(Message::ReportV2(GROUP));
    packet[14 + 16..14 + 20].copy_from_slice(&[192, 0, 2, 99]);
    packet[14 + 8] = 64;
    crate::frames::fix_ip_checksum(&mut packet);
    assert_eq!(xdp.receive(&packet), Verdict::Pass);
    assert_eq!(xdp.counted().0, Default::default());
    assert_eq!(xdp.group(GROUP), None);

    // The same to the router's own address is a report to it (RFC 9776 §4.2.15).
    packet[14 + 16..14 + 20].copy_from_slice(&ROUTER.octets());
    packet[14 + 8] = 1;
    crate::frames::fix_ip_checksum(&mut packet);
    assert_eq!(xdp.receive(&packet), Verdict::Drop);
    assert!(xdp.group(GROUP).is_some());
}

/// A list with nothing in it that could be a source makes nobody a member of a group that nobody was a member of: no
/// entry that would wait for ever, and no event.
#[test]
fn impossible_sources_alone_make_no_group() {
    let mut xdp = Xdp::new();
    for kind in [RecordKind::IsInclude, RecordKind::Allow, RecordKind::ToInclude] {
        assert_eq!(
            xdp.receive(&record(kind, SSM, &[Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST])),
            Verdict::Drop
        );
        assert_eq!(xdp.group(SSM), None);
    }
    assert_eq!(kinds(&mut xdp), []);
    assert_eq!(xdp.kernel.groups_in_use(SLOT).expect("readable"), 0);
}
