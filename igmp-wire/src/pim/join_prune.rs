//! Join/Prune messages (RFC 7761 §4.9.5).

use core::net::Ipv4Addr;

use super::{
    Refusal,
    encoded::{self, ENCODED_GROUP_LEN, ENCODED_UNICAST_LEN, Entry},
    reader::Reader,
};
use crate::{address::is_unicast, pim::HEADER_LEN};

/// Length of a Join/Prune message in front of its group sets, in bytes.
pub const JOIN_PRUNE_HEADER_LEN: usize = HEADER_LEN + ENCODED_UNICAST_LEN + 4;
/// Length of a group set in front of its entries, in bytes.
pub const GROUP_SET_HEADER_LEN: usize = ENCODED_GROUP_LEN + 4;
/// The largest number of group sets in one message.
pub const MAX_GROUP_SETS: usize = u8::MAX as usize;

/// The Holdtime of state that does not expire.
pub const JOIN_PRUNE_HOLDTIME_FOREVER: u16 = 0xffff;

/// A Join/Prune message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinPrune<'a> {
    /// The primary address of the router that the message is meant for. The others on the link read it as well.
    pub upstream_neighbor: Ipv4Addr,
    /// For how long the joins and prunes hold, in seconds. [`JOIN_PRUNE_HOLDTIME_FOREVER`] has no end.
    pub holdtime: u16,
    /// How many group sets and entries there are that RFC 7761 has a receiver ignore: see [`groups`](Self::groups). A
    /// group set that is ignored counts once, whatever is in it.
    pub skipped: u32,
    /// The group sets.
    sets: Reader<'a>,
}

impl<'a> JoinPrune<'a> {
    /// Reads what follows the PIM header.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] where the group sets do not end with the message, the upstream neighbour is not the
    /// address of an IPv4 router, or an address has an encoding whose length nobody knows.
    pub(super) fn parse(mut reader: Reader<'a>) -> Result<Self, Refusal> {
        let upstream_neighbor = encoded::unicast(&mut reader)?
            .filter(|address| is_unicast(*address))
            .ok_or(Refusal::Malformed)?;
        let [_, count, high, low] = reader.take()?;
        let sets = reader;
        let mut skipped = 0;
        for _ in 0..count {
            match group_set(&mut reader)? {
                Some(set) => skipped += set.skipped(),
                None => skipped += 1,
            }
        }
        if !reader.is_empty() {
            return Err(Refusal::Malformed);
        }
        Ok(Self {
            upstream_neighbor,
            holdtime: u16::from_be_bytes([high, low]),
            skipped,
            sets,
        })
    }

    /// The group sets, in the order of the message.
    ///
    /// Left out, as RFC 7761 §4.9.1 and §4.9.5 want it, are sets and entries whose address is of IPv6, whose mask
    /// length is not 32, whose group is not one that routers forward or whose source is not unicast, and entries with
    /// bits that mean none of the three kinds of [`Entry`].
    pub const fn groups(&self) -> GroupSets<'a> {
        GroupSets { rest: self.sets }
    }
}

/// The group sets of a message; see [`JoinPrune::groups`].
#[derive(Clone, Debug)]
pub struct GroupSets<'a> {
    rest: Reader<'a>,
}

impl<'a> Iterator for GroupSets<'a> {
    type Item = GroupSet<'a>;

    /// The next one. Nothing here is malformed: it was all read once, up to the end of the message.
    fn next(&mut self) -> Option<GroupSet<'a>> {
        loop {
            if let Some(set) = group_set(&mut self.rest).ok()? {
                return Some(set);
            }
        }
    }
}

/// What a message says about one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSet<'a> {
    /// The group.
    pub group: Ipv4Addr,
    joins: Reader<'a>,
    prunes: Reader<'a>,
}

impl<'a> GroupSet<'a> {
    /// The Joined Sources.
    pub const fn joins(&self) -> Entries<'a> {
        Entries { rest: self.joins }
    }

    /// The Pruned Sources.
    pub const fn prunes(&self) -> Entries<'a> {
        Entries { rest: self.prunes }
    }

    /// How many entries are left out.
    fn skipped(&self) -> u32 {
        let mut skipped = 0;
        for mut list in [self.joins, self.prunes] {
            while let Ok(entry) = encoded::source(&mut list) {
                skipped += u32::from(entry.is_none());
            }
        }
        skipped
    }
}

/// The entries of one list; see [`GroupSet::joins`] and [`GroupSet::prunes`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    rest: Reader<'a>,
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    /// The next one. Nothing here is malformed: it was all read once, up to the end of the list.
    fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(entry) = encoded::source(&mut self.rest).ok()? {
                return Some(entry);
            }
        }
    }
}

/// Reads a group set with all its entries. `None` where its group is left out.
fn group_set<'a>(reader: &mut Reader<'a>) -> Result<Option<GroupSet<'a>>, Refusal> {
    let group = encoded::group(reader)?;
    let [a, b, c, d] = reader.take()?;
    let joins = entries(reader, u16::from_be_bytes([a, b]))?;
    let prunes = entries(reader, u16::from_be_bytes([c, d]))?;
    Ok(group.map(|group| GroupSet { group, joins, prunes }))
}

/// Reads `count` entries.
fn entries<'a>(reader: &mut Reader<'a>, count: u16) -> Result<Reader<'a>, Refusal> {
    let list = reader.span(|reader| (0..count).try_for_each(|_| encoded::source(reader).map(drop)))?;
    Ok(Reader::new(list))
}
