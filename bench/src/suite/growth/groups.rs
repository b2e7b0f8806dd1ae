//! Which groups there are, and which come and go among them.

use std::net::Ipv4Addr;

/// The first group.
const FIRST: u32 = 0xe100_0000;
/// Addresses from one group that stays to the next.
const SPACING: u32 = 16;
/// The most events for each group that stays.
pub(super) const MOST_EVENTS: u32 = 8;

/// The group that stays with this number.
pub(super) fn staying(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST + SPACING * number)
}

/// As many groups as there are events, all over among those that stay.
pub(super) fn passing(staying: u32, events: u32) -> Vec<Ipv4Addr> {
    (0..events)
        .map(|event| {
            let before = u64::from(event) * u64::from(staying) / u64::from(events);
            Ipv4Addr::from_bits(FIRST + SPACING * before as u32 + 1 + event % MOST_EVENTS)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_group_is_two() {
        for (stay, events) in [(100, 100), (1_000, 2_000), (1_000_000, 2_000)] {
            let mut all: BTreeSet<Ipv4Addr> = passing(stay, events).into_iter().collect();
            assert_eq!(all.len(), events as usize);
            all.extend((0..stay).map(staying));
            assert_eq!(all.len(), (stay + events) as usize);
            assert!(all.iter().all(|group| group.octets()[0] == 225));
        }
    }
}
