//! Places, tags and stamps of the table of refreshes.

use std::{collections::HashMap, net::Ipv4Addr};

use igmp_wire::abi::{MAX_INTERFACES, RefreshEntry};
use proptest::prelude::*;

proptest! {
    /// An entry says whose it is and what was noted, whatever that is.
    #[test]
    fn an_entry_says_what_was_put_into_it(
        low in 0_u32..1 << 28,
        version in 1_u8..=3,
        slot in 0..MAX_INTERFACES,
        time in 0_u64..1 << 60,
    ) {
        let group = Ipv4Addr::from_bits(0xe000_0000 | low);
        let tag = RefreshEntry::tag(group.to_bits(), version);
        for tag in [tag, tag | RefreshEntry::OUT_OF_USE] {
            prop_assert_eq!(RefreshEntry::version(tag), version);
            prop_assert_eq!(RefreshEntry::group(tag), group);
        }
        let stamp = RefreshEntry::stamp(slot, time);
        prop_assert_eq!(RefreshEntry::slot(stamp), slot);
        // Never later than it was, and 64 ns earlier at most.
        prop_assert!((time.saturating_sub(63)..=time).contains(&RefreshEntry::time(stamp)));
    }

    /// What is in use, what is not, and what is free never are the same.
    #[test]
    fn no_two_tags_are_the_same(
        one in (0_u32..1 << 28, 1_u8..=3),
        other in (0_u32..1 << 28, 1_u8..=3),
    ) {
        let tag = |(low, version)| RefreshEntry::tag(0xe000_0000 | low, version);
        prop_assert_eq!(tag(one) == tag(other), one == other);
        prop_assert_ne!(tag(one), 0);
        prop_assert_ne!(tag(one), tag(other) | RefreshEntry::OUT_OF_USE);
    }

    /// Groups that follow one another are neighbours, so that a table as large as their range has a place for each of them.
    #[test]
    fn neighbours_stay_neighbours(bits in 6_u32..=20, slot in 0..MAX_INTERFACES, first in any::<u32>()) {
        let size = 1_u32 << bits;
        // A range that begins where ranges as long as the table do.
        let first = first & !(size - 1);
        let place = |number: u32| RefreshEntry::place(slot, first + number, bits);
        for number in [0, 1, size / 2, size - 2] {
            prop_assert!(place(number) < size);
            prop_assert_eq!(place(number + 1), (place(number) + 1) % size);
        }
    }
}

/// The same hundred groups on each of many interfaces, and many ranges on one, mostly have places of their own in a table with
/// room for twice as many.
#[test]
fn interfaces_and_ranges_are_spread() {
    let bits = 16;
    let mut interfaces = HashMap::new();
    for slot in 0..300 {
        for group in 0..100 {
            let place = RefreshEntry::place(slot, 0xef01_0100 + group, bits);
            interfaces.entry(place).or_insert((slot, group));
        }
    }
    assert!(interfaces.len() > 27_000, "{} of 30,000", interfaces.len());
    let mut ranges = HashMap::new();
    for range in 0..300 {
        for group in 0..100 {
            let place = RefreshEntry::place(1, 0xe000_0000 + (range << 16) + group, bits);
            ranges.entry(place).or_insert((range, group));
        }
    }
    assert!(ranges.len() > 27_000, "{} of 30,000", ranges.len());
}

/// One place for each group, within what there can be.
#[test]
fn the_size_follows_the_number_of_groups() {
    let expected = [
        (0, 6),
        (1, 6),
        (64, 6),
        (65, 7),
        (65_536, 16),
        (65_537, 17),
        (1_000_000, 20),
        (1 << 28, 28),
        (u32::MAX, 28),
    ];
    for (groups, bits) in expected {
        assert_eq!(RefreshEntry::bits_for(groups), bits, "{groups}");
    }
}
