//! Join/Prune messages and Asserts.

use std::net::Ipv4Addr;

use igmp_wire::pim::{Assert, Entry, Refusal};

use super::build::{UPSTREAM, assert, join_prune, refusal};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Encoded-Group address of 239.1.2.3.
const ENCODED_GROUP: [u8; 8] = [1, 0, 0, 32, 239, 1, 2, 3];

/// Encoded-Source address of 192.0.2.1.
const fn source(bits: u8, mask_len: u8) -> [u8; 8] {
    [1, 0, bits, mask_len, 192, 0, 2, 1]
}

/// The content of a message with a holdtime of 210 seconds and these sets.
fn content(sets: &[Vec<u8>]) -> Vec<u8> {
    let mut content = UPSTREAM.to_vec();
    content.extend([0, sets.len() as u8, 0, 210]);
    content.extend(sets.concat());
    content
}

/// A group set.
fn set(group: &[u8], joins: &[&[u8]], prunes: &[&[u8]]) -> Vec<u8> {
    let mut set = group.to_vec();
    set.extend((joins.len() as u16).to_be_bytes());
    set.extend((prunes.len() as u16).to_be_bytes());
    set.extend(joins.concat());
    set.extend(prunes.concat());
    set
}

/// What there is to a message: (group, joins, prunes), and how much is skipped.
type Sets = (Vec<(Ipv4Addr, Vec<Entry>, Vec<Entry>)>, u32);

#[track_caller]
fn sets(content: &[u8]) -> Sets {
    join_prune(content, |message| {
        let sets = message
            .groups()
            .map(|set| (set.group, set.joins().collect(), set.prunes().collect()));
        (sets.collect(), message.skipped)
    })
}

/// What becomes of one entry, joined and pruned alike.
#[track_caller]
fn entry(encoded: &[u8]) -> Option<Entry> {
    let (sets, skipped) = sets(&content(&[set(&ENCODED_GROUP, &[encoded], &[encoded])]));
    let [(GROUP, joins, prunes)] = &sets[..] else {
        panic!("{sets:?}");
    };
    assert_eq!(joins, prunes);
    assert_eq!(skipped, if joins.is_empty() { 2 } else { 0 });
    joins.first().copied()
}

#[test]
fn header() {
    join_prune(&[1, 0, 10, 0, 0, 1, 0xff, 0, 0xff, 0xfe], |message| {
        assert_eq!(message.upstream_neighbor, Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!((message.holdtime, message.skipped), (0xfffe, 0));
        assert_eq!(message.groups().count(), 0);
    });
}

#[test]
fn kinds_of_entries() {
    for bits in 0..=0xff {
        let expected = match bits & 7 {
            0b100 => Some(Entry::Sg(SOURCE)),
            0b101 => Some(Entry::SgRpt(SOURCE)),
            0b111 => Some(Entry::StarG(SOURCE)),
            _ => None,
        };
        assert_eq!(entry(&source(bits, 32)), expected, "{bits:#x}");
    }
}

#[test]
fn entries_that_are_ignored() {
    for mask_len in (0..=255).filter(|len| *len != 32) {
        assert_eq!(entry(&source(4, mask_len)), None, "/{mask_len}");
    }
    for address in [[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 5], [255, 255, 255, 255]] {
        let [a, b, c, d] = address;
        assert_eq!(entry(&[1, 0, 4, 32, a, b, c, d]), None, "{address:?}");
        assert_eq!(entry(&[1, 0, 7, 32, a, b, c, d]), None, "{address:?}");
    }
    let ipv6 = [&[2, 0, 4, 128][..], &[0x20; 16]].concat();
    assert_eq!(entry(&ipv6), None);
}

#[test]
fn groups_that_are_ignored() {
    let right = set(&ENCODED_GROUP, &[&source(4, 32)], &[]);
    let expected = (vec![(GROUP, vec![Entry::Sg(SOURCE)], vec![])], 1);
    let ipv6 = [&[2, 0, 0, 128][..], &[0xff; 16]].concat();
    for group in [
        &[1, 0, 0, 31, 239, 1, 2, 3][..],
        &[1, 0, 0, 0, 239, 1, 2, 3],
        &[1, 0, 0, 33, 239, 1, 2, 3],
        &[1, 0, 0, 32, 10, 1, 2, 3],
        &[1, 0, 0, 32, 0, 0, 0, 0],
        &[1, 0, 0, 32, 240, 0, 0, 1],
        // Link-local: no router forwards it.
        &[1, 0, 0, 32, 224, 0, 0, 251],
        &ipv6,
    ] {
        // Whatever is in the set, it counts once.
        let wrong = set(group, &[&source(4, 32), &source(0, 0)], &[&source(5, 32)]);
        let found = sets(&content(&[wrong.clone(), right.clone()]));
        assert_eq!(found, expected, "{group:?}");
        assert_eq!(sets(&content(&[right.clone(), wrong])), expected, "{group:?}");
    }
}

#[test]
fn bits_of_the_group_are_ignored() {
    for bits in [0x80, 0x01, 0x7e, 0xff] {
        let group = [1, 0, bits, 32, 239, 1, 2, 3];
        let expected = (vec![(GROUP, vec![], vec![])], 0);
        assert_eq!(sets(&content(&[set(&group, &[], &[])])), expected);
    }
}

#[test]
fn many_sets_and_entries() {
    let group = |index: u8| [1, 0, 0, 32, 239, 7, 0, index];
    let message = (0..255).map(|index| set(&group(index), &[&source(4, 32)], &[&source(5, 32)[..]; 7]));
    let (found, skipped) = sets(&content(&message.collect::<Vec<_>>()));
    assert_eq!((found.len(), skipped), (255, 0));
    for (index, (group, joins, prunes)) in found.iter().enumerate() {
        assert_eq!(*group, Ipv4Addr::new(239, 7, 0, index as u8));
        assert_eq!(
            (&joins[..], &prunes[..]),
            (&[Entry::Sg(SOURCE)][..], &[Entry::SgRpt(SOURCE); 7][..])
        );
    }

    // As many entries as a packet holds: 65,535 bytes less 20, 14 and 12 are 8,186 and 1.
    let join = source(4, 32);
    let mut joins = vec![&join[..]; 8186];
    joins[4000] = &[1, 0, 4, 24, 192, 0, 2, 1];
    let (found, skipped) = sets(&content(&[set(&ENCODED_GROUP, &joins, &[])]));
    assert_eq!((found[0].1.len(), skipped), (8185, 1));
}

#[test]
fn counts_that_do_not_match_the_length() {
    let right = content(&[
        set(&ENCODED_GROUP, &[&source(4, 32)], &[&source(5, 32)]),
        set(&ENCODED_GROUP, &[], &[&source(4, 32)]),
    ]);
    assert_eq!(sets(&right).0.len(), 2);
    for len in 0..right.len() {
        assert_eq!(refusal(3, &right[..len]), Refusal::Malformed, "{len}");
    }
    assert_eq!(refusal(3, &[&right[..], &[0]].concat()), Refusal::Malformed);
    assert_eq!(
        refusal(3, &[&right[..], &source(4, 32)].concat()),
        Refusal::Malformed
    );
    // The number of sets, of joins and of prunes, each too small and too large.
    for (at, values) in [
        (7, [1, 3]),
        (19, [0, 2]),
        (21, [0, 2]),
        (18, [1, 0x80]),
        (20, [1, 0xff]),
    ] {
        for value in values {
            let mut wrong = right.clone();
            wrong[at] = value;
            assert_eq!(refusal(3, &wrong), Refusal::Malformed, "{at} {value}");
        }
    }
}

#[test]
fn addresses_of_unknown_length() {
    let right = content(&[set(&ENCODED_GROUP, &[&source(4, 32)], &[])]);
    for at in [0, 10, 22] {
        for (family, encoding) in [(0, 0), (3, 0), (255, 0), (1, 1), (2, 1), (1, 255)] {
            let mut wrong = right.clone();
            wrong[at..at + 2].copy_from_slice(&[family, encoding]);
            assert_eq!(refusal(3, &wrong), Refusal::Malformed, "{at} {family} {encoding}");
        }
    }
}

#[test]
fn upstream_neighbours_that_are_none() {
    for address in [
        [0, 0, 0, 0],
        [224, 0, 0, 13],
        [255, 255, 255, 255],
        [127, 0, 0, 1],
    ] {
        let message = [&[1, 0][..], &address, &[0, 0, 0, 210]].concat();
        assert_eq!(refusal(3, &message), Refusal::Malformed, "{address:?}");
    }
    let ipv6 = [&[2, 0][..], &[0x20; 16], &[0, 0, 0, 210]].concat();
    assert_eq!(refusal(3, &ipv6), Refusal::Malformed);
}

/// An Assert: preference 110 with this RPTbit, metric 20.
fn assertion(group: [u8; 8], source: [u8; 6], rpt_bit: u8) -> Vec<u8> {
    [&group[..], &source, &[rpt_bit, 0, 0, 110, 0, 0, 0, 20]].concat()
}

#[test]
fn asserts() {
    let expected = |source, rpt| Assert {
        group: GROUP,
        source,
        rpt,
        metric_preference: 110,
        metric: 20,
    };
    let encoded = [1, 0, 192, 0, 2, 1];
    let found = assert(&assertion(ENCODED_GROUP, encoded, 0));
    assert_eq!(found, expected(SOURCE, false));
    let found = assert(&assertion(ENCODED_GROUP, encoded, 0x80));
    assert_eq!(found, expected(SOURCE, true));
    let found = assert(&assertion(ENCODED_GROUP, [1, 0, 0, 0, 0, 0], 0x80));
    assert_eq!(found, expected(Ipv4Addr::UNSPECIFIED, true));

    let cancel = [&ENCODED_GROUP[..], &encoded, &[0xff; 8]].concat();
    let expected = Assert {
        metric_preference: igmp_wire::pim::INFINITE_METRIC_PREFERENCE,
        metric: igmp_wire::pim::INFINITE_METRIC,
        ..expected(SOURCE, true)
    };
    assert_eq!(
        (expected.metric_preference, expected.metric),
        (0x7fff_ffff, 0xffff_ffff)
    );
    assert_eq!(assert(&cancel), expected);
}

#[test]
fn asserts_that_are_malformed() {
    let encoded = [1, 0, 192, 0, 2, 1];
    let right = assertion(ENCODED_GROUP, encoded, 0);
    for len in 0..right.len() {
        assert_eq!(refusal(5, &right[..len]), Refusal::Malformed, "{len}");
    }
    let wrong = [
        [&right[..], &[0]].concat(),
        // An Assert(S,G) needs a source.
        assertion(ENCODED_GROUP, [1, 0, 0, 0, 0, 0], 0),
        assertion(ENCODED_GROUP, [1, 0, 224, 1, 2, 3], 0x80),
        assertion(ENCODED_GROUP, [3, 0, 192, 0, 2, 1], 0),
        assertion([1, 0, 0, 31, 239, 1, 2, 3], encoded, 0),
        assertion([1, 0, 0, 32, 10, 1, 2, 3], encoded, 0),
        assertion([1, 1, 0, 32, 239, 1, 2, 3], encoded, 0),
        [&[2, 0, 0, 128][..], &[0xff; 16], &encoded, &[0; 8]].concat(),
        [&ENCODED_GROUP[..], &[2, 0], &[0x20; 16], &[0; 8]].concat(),
    ];
    for wrong in wrong {
        assert_eq!(refusal(5, &wrong), Refusal::Malformed, "{wrong:?}");
    }
}
