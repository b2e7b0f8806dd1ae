//! Join/Prune messages (RFC 7761 §4.9.5), and how group sets are packed into them.

use core::net::Ipv4Addr;

use super::{
    super::{Error, writer::Writer},
    MAX_MESSAGE_LEN,
};
use crate::pim::{
    ENCODED_SOURCE_LEN, Entry, GROUP_SET_HEADER_LEN, JOIN_PRUNE_HEADER_LEN, MAX_GROUP_SETS, encoded,
};

/// Length in bytes of a group set with this many joined and pruned sources.
pub const fn group_set_len(joins: usize, prunes: usize) -> usize {
    joins
        .saturating_add(prunes)
        .saturating_mul(ENCODED_SOURCE_LEN)
        .saturating_add(GROUP_SET_HEADER_LEN)
}

/// What a Join/Prune says about one group.
///
/// Where it may be too long for one message, the order of the entries matters: a (\*,G) join comes first among the
/// joins, and the (S,G,rpt) prunes come first among the prunes, by ascending address. See [`JoinPrune::pack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSet<'a> {
    /// The group.
    pub group: Ipv4Addr,
    /// The Joined Sources.
    pub joins: &'a [Entry],
    /// The Pruned Sources.
    pub prunes: &'a [Entry],
}

impl GroupSet<'_> {
    /// Length in bytes, [`group_set_len`].
    pub const fn buffer_len(&self) -> usize {
        group_set_len(self.joins.len(), self.prunes.len())
    }

    /// The set with `entries` entries at most, and what is left for another message. `entries` is 1 or more, and the
    /// set has more.
    fn split(self, entries: usize) -> (Self, Option<Self>) {
        let Self { group, joins, prunes } = self;
        let set = |joins, prunes| Self { group, joins, prunes };
        let is_rpt = |entry: &&Entry| matches!(entry, Entry::SgRpt(_));
        // A (*,G) join and the (S,G,rpt) prunes that go with it stay together. Those that do not fit are left out.
        let (first, with_first) = match joins {
            [Entry::StarG(_), ..] => (1, prunes.iter().take_while(is_rpt).count()),
            _ => (0, 0),
        };
        let room = entries.saturating_sub(first);
        let prunes_first = with_first.min(room);
        let joins_here = joins.len().min(first + room - prunes_first);
        let prunes_here = prunes
            .len()
            .min(prunes_first + entries.saturating_sub(joins_here + prunes_first));
        let (joins, later_joins) = joins.split_at(joins_here);
        let later_prunes = prunes.get(prunes_here.max(with_first)..).unwrap_or_default();
        let later = set(later_joins, later_prunes);
        let is_empty = later_joins.is_empty() && later_prunes.is_empty();
        let here = set(joins, prunes.get(..prunes_here).unwrap_or_default());
        (here, (!is_empty).then_some(later))
    }
}

/// A Join/Prune message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinPrune<'a> {
    upstream_neighbor: Ipv4Addr,
    holdtime: u16,
    /// A part of a set, in front of the others.
    part: Option<GroupSet<'a>>,
    /// Sets as they are, at most [`MAX_GROUP_SETS`] with the part.
    sets: &'a [GroupSet<'a>],
}

impl<'a> JoinPrune<'a> {
    /// The messages that tell `upstream_neighbor` all of `sets`, in this order, each at most `max_len` bytes long. That
    /// is what the MTU leaves behind an IPv4 header of 20 bytes; less than a single entry needs, 34, counts as 34.
    /// `holdtime` is in seconds.
    ///
    /// A set that is too long for one message is spread over several, but for a (\*,G) join and the (S,G,rpt) prunes
    /// with it. They stay in one message, with as many of the prunes as fit, numerically smallest first, and the others
    /// are not sent (RFC 7761 §4.9.5.2).
    pub fn pack(
        upstream_neighbor: Ipv4Addr,
        holdtime: u16,
        sets: &'a [GroupSet<'a>],
        max_len: usize,
    ) -> Pack<'a> {
        let room = max_len
            .min(MAX_MESSAGE_LEN)
            .saturating_sub(JOIN_PRUNE_HEADER_LEN)
            .max(group_set_len(1, 0));
        Pack {
            upstream_neighbor,
            holdtime,
            room,
            part: None,
            sets,
        }
    }

    /// The group sets.
    pub fn sets(&self) -> impl Iterator<Item = &GroupSet<'a>> {
        self.part.iter().chain(self.sets)
    }

    /// Length in bytes, with the PIM header.
    pub(super) fn buffer_len(&self) -> usize {
        self.sets().fold(JOIN_PRUNE_HEADER_LEN, |len, set| {
            len.saturating_add(set.buffer_len())
        })
    }

    /// Writes what follows the PIM header.
    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let count = self.sets.len() + usize::from(self.part.is_some());
        writer.put(encoded::encode_unicast(self.upstream_neighbor))?;
        writer.put([0, count as u8])?;
        writer.put(self.holdtime.to_be_bytes())?;
        for set in self.sets() {
            writer.put(encoded::encode_group(set.group))?;
            writer.put((set.joins.len() as u16).to_be_bytes())?;
            writer.put((set.prunes.len() as u16).to_be_bytes())?;
            for entry in set.joins.iter().chain(set.prunes) {
                writer.put(entry.encode())?;
            }
        }
        Ok(())
    }
}

/// Messages that are packed full, one after the other; see [`JoinPrune::pack`].
#[derive(Clone, Debug)]
pub struct Pack<'a> {
    upstream_neighbor: Ipv4Addr,
    holdtime: u16,
    /// How many bytes of group sets a message holds, enough for one entry at least.
    room: usize,
    /// What is left of a set that did not fit into one message.
    part: Option<GroupSet<'a>>,
    /// The sets behind it.
    sets: &'a [GroupSet<'a>],
}

impl<'a> Iterator for Pack<'a> {
    type Item = JoinPrune<'a>;

    fn next(&mut self) -> Option<JoinPrune<'a>> {
        if self.part.is_none() {
            let (first, rest) = self.sets.split_first()?;
            if first.buffer_len() > self.room {
                (self.part, self.sets) = (Some(*first), rest);
            }
        }
        let mut part = self.part.take();
        if let Some(long) = part.filter(|part| part.buffer_len() > self.room) {
            let entries = (self.room - GROUP_SET_HEADER_LEN) / ENCODED_SOURCE_LEN;
            let (here, later) = long.split(entries);
            (part, self.part) = (Some(here), later);
        }
        // A part that is not the last of its set fills the message, so that no other set comes between them.
        let mut room = self.room.saturating_sub(part.map_or(0, |part| part.buffer_len()));
        let mut count = 0;
        let most = MAX_GROUP_SETS - usize::from(part.is_some());
        for set in self.sets.iter().take(most) {
            let Some(left) = room.checked_sub(set.buffer_len()) else {
                break;
            };
            (room, count) = (left, count + 1);
        }
        let (sets, rest) = self.sets.split_at(count);
        self.sets = rest;
        Some(JoinPrune {
            upstream_neighbor: self.upstream_neighbor,
            holdtime: self.holdtime,
            part,
            sets,
        })
    }
}
