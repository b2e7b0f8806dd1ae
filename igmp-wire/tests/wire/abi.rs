//! The layout of what kernel and user space share.

use std::mem::offset_of;

use igmp_wire::{
    Refusal,
    abi::{
        Command, CommandStatus, Event, EventKind, EventSize, FlowDecision, FlowEntry, ForwardingState,
        GroupEntry, GroupKey, INCOMING_ANY, INCOMING_ASK, INCOMING_NONE, INCOMING_RPF, InterfaceConfig,
        InterfaceCounters, InterfaceKey, InterfaceUsage, JUMBO_EVENT_SOURCES, LARGE_EVENT_SOURCES,
        MAX_COMMANDS, MAX_INTERFACES, MAX_PORT_SETS, MEDIUM_EVENT_SOURCES, Port, PortSet, Prefix,
        RefreshEntry, RouteEntry, RouteKey, SourceEntry, SourceKey,
    },
    igmp::{Kind, RecordKind, message::RECEIVED_COUNT},
    packet::MAX_FRAME_LEN,
};

/// Holds each field alone, all of its bits set, against its place in the `repr(C)` layout.
macro_rules! check_layout {
    ($type:ident { $($field:ident: $int:ty),+ $(,)? }) => {{
        let zero = $type { $($field: 0),+ };
        assert_eq!(zero.to_bytes(), [0; $type::LEN]);
        assert_eq!(size_of::<$type>(), $type::LEN);
        let mut covered = 0;
        $(
            let value = $type { $field: <$int>::MAX, ..zero };
            let mut expected = [0; $type::LEN];
            expected[offset_of!($type, $field)..][..size_of::<$int>()].fill(0xff);
            assert_eq!(value.to_bytes(), expected, stringify!($field));
            assert_eq!($type::from_bytes(&expected), Some(value), stringify!($field));

            // Every byte of the field different, to see their order.
            let number = <$int>::from_ne_bytes(std::array::from_fn(|index| index as u8 + 1));
            let value = $type { $field: number, ..zero };
            assert_eq!($type::from_bytes(&value.to_bytes()), Some(value));
            covered += size_of::<$int>();
        )+
        assert_eq!(covered, $type::LEN, "padding without a name");
        for len in 0..$type::LEN {
            assert_eq!($type::from_bytes(&[0; $type::LEN][..len]), None, "{len}");
        }
        assert_eq!($type::from_bytes(&[0; $type::LEN + 4]), Some(zero));
    }};
}

#[test]
fn bytes_are_those_of_the_layout() {
    check_layout!(GroupKey {
        slot: u32,
        group: u32
    });
    check_layout!(SourceKey {
        slot: u32,
        group: u32,
        source: u32
    });
    check_layout!(SourceEntry {
        last_report: u64,
        reporter: u32,
        flags: u32
    });
    check_layout!(Event {
        time: u64,
        slot: u32,
        group: u32,
        sender: u32,
        source_count: u16,
        kind: u8,
        version: u8,
        max_resp_code: u8,
        s_qrv: u8,
        qqic: u8,
        inserted: u8,
        reserved: u32,
    });
    check_layout!(RouteKey {
        group: u32,
        source: u32
    });
    check_layout!(RouteEntry {
        port_set: u32,
        incoming: u32
    });
    check_layout!(FlowEntry {
        packets: u64,
        bytes: u64,
        last_packet: u64,
        since: u64,
        decision: u64,
        told: u64,
        seen: u64
    });
    check_layout!(ForwardingState {
        generation: u32,
        default_port_set: u32,
        signals: u32
    });
}

#[test]
fn commands() {
    let command = Command {
        last_report: [0x0102_0304_0506_0708, u64::MAX, 3],
        operation: 4,
        status: 5,
        slot: 6,
        group: 0xef01_0203,
        source: 7,
        clear: 8,
        set: 9,
        reporter: 10,
    };
    let bytes = command.to_bytes();
    assert_eq!(Command::from_bytes(&bytes), Some(command));
    let word = |offset: usize| u32::from_ne_bytes(*bytes[offset..].first_chunk().expect("4 bytes"));
    let time = |offset: usize| u64::from_ne_bytes(*bytes[offset..].first_chunk().expect("8 bytes"));
    let times = offset_of!(Command, last_report);
    assert_eq!([0, 8, 16].map(|at| time(times + at)), command.last_report);
    for (offset, value) in [
        (offset_of!(Command, operation), 4),
        (offset_of!(Command, status), 5),
        (offset_of!(Command, slot), 6),
        (offset_of!(Command, group), 0xef01_0203),
        (offset_of!(Command, source), 7),
        (offset_of!(Command, clear), 8),
        (offset_of!(Command, set), 9),
        (offset_of!(Command, reporter), 10),
    ] {
        assert_eq!(word(offset), value, "at {offset}");
    }
    for len in 0..Command::LEN {
        assert_eq!(Command::from_bytes(&bytes[..len]), None);
    }
    // All of them with an Ethernet header in front fit into the page of a test run, beside what the kernel keeps there:
    // 256 bytes of headroom and 320 of `struct skb_shared_info`.
    const { assert!(14 + MAX_COMMANDS * Command::LEN + 256 + 320 <= 4096) };
}

#[test]
fn nothing_has_padding_without_a_name() {
    assert_eq!(size_of::<InterfaceKey>(), 4 + 2 + 2);
    assert_eq!(size_of::<Prefix>(), 2 * 4);
    assert_eq!(size_of::<InterfaceConfig>(), 6 * 4 + size_of::<[Prefix; 8]>());
    assert_eq!(size_of::<InterfaceUsage>(), 2 * 4 + 8);
    assert_eq!(size_of::<GroupEntry>(), 3 * 8 + 4 * 4);
    assert_eq!(size_of::<RefreshEntry>(), 4 + 4 + 8);
    assert_eq!(size_of::<Port>(), 8 + 4 + 4 + 2 + 6);
    assert_eq!(size_of::<PortSet>(), 4 * 4 + MAX_INTERFACES as usize / 8);
    assert_eq!(
        size_of::<InterfaceCounters>(),
        (RECEIVED_COUNT + Refusal::COUNT + 5) * 8
    );
}

#[test]
fn counters_add_up() {
    let mut sum = InterfaceCounters::default();
    let mut one = InterfaceCounters {
        refreshed: 1,
        events: 2,
        events_lost: 3,
        forwarded_packets: 4,
        forwarded_bytes: 5,
        ..InterfaceCounters::default()
    };
    one.received = std::array::from_fn(|index| index as u64 + 10);
    one.dropped = std::array::from_fn(|index| index as u64 + 100);
    sum.add(&one);
    assert_eq!(sum, one);
    sum.add(&one);
    assert_eq!(sum.received, one.received.map(|count| 2 * count));
    assert_eq!(sum.dropped, one.dropped.map(|count| 2 * count));
    assert_eq!((sum.refreshed, sum.events, sum.events_lost), (2, 4, 6));
    assert_eq!((sum.forwarded_packets, sum.forwarded_bytes), (8, 10));
}

#[test]
fn every_refusal_has_its_counter_and_its_name() {
    // The names operators see, in the order of the statistics.
    let names = [
        "too-short",
        "checksum",
        "ttl",
        "router-alert",
        "source",
        "group",
        "ssm-range",
        "unknown-type",
        "malformed",
        "limit",
        "rate",
        "fragment",
        "vlan",
        "rpf",
        "no-members",
        "mtu",
    ];
    assert_eq!(Refusal::ALL.map(Refusal::name), names);
    for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
        assert_eq!(refusal as usize, index);
    }
}

#[test]
fn every_kind_of_message_has_its_counter() {
    let kinds = [
        Kind::QueryV1,
        Kind::QueryV2,
        Kind::QueryV3,
        Kind::ReportV1,
        Kind::ReportV2,
        Kind::ReportV3,
        Kind::Leave,
    ];
    // The first counter is the total.
    assert_eq!(kinds.map(|kind| kind as usize), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(RECEIVED_COUNT, kinds.len() + 1);
}

#[test]
fn events_of_records_have_the_codes_of_records() {
    for code in 0..=u8::MAX {
        let event = EventKind::from_code(code);
        assert_eq!(
            event.map(|kind| kind as u8),
            (1..=13).contains(&code).then_some(code)
        );
        if let Some(record) = RecordKind::from_code(code) {
            assert_eq!(format!("{event:?}"), format!("Some({record:?})"));
        }
    }
}

/// The generation in the upper half, port set and slot in 16 bits each.
#[test]
fn a_decision_is_one_word() {
    for (generation, port_set, incoming, word) in [
        (0, 0, 0, 0),
        (1, 2, 3, 0x0000_0001_0002_0003),
        (
            u32::MAX,
            MAX_PORT_SETS - 1,
            MAX_INTERFACES - 1,
            0xffff_ffff_1fff_03ff,
        ),
        (0x8765_4321, 0, INCOMING_ANY, 0x8765_4321_0000_ffff),
        (0, 0xffff, INCOMING_NONE, 0xffff_fffe),
        (0, 1, INCOMING_ASK, 0x1_fffd),
        (0, 1, INCOMING_RPF, 0x1_fffc),
    ] {
        let decision = FlowDecision {
            generation,
            port_set,
            incoming,
        };
        assert_eq!(decision.to_bits(), word, "{decision:?}");
        assert_eq!(FlowDecision::from_bits(word), decision);
    }
}

#[test]
fn every_port_of_a_set_has_a_bit() {
    for slot in 0..MAX_INTERFACES {
        let mut set = PortSet::default();
        set.slots[slot as usize / 64] = 1 << (slot % 64);
        let found: Vec<u32> = (0..2 * MAX_INTERFACES)
            .filter(|&slot| set.contains(slot))
            .collect();
        assert_eq!(found, [slot]);
    }
    // The numbers that stand for no single interface are those of no port.
    let full = PortSet {
        slots: [u64::MAX; MAX_INTERFACES as usize / 64],
        ..PortSet::default()
    };
    for number in [INCOMING_ANY, INCOMING_NONE, INCOMING_ASK, INCOMING_RPF, u32::MAX] {
        assert!(!full.contains(number), "{number:#x}");
    }
}

#[test]
fn command_status_codes() {
    for code in 0..=u32::from(u8::MAX) {
        let expected = if code <= 4 { code } else { 0 };
        assert_eq!(CommandStatus::from_code(code) as u32, expected);
    }
}

#[test]
fn every_list_of_sources_fits_an_event() {
    // Untagged frames with the shortest IP header: a query of 12 bytes, or a report and a record of 8 bytes each.
    let query = (MAX_FRAME_LEN - 14 - 20 - 12) / 4;
    let record = (MAX_FRAME_LEN - 14 - 20 - 8 - 8) / 4;
    assert!(query.max(record) <= JUMBO_EVENT_SOURCES, "{query} {record}");
    assert_eq!(EventSize::of(0), EventSize::Small);
    assert_eq!(EventSize::of(1), EventSize::Medium);
    assert_eq!(EventSize::of(MEDIUM_EVENT_SOURCES as u16), EventSize::Medium);
    assert_eq!(EventSize::of(MEDIUM_EVENT_SOURCES as u16 + 1), EventSize::Large);
    assert_eq!(EventSize::of(LARGE_EVENT_SOURCES as u16), EventSize::Large);
    assert_eq!(EventSize::of(LARGE_EVENT_SOURCES as u16 + 1), EventSize::Jumbo);
}
