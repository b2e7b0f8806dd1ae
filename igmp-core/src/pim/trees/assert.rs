//! Asserts: metrics (RFC 7761 §4.6.3) and the state tables (§4.6.1, §4.6.2).

use core::net::Ipv4Addr;

use crate::{
    pim::Assert,
    time::{Duration, Instant},
};

/// Assert_Override_Interval (§4.11): how long before the losers forget it the winner repeats its assert.
const OVERRIDE_INTERVAL: Duration = Duration::from_secs(3);
/// How often the same assert is sent at most.
pub(super) const RATE: Duration = Duration::from_secs(1);

/// An assert metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Metric {
    /// rpt_bit_flag
    pub(super) rpt: bool,
    /// metric_preference
    pub(super) preference: u32,
    /// route_metric
    pub(super) metric: u32,
    /// ip_address
    pub(super) address: Ipv4Addr,
}

impl Metric {
    /// `infinite_assert_metric()`
    pub(super) const INFINITE: Self = Self {
        rpt: true,
        preference: 0x7fff_ffff,
        metric: u32::MAX,
        address: Ipv4Addr::UNSPECIFIED,
    };

    /// The metric that another router tells of.
    pub(super) fn of(sender: Ipv4Addr, message: &Assert) -> Self {
        Self {
            rpt: message.rpt,
            preference: message.metric_preference & 0x7fff_ffff,
            metric: message.metric,
            address: sender,
        }
    }

    /// Whether nothing can be worse, whoever says so.
    pub(super) fn is_infinite(&self) -> bool {
        self.rpt && self.preference == Self::INFINITE.preference && self.metric == Self::INFINITE.metric
    }

    /// The first lower value wins, and of equal ones the highest address.
    pub(super) fn is_better_than(&self, other: &Self) -> bool {
        let order = |metric: &Self| (metric.rpt, metric.preference, metric.metric);
        (order(self), other.address) < (order(other), self.address)
    }
}

/// I am Assert Winner, or I am Assert Loser. NoInfo is where there is no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Winner,
    Loser,
}

/// The assert state of a tree on an interface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// W or L.
    pub(super) standing: Standing,
    /// AssertWinner and AssertWinnerMetric.
    pub(super) winner: Metric,
    /// The Assert Timer.
    pub(super) timer: Instant,
    /// When this router last sent an assert.
    pub(super) sent: Option<Instant>,
}

/// The events of Figures 8 and 9 that are neither timers nor follow from what other state machines do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AssertEvent {
    /// Data arrives on I.
    Data,
    /// An assert of another router.
    Receive(Metric),
}

/// What the tables look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// `CouldAssert`
    pub(super) could_assert: bool,
    /// `AssertTrackingDesired`
    pub(super) tracking_desired: bool,
    /// `my_assert_metric`
    pub(super) my_metric: Metric,
}

/// What a table answers: the next state with the actions that lead there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The event is none in this state.
    Stay,
    /// A1, A3: become or remain the winner, and send an assert.
    Win,
    /// A2, A6: the sender is the winner.
    Lose,
    /// A4: forget it, and send an AssertCancel.
    Cancel,
    /// A5: forget it.
    Forget,
}

fn is_acceptable(received: &Metric, facts: &Facts) -> bool {
    !received.is_infinite() && received.is_better_than(&facts.my_metric)
}

fn is_inferior(received: &Metric, facts: &Facts) -> bool {
    !facts.my_metric.is_infinite() && facts.my_metric.is_better_than(received)
}

/// Figure 8: (S,G).
pub(super) fn source_table(held: Option<&Held>, event: AssertEvent, facts: &Facts) -> Verdict {
    use AssertEvent::*;
    match (held.map(|held| (held.standing, held.winner)), event) {
        // NoInfo.
        (None, Receive(received)) if !received.rpt && is_inferior(&received, facts) => Verdict::Win,
        (None, Receive(received)) if received.rpt && facts.could_assert => Verdict::Win,
        (None, Data) if facts.could_assert => Verdict::Win,
        (None, Receive(received))
            if !received.rpt && is_acceptable(&received, facts) && facts.tracking_desired =>
        {
            Verdict::Lose
        }
        (None, _) => Verdict::Stay,

        // I am Assert Winner. §4.2 has an assert sent with the data, too.
        (Some((Standing::Winner, _)), Data) if facts.could_assert => Verdict::Win,
        (Some((Standing::Winner, _)), Receive(received)) if is_inferior(&received, facts) => Verdict::Win,
        (Some((Standing::Winner, _)), Receive(received)) if is_acceptable(&received, facts) => Verdict::Lose,
        (Some((Standing::Winner, _)), _) => Verdict::Stay,

        // I am Assert Loser.
        (Some((Standing::Loser, winner)), Receive(received)) => {
            let is_preferred = received.is_better_than(&winner);
            let is_from_winner = received.address == winner.address;
            if is_preferred || (is_from_winner && !received.rpt && is_acceptable(&received, facts)) {
                Verdict::Lose
            } else if is_from_winner && (received.is_infinite() || is_inferior(&received, facts)) {
                Verdict::Forget
            } else {
                Verdict::Stay
            }
        }
        (Some((Standing::Loser, _)), Data) => Verdict::Stay,
    }
}

/// Figure 9: (\*,G).
pub(super) fn any_source_table(held: Option<&Held>, event: AssertEvent, facts: &Facts) -> Verdict {
    use AssertEvent::*;
    match (held.map(|held| (held.standing, held.winner)), event) {
        // NoInfo.
        (None, Receive(received)) if received.rpt && is_inferior(&received, facts) && facts.could_assert => {
            Verdict::Win
        }
        (None, Data) if facts.could_assert => Verdict::Win,
        (None, Receive(received))
            if received.rpt && is_acceptable(&received, facts) && facts.tracking_desired =>
        {
            Verdict::Lose
        }
        (None, _) => Verdict::Stay,

        // I am Assert Winner: "a (*,G) assert that has a worse, or a better metric".
        (Some((Standing::Winner, _)), Data) if facts.could_assert => Verdict::Win,
        (Some((Standing::Winner, _)), Receive(received)) if received.rpt && is_inferior(&received, facts) => {
            Verdict::Win
        }
        (Some((Standing::Winner, _)), Receive(received))
            if received.rpt && is_acceptable(&received, facts) =>
        {
            Verdict::Lose
        }
        (Some((Standing::Winner, _)), _) => Verdict::Stay,

        // I am Assert Loser.
        (Some((Standing::Loser, winner)), Receive(received)) => {
            let is_preferred = received.is_better_than(&winner);
            let is_from_winner = received.address == winner.address;
            if received.rpt && (is_preferred || (is_from_winner && is_acceptable(&received, facts))) {
                Verdict::Lose
            } else if is_from_winner && (received.is_infinite() || is_inferior(&received, facts)) {
                Verdict::Forget
            } else {
                Verdict::Stay
            }
        }
        (Some((Standing::Loser, _)), Data) => Verdict::Stay,
    }
}

/// What of Figures 8 and 9 follows from other state.
pub(super) fn consequence_table(held: &Held, facts: &Facts, has_rpf_interface_left: bool) -> Verdict {
    match held.standing {
        // CouldAssert -> FALSE
        Standing::Winner if !facts.could_assert => Verdict::Cancel,
        Standing::Winner => Verdict::Stay,
        // AssTrDes -> FALSE
        Standing::Loser if !facts.tracking_desired => Verdict::Forget,
        // my_metric -> better than winner's metric
        Standing::Loser if facts.my_metric.is_better_than(&held.winner) => Verdict::Forget,
        // RPF_interface stops being I
        Standing::Loser if has_rpf_interface_left => Verdict::Forget,
        Standing::Loser => Verdict::Stay,
    }
}

/// For how long the Assert Timer of a winner runs.
pub(super) fn winner_time(assert_time: Duration) -> Duration {
    (assert_time - OVERRIDE_INTERVAL).max(assert_time / 2).max(RATE)
}

/// For how long that of a loser runs.
pub(super) fn loser_time(assert_time: Duration) -> Duration {
    assert_time.max(RATE)
}
