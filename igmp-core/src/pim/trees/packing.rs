//! Joins and prunes in as few messages as they fit in (RFC 7761 §4.9.5).

use core::net::Ipv4Addr;

use super::rpf::Hop;
use crate::{
    parameters::{MAX_PACKET, MIN_MTU},
    pim::{JoinPruneGroup, Target},
};

/// What stands before the groups, in bytes: an IPv4 header, PIM's own, the upstream neighbour, the number of groups and the
/// hold time.
const OVERHEAD: u32 = 20 + 4 + 6 + 4;
/// What stands before the sources of a group: its address, and how many joins and prunes follow.
const GROUP_LEN: usize = 8 + 4;
/// Length of a join or prune.
const TARGET_LEN: usize = 8;
/// The number of groups is eight bits wide.
const MAX_GROUPS: usize = 255;
const _: () = assert!(
    MIN_MTU as usize >= OVERHEAD as usize + GROUP_LEN + TARGET_LEN,
    "any packet has room for a group with a source"
);

/// How many bytes of groups fit into a packet.
pub(super) fn room(mtu: u32) -> usize {
    (mtu.clamp(MIN_MTU, MAX_PACKET) - OVERHEAD) as usize
}

/// Something to tell a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The neighbour. In a PruneEcho, this router's own address.
    pub(super) hop: Hop,
    /// The group.
    pub(super) group: Ipv4Addr,
    /// What is joined or pruned.
    pub(super) target: Target,
    /// Which of both.
    pub(super) is_join: bool,
}

impl Told {
    /// What another word about takes back this one.
    fn subject(&self) -> (Hop, Ipv4Addr, u8, Ipv4Addr) {
        let (kind, source) = match self.target {
            Target::AnySource { .. } => (0, Ipv4Addr::UNSPECIFIED),
            Target::SourceRpt(source) => (1, source),
            Target::Source(source) => (2, source),
        };
        (self.hop, self.group, kind, source)
    }
}

/// What neighbours are to be told.
#[derive(Debug, Default)]
pub(super) struct Outbox(Vec<Told>);

impl Outbox {
    pub(super) fn push(&mut self, hop: Hop, group: Ipv4Addr, target: Target, is_join: bool) {
        self.0.push(Told {
            hop,
            group,
            target,
            is_join,
        });
    }

    /// Hands over all of it, by neighbours and groups. Of what was said twice of the same only the last word counts.
    pub(super) fn take(&mut self) -> Vec<Told> {
        let mut told = core::mem::take(&mut self.0);
        told.sort_by_key(Told::subject);
        told.reverse();
        told.dedup_by_key(|told| told.subject());
        told.reverse();
        told
    }
}

/// Packs groups into messages.
#[derive(Debug)]
pub(super) struct Packing {
    room: usize,
    /// What is left of the message that is begun.
    left: usize,
    messages: Vec<Vec<JoinPruneGroup>>,
}

impl Packing {
    /// Messages with so much room for groups each, in bytes.
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            left: 0,
            messages: Vec::new(),
        }
    }

    /// Adds what is said of a group. `shared` is what must stay together: a Join(\*,G) with its Prune(S,G,rpt), of which those
    /// at the end are left out if they do not fit into a message (§4.9.5.2).
    pub(super) fn push(&mut self, group: Ipv4Addr, shared: &[(Target, bool)], single: &[(Target, bool)]) {
        let most = (self.room - GROUP_LEN) / TARGET_LEN;
        let shared = shared.get(..most).unwrap_or(shared);
        let mut is_begun = false;
        if !shared.is_empty() {
            self.begin(group, shared.len());
            is_begun = true;
            for &said in shared {
                self.add(said);
            }
        }
        for &said in single {
            if !is_begun || self.left < TARGET_LEN {
                self.begin(group, 1);
                is_begun = true;
            }
            self.add(said);
        }
    }

    /// Begins a group with room for so many joins and prunes.
    fn begin(&mut self, group: Ipv4Addr, len: usize) {
        let set = JoinPruneGroup {
            group,
            joins: Vec::new(),
            prunes: Vec::new(),
        };
        match self.messages.last_mut() {
            Some(message) if GROUP_LEN + len * TARGET_LEN <= self.left && message.len() < MAX_GROUPS => {
                message.push(set);
            }
            _ => {
                self.messages.push(vec![set]);
                self.left = self.room;
            }
        }
        self.left = self.left.saturating_sub(GROUP_LEN);
    }

    fn add(&mut self, (target, is_join): (Target, bool)) {
        if let Some(set) = self.messages.last_mut().and_then(|message| message.last_mut()) {
            if is_join { &mut set.joins } else { &mut set.prunes }.push(target);
            self.left = self.left.saturating_sub(TARGET_LEN);
        }
    }

    /// The messages.
    pub(super) fn finish(self) -> Vec<Vec<JoinPruneGroup>> {
        self.messages
    }
}
