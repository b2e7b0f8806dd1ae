//! Packets whose groups nobody has looked at for a while, so that their entries are in no cache.

use std::net::Ipv4Addr;

use anyhow::Result;

use super::{
    bench::{Bench, Taken},
    cases,
    packets::{group, version_of},
};

/// How many packets of each kind a round has: those with so many records, or for 0 version 2 reports. No group comes twice
/// in ten rounds.
const KINDS: [(u32, u32); 5] = [(0, 5_000), (1, 5_000), (10, 1_000), (50, 400), (180, 150)];

/// A kind of packet, and what it took.
#[derive(Clone, Debug)]
pub(super) struct Cold {
    /// Its name in tables.
    pub(super) name: String,
    /// How many records it has, 0 for a version 2 report.
    pub(super) records: u32,
    /// Nanoseconds.
    pub(super) taken: Taken,
}

/// The kinds, nothing measured yet.
pub(super) fn kinds() -> Vec<Cold> {
    KINDS
        .into_iter()
        .map(|(records, _)| Cold {
            name: match records {
                0 => cases::V2_REFRESH.to_owned(),
                _ => cases::v3_name(records),
            },
            records,
            taken: Taken::default(),
        })
        .collect()
}

/// All known groups in an order without neighbours, those of each version by themselves.
pub(super) struct Deck {
    known: u32,
    /// Where the groups of each version, from 0 on, go on.
    next: [u32; 4],
}

impl Deck {
    /// The groups below this number, of which there are at most 2²⁰.
    pub(super) fn new(known: u32) -> Self {
        Self { known, next: [0; 4] }
    }

    /// The next groups whose hosts speak this version, from the beginning again after the last.
    fn deal(&mut self, count: u32, version: u8) -> Vec<Ipv4Addr> {
        let mut groups = Vec::new();
        let Some(next) = self.next.get_mut(usize::from(version)) else {
            return groups;
        };
        while groups.len() < count as usize {
            *next = next.wrapping_add(1);
            // An odd factor makes a permutation of all numbers below a power of two.
            let number = next.wrapping_mul(0x9_e377) & 0xf_ffff;
            if number < self.known && version_of(group(number)) == version {
                groups.push(group(number));
            }
        }
        groups
    }
}

/// One round: a hand of groups for each kind, which router and floor get in turn.
pub(super) fn round(bench: &mut Bench, deck: &mut Deck, kinds: &mut [Cold]) -> Result<()> {
    for (kind, (records, packets)) in kinds.iter_mut().zip(KINDS) {
        let groups = deck.deal(records.max(1) * packets, if records == 0 { 2 } else { 3 });
        let (work, ground) = match records {
            0 => (cases::v2_refresh(&groups), cases::one_group(&groups)),
            _ => (
                cases::v3_refresh(&groups, records as usize),
                cases::many_groups(&groups, records as usize),
            ),
        };
        let (router, floor) = bench.once(&work, &ground)?;
        kind.taken.router.push(router);
        kind.taken.floor.push(floor);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_group_is_dealt_once() {
        let mut deck = Deck::new(4_000);
        let mut groups: BTreeSet<Ipv4Addr> = deck.deal(3_072, 3).into_iter().collect();
        groups.extend(deck.deal(4_000 - 3_072, 2));
        assert_eq!(groups.len(), 4_000);
        assert_eq!(groups.last(), Some(&group(3_999)));
    }
}
