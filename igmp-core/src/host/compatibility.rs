//! Queriers of older versions (RFC 9776 §7.2.1).

use crate::time::Instant;

/// The Older Version Querier Present timers, as the instants when they end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OlderQueriers {
    pub(super) v1: Instant,
    pub(super) v2: Instant,
}

impl OlderQueriers {
    /// A General Query of an older version was heard, and counts until `until`.
    pub(super) fn heard(&mut self, version: u8, until: Instant) {
        match version {
            1 => self.v1 = self.v1.max(until),
            2 => self.v2 = self.v2.max(until),
            _ => {}
        }
    }

    /// Host Compatibility Mode.
    pub(super) fn mode(&self, now: Instant) -> u8 {
        if self.v1 > now {
            1
        } else if self.v2 > now {
            2
        } else {
            3
        }
    }

    /// When this mode ends at the latest. It may have ended since.
    pub(super) fn end_of(&self, mode: u8) -> Option<Instant> {
        match mode {
            1 => Some(self.v1),
            2 => Some(self.v2),
            _ => None,
        }
    }
}
