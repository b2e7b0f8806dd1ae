//! What upstream neighbours are told of (\*,G) and (S,G): the state machines of RFC 7761 §4.5.4 and §4.5.5.

use core::net::Ipv4Addr;

use super::{packing::Outbox, rpf::Hop};
use crate::{
    InterfaceId,
    pim::Target,
    time::{Duration, Instant},
};

/// The shortest t_periodic that is taken seriously.
const SHORTEST: Duration = Duration::from_millis(100);
/// Join Timers end at whole parts of t_periodic, so that what is repeated fits into few messages.
const TICKS: u64 = 60;

/// t_periodic.
pub(super) fn period(configured: Duration) -> Duration {
    configured.max(SHORTEST)
}

/// When a Join Timer that is set to t_periodic ends: at the last tick before.
pub(super) fn next_join(now: Instant, configured: Duration) -> Instant {
    let period = period(configured);
    let tick = (period / TICKS).as_nanos();
    let at = (now + period).as_nanos();
    Instant::from_nanos(at - at % tick)
}

/// The upstream state of a tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Upstream {
    /// NotJoined or Joined.
    state: State,
    /// Since when that is so.
    since: Instant,
    /// RPF' that was used last, `None` where there was none.
    hop: Option<Hop>,
    /// Whether that follows from an assert.
    by_assert: bool,
    /// The RP that was told last.
    rp: Option<Ipv4Addr>,
    /// RPF_interface when it was last looked at.
    interface: Option<InterfaceId>,
    /// The Join Timer. [`Instant::MAX`]: it is not running, since nobody is there to be told.
    pub(super) join_timer: Instant,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    NotJoined,
    Joined,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            state: State::default(),
            since: Instant::ZERO,
            hop: None,
            by_assert: false,
            rp: None,
            interface: None,
            join_timer: Instant::MAX,
        }
    }
}

/// What the state machine looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// JoinDesired.
    pub(super) join_desired: bool,
    /// RPF'.
    pub(super) hop: Option<Hop>,
    /// Whether that follows from an assert.
    pub(super) by_assert: bool,
    /// RP(G).
    pub(super) rp: Option<Ipv4Addr>,
}

/// What it looks at besides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// The group.
    pub(super) group: Ipv4Addr,
    /// The source, `None` for (\*,G).
    pub(super) source: Option<Ipv4Addr>,
    /// The time.
    pub(super) now: Instant,
    /// When a Join Timer ends that is set to t_periodic.
    pub(super) next_join: Instant,
    /// When one ends that is set to t_override.
    pub(super) t_override: Instant,
}

impl Upstream {
    pub(super) fn is_joined(&self) -> bool {
        self.state == State::Joined
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Whom joins are sent to.
    pub(super) fn hop(&self) -> Option<Hop> {
        self.hop
    }

    /// Notes RPF_interface. Answers the one that it has ceased to be.
    pub(super) fn replace_interface(&mut self, interface: Option<InterfaceId>) -> Option<InterfaceId> {
        let before = core::mem::replace(&mut self.interface, interface);
        before.filter(|_| before != interface)
    }

    /// What a join or prune names.
    fn target(&self, source: Option<Ipv4Addr>) -> Option<Target> {
        match source {
            None => Some(Target::AnySource { rp: self.rp? }),
            Some(source) => Some(Target::Source(source)),
        }
    }

    fn send(&self, is_join: bool, at: &Circumstances, outbox: &mut Outbox) {
        if let (Some(hop), Some(target)) = (self.hop, self.target(at.source)) {
            outbox.push(hop, at.group, target, is_join);
        }
    }

    fn set_join_timer(&mut self, at: &Circumstances) {
        self.join_timer = match self.hop {
            Some(_) => at.next_join,
            None => Instant::MAX,
        };
    }

    /// Figures 5 and 6, and what happens within the Joined state as others do something. Answers whether the state is another.
    pub(super) fn step(&mut self, wanted: Wanted, at: &Circumstances, outbox: &mut Outbox) -> bool {
        match (self.state, wanted.join_desired) {
            (State::NotJoined, false) => false,
            // JoinDesired -> True
            (State::NotJoined, true) => {
                self.state = State::Joined;
                self.since = at.now;
                self.note(wanted);
                self.send(true, at, outbox);
                self.set_join_timer(at);
                true
            }
            // JoinDesired -> False
            (State::Joined, false) => {
                self.send(false, at, outbox);
                self.state = State::NotJoined;
                self.hop = None;
                self.join_timer = Instant::MAX;
                true
            }
            (State::Joined, true) => {
                if (self.hop, self.rp) != (wanted.hop, wanted.rp) {
                    self.change_hop(wanted, at, outbox);
                }
                self.by_assert = wanted.by_assert;
                false
            }
        }
    }

    fn note(&mut self, wanted: Wanted) {
        self.hop = wanted.hop;
        self.rp = wanted.rp;
        self.by_assert = wanted.by_assert;
    }

    fn change_hop(&mut self, wanted: Wanted, at: &Circumstances, outbox: &mut Outbox) {
        let old = *self;
        self.note(wanted);
        let interface = |hop: Option<Hop>| hop.map(|hop| hop.interface);
        let is_by_assert = (old.by_assert || wanted.by_assert)
            && interface(old.hop) == interface(wanted.hop)
            && old.rp == wanted.rp;
        if is_by_assert {
            // RPF' changes due to an Assert
            self.join_timer = self.join_timer.min(at.t_override);
            return;
        }
        // RPF' changes not due to an Assert. One neighbour must not be told both, as where only the RP is another.
        if old.hop != wanted.hop {
            old.send(false, at, outbox);
        }
        self.send(true, at, outbox);
        self.set_join_timer(at);
    }

    /// Join Timer Expires
    pub(super) fn join_timer_expires(&mut self, at: &Circumstances, outbox: &mut Outbox) {
        if self.is_joined() {
            self.send(true, at, outbox);
            self.set_join_timer(at);
        }
    }

    /// See Join to RPF': not before `t_joinsuppress`. Nothing moves where no join would be sent.
    pub(super) fn see_join(&mut self, t_joinsuppress: Instant) {
        if self.join_timer != Instant::MAX {
            self.join_timer = self.join_timer.max(t_joinsuppress);
        }
    }

    /// See Prune to RPF', or its Generation ID changes: no later than `t_override`.
    pub(super) fn hurry(&mut self, t_override: Instant) {
        if self.is_joined() && self.hop.is_some() {
            self.join_timer = self.join_timer.min(t_override);
        }
    }

    /// Prunes what is joined, for a clean end.
    pub(super) fn close(&self, at: &Circumstances, outbox: &mut Outbox) {
        if self.is_joined() {
            self.send(false, at, outbox);
        }
    }

    /// Whether joins go to this neighbour.
    pub(super) fn is_joined_to(&self, hop: Hop) -> bool {
        self.is_joined() && self.hop == Some(hop)
    }
}
