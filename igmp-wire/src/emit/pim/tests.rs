//! Messages against vectors whose checksums were computed elsewhere, and frames byte by byte.

use core::net::Ipv4Addr;

use super::{super::Error, *};
use crate::{
    ethernet::Vlan,
    pim::{Assert, Entry, GROUP_SET_HEADER_LEN, JOIN_PRUNE_HEADER_LEN, LanPruneDelay},
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const SSM_GROUP: Ipv4Addr = Ipv4Addr::new(232, 1, 2, 3);
const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const RP: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);
const UPSTREAM: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// Join (192.0.2.1, 232.1.2.3) to 10.0.0.1 for 210 seconds. The prune has the same checksum, which does not depend on
/// the order of words.
const JOIN_SG: [u8; 34] = [
    0x23, 0, 0x1e, 0xe4, 1, 0, 10, 0, 0, 1, 0, 1, 0, 210, 1, 0, 0, 32, 232, 1, 2, 3, 0, 1, 0, 0, 1, 0, 4, 32,
    192, 0, 2, 1,
];

/// Hello with the defaults of RFC 7761 §4.11, DR Priority 1 and Generation ID 0x12345678.
const HELLO: [u8; 34] = [
    0x20, 0, 0x6a, 0xf9, 0, 1, 0, 2, 0, 105, 0, 2, 0, 4, 0x01, 0xf4, 0x09, 0xc4, 0, 19, 0, 4, 0, 0, 0, 1, 0,
    20, 0, 4, 0x12, 0x34, 0x56, 0x78,
];

const HELLO_OPTIONS: Hello<'_> = Hello {
    holdtime: Some(105),
    lan_prune_delay: Some(LanPruneDelay {
        tracking: false,
        propagation_delay: 500,
        override_interval: 2500,
    }),
    dr_priority: Some(1),
    generation_id: Some(0x1234_5678),
    secondary_addresses: &[],
};

const fn set<'a>(group: Ipv4Addr, joins: &'a [Entry], prunes: &'a [Entry]) -> GroupSet<'a> {
    GroupSet { group, joins, prunes }
}

/// The only message that these sets make.
#[track_caller]
fn join_prune<'a>(sets: &'a [GroupSet<'a>]) -> Message<'a> {
    let mut messages = JoinPrune::pack(UPSTREAM, 210, sets, 1480);
    let message = messages.next().expect("there are sets");
    assert_eq!(messages.next(), None);
    Message::JoinPrune(message)
}

/// Writes into a buffer of another pattern, with room behind, so that bytes left out and bytes too many both show.
#[track_caller]
fn check(message: Message<'_>, expected: &[u8]) {
    let mut buffer = [0xa5; 128];
    assert_eq!(message.buffer_len(), expected.len());
    assert_eq!(message.emit(&mut buffer), Ok(expected.len()));
    let (written, rest) = buffer.split_at(expected.len());
    assert_eq!(written, expected);
    assert!(rest.iter().all(|byte| *byte == 0xa5));

    let mut short = [0xa5; 128];
    let short = &mut short[..expected.len() - 1];
    let error = Error::BufferTooSmall {
        needed: expected.len(),
        available: expected.len() - 1,
    };
    assert_eq!(message.emit(short), Err(error));
    assert!(short.iter().all(|byte| *byte == 0xa5));
}

#[test]
fn hellos() {
    check(Message::Hello(HELLO_OPTIONS), &HELLO);
    // Without options there is the header alone: 0x2000 inverted.
    check(Message::Hello(Hello::default()), &[0x20, 0, 0xdf, 0xff]);
    // 0x2000 + 0x0002 + 0x0004 + 0xffff + 0x0bb8 is 0x12bbd, folded 0x2bbe, inverted 0xd441.
    let lan_prune_delay = Some(LanPruneDelay {
        tracking: true,
        propagation_delay: 0xffff,
        override_interval: 3000,
    });
    let hello = Hello {
        lan_prune_delay,
        ..Hello::default()
    };
    check(
        Message::Hello(hello),
        &[0x20, 0, 0xd4, 0x41, 0, 2, 0, 4, 0xff, 0xff, 0x0b, 0xb8],
    );
    // 0x2000 + 0x0018 + 0x000c + 0x0100 + 0x0a00 + 0x0001 + 0x0100 + 0xc000 + 0x0202 is 0xee27, inverted 0x11d8.
    let hello = Hello {
        secondary_addresses: &[UPSTREAM, Ipv4Addr::new(192, 0, 2, 2)],
        ..Hello::default()
    };
    check(
        Message::Hello(hello),
        &[
            0x20, 0, 0x11, 0xd8, 0, 24, 0, 12, 1, 0, 10, 0, 0, 1, 1, 0, 192, 0, 2, 2,
        ],
    );
}

#[test]
fn joins_and_prunes() {
    let sg = [Entry::Sg(SOURCE)];
    check(join_prune(&[set(SSM_GROUP, &sg, &[])]), &JOIN_SG);
    let mut prune_sg = JOIN_SG;
    prune_sg[22..26].copy_from_slice(&[0, 0, 0, 1]);
    check(join_prune(&[set(SSM_GROUP, &[], &sg)]), &prune_sg);
    check(
        join_prune(&[set(GROUP, &[Entry::StarG(RP)], &[])]),
        &[
            0x23, 0, 0xc3, 0xd3, 1, 0, 10, 0, 0, 1, 0, 1, 0, 210, 1, 0, 0, 32, 239, 1, 2, 3, 0, 1, 0, 0, 1,
            0, 7, 32, 10, 9, 9, 9,
        ],
    );
    // The sum of the message before, 0x3c2c, and of the entry, 0x0100 + 0x0520 + 0xc000 + 0x0201 = 0xc821, and one
    // for the number of prunes, is 0x1044e, folded 0x044f, inverted 0xfbb0.
    check(
        join_prune(&[set(GROUP, &[Entry::StarG(RP)], &[Entry::SgRpt(SOURCE)])]),
        &[
            0x23, 0, 0xfb, 0xb0, 1, 0, 10, 0, 0, 1, 0, 1, 0, 210, 1, 0, 0, 32, 239, 1, 2, 3, 0, 1, 0, 1, 1,
            0, 7, 32, 10, 9, 9, 9, 1, 0, 5, 32, 192, 0, 2, 1,
        ],
    );
}

#[test]
fn asserts() {
    let assert = Assert {
        group: SSM_GROUP,
        source: SOURCE,
        rpt: false,
        metric_preference: 110,
        metric: 20,
    };
    let expected = [
        0x25, 0, 0x2c, 0x57, 1, 0, 0, 32, 232, 1, 2, 3, 1, 0, 192, 0, 2, 1, 0, 0, 0, 110, 0, 0, 0, 20,
    ];
    check(Message::Assert(assert), &expected);
    // The RPTbit adds 0x8000 to the sum, so takes it from the checksum: 0x2c57 - 0x8000, less the borrow.
    let rpt = Assert { rpt: true, ..assert };
    let mut expected_rpt = expected;
    expected_rpt[2..4].copy_from_slice(&[0xac, 0x56]);
    expected_rpt[18] = 0x80;
    check(Message::Assert(rpt), &expected_rpt);
    // The preference has 31 bits.
    let over = Assert {
        metric_preference: 110 | 0x8000_0000,
        ..assert
    };
    check(Message::Assert(over), &expected);
}

const fn frame(vlan: Vlan, message: Message<'_>) -> Frame<'_> {
    Frame {
        source_mac: [0x02, 0, 0, 0, 0, 7],
        vlan,
        source: Ipv4Addr::new(192, 0, 2, 1),
        identification: 0,
        message,
    }
}

/// The IPv4 header checksum by hand: 0x45c0 + 0x0036 + 0x4000 + 0x0167 + 0xc000 + 0x0201 + 0xe000 + 0x000d is 0x2296b,
/// folded 0x296d, inverted 0xd692.
const HELLO_HEADER: [u8; 20] = [
    0x45, 0xc0, 0, 54, 0, 0, 0x40, 0, 1, 103, 0xd6, 0x92, 192, 0, 2, 1, 224, 0, 0, 13,
];

#[test]
fn frames_with_and_without_tags() {
    let addresses = [0x01, 0x00, 0x5e, 0, 0, 13, 0x02, 0, 0, 0, 0, 7];
    let tags: [(Vlan, &[u8]); 3] = [
        (Vlan::Untagged, &[0x08, 0x00]),
        (Vlan::Tagged(7), &[0x81, 0x00, 0, 7, 0x08, 0x00]),
        (
            Vlan::Stacked(5, 4094),
            &[0x88, 0xa8, 0, 5, 0x81, 0x00, 0x0f, 0xfe, 0x08, 0x00],
        ),
    ];
    for (vlan, tags) in tags {
        let frame = frame(vlan, Message::Hello(HELLO_OPTIONS));
        let len = addresses.len() + tags.len() + HELLO_HEADER.len() + HELLO.len();
        let mut buffer = [0xa5; 128];
        assert_eq!(frame.buffer_len(), len);
        assert_eq!(frame.emit(&mut buffer), Ok(len));
        let parts = [&addresses[..], tags, &HELLO_HEADER, &HELLO];
        assert!(buffer[..len].iter().eq(parts.into_iter().flatten()), "{vlan:?}");
        assert!(buffer[len..].iter().all(|byte| *byte == 0xa5));

        for available in 0..len {
            let mut short = [0xa5; 128];
            let short = &mut short[..available];
            let error = Error::BufferTooSmall {
                needed: len,
                available,
            };
            assert_eq!(frame.emit(short), Err(error));
            assert!(short.iter().all(|byte| *byte == 0xa5));
        }
    }
}

#[test]
fn more_than_a_packet_holds() {
    // 65,515 bytes behind the IPv4 header, less 4 for the PIM header and 4 for the option's, are 10,917 addresses and
    // 5.
    let addresses = [SOURCE; 10_918];
    let hello = |addresses| {
        Message::Hello(Hello {
            secondary_addresses: addresses,
            ..Hello::default()
        })
    };
    let mut buffer = [0xa5; 65_600];
    let most = frame(Vlan::Untagged, hello(&addresses[1..]));
    assert_eq!(most.emit(&mut buffer), Ok(14 + 20 + 8 + 6 * 10_917));

    let over = frame(Vlan::Untagged, hello(&addresses));
    let len = 8 + 6 * 10_918;
    let mut untouched = [0xa5; 65_600];
    assert_eq!(over.emit(&mut untouched), Err(Error::TooLong { len }));
    assert_eq!(over.message.emit(&mut untouched), Err(Error::TooLong { len }));
    assert!(untouched.iter().all(|byte| *byte == 0xa5));
}

/// The sets of each message, as numbers of joins and prunes.
#[track_caller]
fn packed<const N: usize>(sets: &[GroupSet<'_>], max_len: usize, expected: [&[(Ipv4Addr, usize, usize)]; N]) {
    let mut messages = JoinPrune::pack(UPSTREAM, 210, sets, max_len);
    for expected in expected {
        let message = messages.next().expect("one more message");
        assert!(Message::JoinPrune(message).buffer_len() <= max_len.max(34));
        let sets = message
            .sets()
            .map(|set| (set.group, set.joins.len(), set.prunes.len()));
        assert!(sets.eq(expected.iter().copied()), "{message:?} for {expected:?}");
    }
    assert_eq!(messages.next(), None);
}

#[test]
fn lengths() {
    assert_eq!((JOIN_PRUNE_HEADER_LEN, GROUP_SET_HEADER_LEN), (14, 12));
    assert_eq!(group_set_len(1, 0), 20);
    assert_eq!(group_set_len(2, 3), 52);
}

#[test]
fn sets_that_fit_share_a_message() {
    let entries = [Entry::Sg(SOURCE), Entry::Sg(UPSTREAM)];
    let sets = [
        set(SSM_GROUP, &entries, &[]),
        set(GROUP, &[], &entries[1..]),
        set(SSM_GROUP, &entries[..1], &[]),
    ];
    packed(&[], 1480, []);
    packed(
        &sets,
        82,
        [&[(SSM_GROUP, 2, 0), (GROUP, 0, 1), (SSM_GROUP, 1, 0)]],
    );
    packed(
        &sets,
        81,
        [&[(SSM_GROUP, 2, 0), (GROUP, 0, 1)], &[(SSM_GROUP, 1, 0)]],
    );
    packed(
        &sets,
        61,
        [&[(SSM_GROUP, 2, 0)], &[(GROUP, 0, 1), (SSM_GROUP, 1, 0)]],
    );
    // One entry is in each message, however little room there is said to be.
    let one: [&[_]; 4] = [
        &[(SSM_GROUP, 1, 0)],
        &[(SSM_GROUP, 1, 0)],
        &[(GROUP, 0, 1)],
        &[(SSM_GROUP, 1, 0)],
    ];
    packed(&sets, 41, one);
    packed(&sets, 0, one);
}

#[test]
fn a_message_counts_255_sets() {
    let entries = [Entry::Sg(SOURCE)];
    let sets = [set(GROUP, &entries, &[]); 600];
    let (full, rest) = ([(GROUP, 1, 0); 255], [(GROUP, 1, 0); 90]);
    packed(&sets, usize::MAX, [&full, &full, &rest]);

    // The end of a long set is one of them: 996 entries are 7,994 bytes with both headers, and none other fits.
    let long = [Entry::Sg(SOURCE); 1000];
    let mut sets = sets;
    sets[0] = set(SSM_GROUP, &long, &[]);
    let (mut second, rest) = ([(GROUP, 1, 0); 255], [(GROUP, 1, 0); 90]);
    second[0] = (SSM_GROUP, 4, 0);
    packed(&sets, 8000, [&[(SSM_GROUP, 996, 0)], &second, &full, &rest]);
}

#[test]
fn a_long_set_is_spread() {
    let entries = [Entry::Sg(SOURCE); 5];
    let sets = [
        set(GROUP, &entries, &entries[..3]),
        set(SSM_GROUP, &[], &entries[..1]),
    ];
    // Two entries to a message.
    packed(
        &sets,
        14 + 12 + 2 * 8,
        [
            &[(GROUP, 2, 0)],
            &[(GROUP, 2, 0)],
            &[(GROUP, 1, 1)],
            &[(GROUP, 0, 2)],
            &[(SSM_GROUP, 0, 1)],
        ],
    );
    // What is left of the first set shares its message with the second.
    packed(
        &sets,
        14 + 12 + 6 * 8,
        [&[(GROUP, 5, 1)], &[(GROUP, 0, 2), (SSM_GROUP, 0, 1)]],
    );
}

#[test]
fn prunes_of_the_shared_tree_stay_with_the_join() {
    let at = |last| Ipv4Addr::new(192, 0, 2, last);
    let joins = [Entry::StarG(RP), Entry::Sg(at(1)), Entry::Sg(at(2))];
    let prunes = [
        Entry::SgRpt(at(1)),
        Entry::SgRpt(at(2)),
        Entry::SgRpt(at(3)),
        Entry::Sg(at(7)),
        Entry::Sg(at(8)),
    ];
    let sets = [set(GROUP, &joins, &prunes)];
    let room = |entries| JOIN_PRUNE_HEADER_LEN + group_set_len(entries, 0);
    packed(&sets, room(8), [&[(GROUP, 3, 5)]]);
    packed(&sets, room(7), [&[(GROUP, 3, 4)], &[(GROUP, 0, 1)]]);
    packed(&sets, room(5), [&[(GROUP, 2, 3)], &[(GROUP, 1, 2)]]);
    packed(&sets, room(4), [&[(GROUP, 1, 3)], &[(GROUP, 2, 2)]]);
    // The third is left out, and the prunes that do not belong to the shared tree follow.
    packed(
        &sets,
        room(3),
        [&[(GROUP, 1, 2)], &[(GROUP, 2, 1)], &[(GROUP, 0, 1)]],
    );

    let mut messages = JoinPrune::pack(UPSTREAM, 210, &sets, room(3));
    let [first, second] = [messages.next(), messages.next()].map(|message| message.expect("two messages"));
    let entries = |message: JoinPrune<'_>, expected: &[Entry]| {
        let entries = message.sets().flat_map(|set| set.joins.iter().chain(set.prunes));
        assert!(entries.eq(expected), "{message:?} for {expected:?}");
    };
    entries(first, &[joins[0], prunes[0], prunes[1]]);
    entries(second, &[joins[1], joins[2], prunes[3]]);

    // With nothing else in the set, nothing follows but the next set.
    let sets = [
        set(GROUP, &joins[..1], &prunes[..3]),
        set(SSM_GROUP, &joins[1..2], &[]),
    ];
    packed(&sets, room(2), [&[(GROUP, 1, 1)], &[(SSM_GROUP, 1, 0)]]);
    // Without the join each prune stands for itself.
    let sets = [set(GROUP, &joins[1..], &prunes)];
    packed(
        &sets,
        room(3),
        [&[(GROUP, 2, 1)], &[(GROUP, 0, 3)], &[(GROUP, 0, 1)]],
    );
}
