//! What upstream neighbours are told of (S,G,rpt) without delay: the state machine of RFC 7761 §4.5.7.

use core::net::Ipv4Addr;

use super::{packing::Outbox, rpf::Hop};
use crate::{pim::Target, time::Instant};

/// The states of Figure 7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RptState {
    /// RPTNotJoined(G)
    #[default]
    NotJoined,
    NotPruned,
    Pruned,
}

/// The upstream state of (S,G,rpt).
#[derive(Clone, Copy, Debug)]
pub(super) struct RptUpstream {
    pub(super) state: RptState,
    /// The Override Timer. [`Instant::MAX`]: it is not running.
    pub(super) override_timer: Instant,
    /// Since when it is in this state.
    pub(super) since: Instant,
    /// Whether RPF'(S,G,rpt) was another than RPF'(\*,G).
    is_apart: bool,
}

impl Default for RptUpstream {
    fn default() -> Self {
        Self {
            state: RptState::default(),
            override_timer: Instant::MAX,
            since: Instant::ZERO,
            is_apart: false,
        }
    }
}

/// What the state machine looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct RptWanted {
    /// RPTJoinDesired(G)
    pub(super) rpt_join_desired: bool,
    /// PruneDesired(S,G,rpt)
    pub(super) prune_desired: bool,
    /// RPF'(S,G,rpt)
    pub(super) hop: Option<Hop>,
    /// RPF'(\*,G)
    pub(super) hop_of_any: Option<Hop>,
}

impl RptUpstream {
    /// The state of a source of which there was nothing to say until now.
    pub(super) fn new(is_any_joined: bool, now: Instant) -> Self {
        Self {
            state: if is_any_joined {
                RptState::NotPruned
            } else {
                RptState::NotJoined
            },
            since: now,
            ..Self::default()
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state != RptState::Pruned && self.override_timer == Instant::MAX
    }

    pub(super) fn is_not_pruned(&self) -> bool {
        self.state == RptState::NotPruned
    }

    fn enter(&mut self, state: RptState, now: Instant) {
        self.state = state;
        self.since = now;
        self.override_timer = Instant::MAX;
    }

    /// Figure 7.
    pub(super) fn step(
        &mut self,
        wanted: RptWanted,
        (group, source): (Ipv4Addr, Ipv4Addr),
        now: Instant,
        t_override: Instant,
        outbox: &mut Outbox,
    ) {
        let is_apart = wanted.hop != wanted.hop_of_any;
        let was_apart = core::mem::replace(&mut self.is_apart, is_apart);
        let mut send = |is_join| {
            if let Some(hop) = wanted.hop {
                outbox.push(hop, group, Target::SourceRpt(source), is_join);
            }
        };
        match self.state {
            RptState::NotJoined if !wanted.rpt_join_desired => {}
            // RPTJoinDesired(G) -> False
            RptState::Pruned | RptState::NotPruned if !wanted.rpt_join_desired => {
                self.enter(RptState::NotJoined, now);
            }
            // PruneDesired(S,G,rpt) -> True. The Join(*,G) that is sent now says so.
            RptState::NotJoined if wanted.prune_desired => self.enter(RptState::Pruned, now),
            // inherited_olist(S,G,rpt) -> non-NULL
            RptState::NotJoined => self.enter(RptState::NotPruned, now),
            RptState::Pruned if wanted.prune_desired => {}
            // PruneDesired(S,G,rpt) -> False
            RptState::Pruned => {
                send(true);
                self.enter(RptState::NotPruned, now);
            }
            // PruneDesired(S,G,rpt) -> True
            RptState::NotPruned if wanted.prune_desired => {
                send(false);
                self.enter(RptState::Pruned, now);
            }
            // RPF'(S,G,rpt) -> RPF'(*,G)
            RptState::NotPruned if was_apart && !is_apart => self.hurry(t_override),
            RptState::NotPruned => {}
        }
    }

    /// See Prune(S,G,rpt) or Prune(S,G) to RPF'(S,G,rpt)
    pub(super) fn hurry(&mut self, t_override: Instant) {
        if self.state == RptState::NotPruned {
            self.override_timer = self.override_timer.min(t_override);
        }
    }

    /// See Join(S,G,rpt) to RPF'(S,G,rpt)
    pub(super) fn see_join(&mut self) {
        self.override_timer = Instant::MAX;
    }
}
