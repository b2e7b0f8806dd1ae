//! What waits in the queue.

use std::rc::Rc;

use igmp_core::Instant;

use crate::message::{Frame, Node};

/// Something that will happen.
pub(super) enum Happening {
    Deliver {
        to: Node,
        frame: Rc<Frame>,
    },
    /// The agent of a router wakes up.
    Wake {
        router: usize,
        incarnation: u64,
    },
    /// It carries out what was decided.
    Act {
        router: usize,
        incarnation: u64,
    },
    Host(usize),
    /// A host changes its mind.
    Change,
    /// Something breaks.
    Disturb,
    /// Something is repaired.
    Repair(Repair),
    /// A router is looked at.
    Look(usize),
    /// Hosts and disturbances come to rest.
    Calm,
    /// Nothing has happened for long; what follows is watched closely.
    Watch,
    End,
}

#[derive(Clone, Copy)]
pub(super) enum Repair {
    Restart(usize),
    LinkUp(usize),
    Rejoin,
}

pub(super) struct Queued {
    pub(super) at: Instant,
    pub(super) order: u64,
    pub(super) happening: Happening,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
