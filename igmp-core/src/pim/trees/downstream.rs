//! What downstream neighbours of an interface have asked for: the state tables of RFC 7761 §4.5.1 to §4.5.3.

use crate::time::{Duration, Instant};

/// DownstreamJPState(\*,G,I) and DownstreamJPState(S,G,I).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum JoinState {
    #[default]
    NoInfo,
    Join,
    PrunePending,
}

/// DownstreamJPState(S,G,rpt,I).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum PruneState {
    #[default]
    NoInfo,
    Prune,
    PrunePending,
    /// A Join(\*,G) was read, and a Prune(S,G,rpt) may yet follow in the same message.
    PruneTmp,
    PrunePendingTmp,
}

/// The events of Figures 2 and 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JoinEvent {
    ReceiveJoin,
    ReceivePrune,
    PrunePendingTimerExpires,
    ExpiryTimerExpires,
}

/// The events of Figure 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PruneEvent {
    ReceiveJoinAnySource,
    ReceiveJoinRpt,
    ReceivePruneRpt,
    EndOfMessage,
    PrunePendingTimerExpires,
    ExpiryTimerExpires,
}

/// What is done at a transition, besides timers that end with the state they belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Then {
    #[default]
    Nothing,
    StartExpiryTimer,
    /// To the maximum of its current value and the hold time of the message.
    RestartExpiryTimer,
    StartPrunePendingTimer,
    /// Figure 4 has both in one cell.
    StartBothTimers,
    SendPruneEcho,
}

/// Figures 2 and 3.
pub(super) fn join_table(state: JoinState, event: JoinEvent) -> (JoinState, Then) {
    use JoinEvent::*;
    use JoinState::*;
    match (state, event) {
        (NoInfo, ReceiveJoin) => (Join, Then::StartExpiryTimer),
        (NoInfo, ReceivePrune | PrunePendingTimerExpires | ExpiryTimerExpires) => (NoInfo, Then::Nothing),

        (Join, ReceiveJoin) => (Join, Then::RestartExpiryTimer),
        (Join, ReceivePrune) => (PrunePending, Then::StartPrunePendingTimer),
        (Join, PrunePendingTimerExpires) => (Join, Then::Nothing),
        (Join, ExpiryTimerExpires) => (NoInfo, Then::Nothing),

        (PrunePending, ReceiveJoin) => (Join, Then::RestartExpiryTimer),
        (PrunePending, ReceivePrune) => (PrunePending, Then::Nothing),
        (PrunePending, PrunePendingTimerExpires) => (NoInfo, Then::SendPruneEcho),
        (PrunePending, ExpiryTimerExpires) => (NoInfo, Then::Nothing),
    }
}

/// Figure 4.
pub(super) fn prune_table(state: PruneState, event: PruneEvent) -> (PruneState, Then) {
    use PruneEvent::*;
    use PruneState::*;
    match (state, event) {
        (NoInfo, ReceivePruneRpt) => (PrunePending, Then::StartBothTimers),

        (Prune, ReceiveJoinAnySource) => (PruneTmp, Then::Nothing),
        (Prune, ReceiveJoinRpt) => (NoInfo, Then::Nothing),
        (Prune, ReceivePruneRpt) => (Prune, Then::RestartExpiryTimer),
        (Prune, ExpiryTimerExpires) => (NoInfo, Then::Nothing),

        (PrunePending, ReceiveJoinAnySource) => (PrunePendingTmp, Then::Nothing),
        (PrunePending, ReceiveJoinRpt) => (NoInfo, Then::Nothing),
        (PrunePending, PrunePendingTimerExpires) => (Prune, Then::Nothing),

        (PruneTmp, ReceivePruneRpt) => (Prune, Then::RestartExpiryTimer),
        (PruneTmp, EndOfMessage) => (NoInfo, Then::Nothing),

        (PrunePendingTmp, ReceivePruneRpt) => (PrunePending, Then::RestartExpiryTimer),
        (PrunePendingTmp, EndOfMessage) => (NoInfo, Then::Nothing),

        (state, _) => (state, Then::Nothing),
    }
}

/// What the tables need to know of a message and of the interface it came in on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// The time.
    pub(super) now: Instant,
    /// Until when the message holds.
    pub(super) expires: Instant,
    /// J/P_Override_Interval(I) where there is more than one neighbour. `None`: prunes take effect at once.
    pub(super) override_interval: Option<Duration>,
}

/// A state with its timers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Downstream<T> {
    pub(super) state: T,
    /// The Expiry Timer, in a state that has one.
    expires: Instant,
    /// The Prune-Pending Timer, in a state that has one.
    prune_pending: Instant,
}

impl<T> Downstream<T> {
    /// Sees to it that what never ends does so then.
    pub(super) fn end_by(&mut self, at: Instant) {
        if self.expires == Instant::MAX {
            self.expires = at;
        }
    }

    /// Carries out what concerns timers. Answers whether the Prune-Pending Timer ends at once.
    fn start(&mut self, then: Then, arrival: &Arrival) -> bool {
        match then {
            Then::Nothing | Then::SendPruneEcho => return false,
            Then::StartExpiryTimer => self.expires = arrival.expires,
            Then::RestartExpiryTimer => self.expires = self.expires.max(arrival.expires),
            Then::StartPrunePendingTimer => {}
            Then::StartBothTimers => self.expires = arrival.expires,
        }
        if !matches!(then, Then::StartPrunePendingTimer | Then::StartBothTimers) {
            return false;
        }
        match arrival.override_interval {
            Some(interval) => {
                self.prune_pending = arrival.now + interval;
                false
            }
            None => true,
        }
    }
}

impl Downstream<JoinState> {
    /// Goes through a transition. Answers whether a PruneEcho is to be sent.
    pub(super) fn step(&mut self, event: JoinEvent, arrival: &Arrival) -> bool {
        let (state, then) = join_table(self.state, event);
        self.state = state;
        if self.start(then, arrival) {
            return self.step(JoinEvent::PrunePendingTimerExpires, arrival);
        }
        // None is needed where nobody else could have overridden the prune.
        then == Then::SendPruneEcho && arrival.override_interval.is_some()
    }

    /// The event whose time has come.
    pub(super) fn due(&self, now: Instant) -> Option<JoinEvent> {
        match self.state {
            JoinState::NoInfo => None,
            JoinState::PrunePending if self.prune_pending <= now => Some(JoinEvent::PrunePendingTimerExpires),
            JoinState::Join | JoinState::PrunePending => {
                (self.expires <= now).then_some(JoinEvent::ExpiryTimerExpires)
            }
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        match self.state {
            JoinState::NoInfo => Instant::MAX,
            JoinState::Join => self.expires,
            JoinState::PrunePending => self.expires.min(self.prune_pending),
        }
    }

    pub(super) fn is_joined(&self) -> bool {
        matches!(self.state, JoinState::Join | JoinState::PrunePending)
    }
}

impl Downstream<PruneState> {
    /// Goes through a transition.
    pub(super) fn step(&mut self, event: PruneEvent, arrival: &Arrival) {
        let (state, then) = prune_table(self.state, event);
        self.state = state;
        if self.start(then, arrival) {
            self.step(PruneEvent::PrunePendingTimerExpires, arrival);
        }
    }

    /// The event whose time has come.
    pub(super) fn due(&self, now: Instant) -> Option<PruneEvent> {
        match self.state {
            PruneState::Prune if self.expires <= now => Some(PruneEvent::ExpiryTimerExpires),
            PruneState::PrunePending if self.prune_pending <= now => {
                Some(PruneEvent::PrunePendingTimerExpires)
            }
            _ => None,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        match self.state {
            PruneState::Prune => self.expires,
            PruneState::PrunePending => self.prune_pending,
            PruneState::NoInfo | PruneState::PruneTmp | PruneState::PrunePendingTmp => Instant::MAX,
        }
    }

    pub(super) fn is_pruned(&self) -> bool {
        matches!(self.state, PruneState::Prune | PruneState::PruneTmp)
    }
}
