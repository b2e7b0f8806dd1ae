//! What a host wants of a group, and what it has yet to say about it.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use igmp_core::Instant;

/// What a host wants of a group (RFC 9776 §3.2). INCLUDE of nothing is no membership.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) exclude: bool,
    pub(crate) sources: BTreeSet<Ipv4Addr>,
}

impl Filter {
    pub(crate) fn is_member(&self) -> bool {
        self.exclude || !self.sources.is_empty()
    }

    pub(crate) fn wants(&self, source: Ipv4Addr) -> bool {
        self.exclude != self.sources.contains(&source)
    }
}

/// A response to a specific query, or in versions 1 and 2 to any query, that waits for its delay to pass.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) at: Instant,
    /// The sources asked for; empty for the whole group.
    pub(super) sources: BTreeSet<Ipv4Addr>,
    pub(super) answers: Vec<usize>,
}

/// State of one group.
#[derive(Clone, Debug, Default)]
pub(super) struct Membership {
    pub(super) filter: Filter,
    pub(super) response: Option<Response>,
    /// How many more State-Change Reports carry a Filter-Mode-Change record.
    pub(super) mode_left: u8,
    /// How many more State-Change Reports carry these sources.
    pub(super) source_left: BTreeMap<Ipv4Addr, u8>,
    /// Repetitions of the unsolicited report of versions 1 and 2, and when the next is due.
    pub(super) unsolicited: Option<(Instant, u8)>,
}

impl Membership {
    pub(super) fn has_changes(&self) -> bool {
        self.mode_left > 0 || !self.source_left.is_empty()
    }
}
