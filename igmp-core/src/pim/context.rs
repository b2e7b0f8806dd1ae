//! What the parts of PIM pass to each other.

use super::{PimAction, PimConfig, key::Key};
use crate::{random::Random, time::Instant, timers::Timers};

/// The surroundings of a call.
pub(super) struct Context<'a, S> {
    /// The time.
    pub(super) now: Instant,
    /// What holds for all interfaces.
    pub(super) config: &'a PimConfig,
    /// Random delays.
    pub(super) random: &'a mut Random,
    /// All deadlines.
    pub(super) timers: &'a mut Timers<Key>,
    /// Unicast routes, and the forwarding plane.
    pub(super) surroundings: &'a mut S,
    /// What the caller is to do.
    pub(super) actions: &'a mut Vec<PimAction>,
}
