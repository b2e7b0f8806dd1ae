//! How long things take on a link, as its routers have agreed by the LAN Prune Delay option (RFC 7761 §4.3.3).

use super::super::{LanPruneDelay, PimInterfaceConfig};
use crate::time::Duration;

/// `Propagation_delay_default` (§4.11).
const PROPAGATION_DELAY: Duration = Duration::from_millis(500);
/// `t_override_default` (§4.11).
const OVERRIDE_INTERVAL: Duration = Duration::from_millis(2_500);
/// The largest Propagation_Delay that the option has room for, in milliseconds.
const MAX_PROPAGATION_DELAY: u64 = 0x7fff;

/// What this router tells. It suppresses its joins and does not keep a list of who has joined, so that the T bit is not
/// set.
pub(super) fn own(config: &PimInterfaceConfig) -> LanPruneDelay {
    let millis = |span: Duration, most: u64| {
        let millis = span.as_nanos().div_ceil(1_000_000).min(most);
        u16::try_from(millis).unwrap_or(u16::MAX)
    };
    LanPruneDelay {
        tracking: false,
        propagation_delay: millis(config.propagation_delay, MAX_PROPAGATION_DELAY),
        override_interval: millis(config.override_interval, u64::from(u16::MAX)),
    }
}

/// The values that hold for the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LanDelay {
    /// `Effective_Propagation_Delay(I)`.
    pub(super) propagation_delay: Duration,
    /// `Effective_Override_Interval(I)`.
    pub(super) override_interval: Duration,
    /// `Suppression_Enabled(I)`.
    pub(super) suppression: bool,
}

impl LanDelay {
    /// Those of a link with these neighbours: what each tells, `None` where it does not tell.
    pub(super) fn new(own: LanPruneDelay, neighbors: impl Iterator<Item = Option<LanPruneDelay>>) -> Self {
        let mut effective = LanPruneDelay {
            tracking: true,
            ..own
        };
        for neighbor in neighbors {
            // `lan_delay_enabled(I)` is false.
            let Some(neighbor) = neighbor else {
                return Self {
                    propagation_delay: PROPAGATION_DELAY,
                    override_interval: OVERRIDE_INTERVAL,
                    suppression: true,
                };
            };
            effective.tracking &= neighbor.tracking;
            effective.propagation_delay = effective.propagation_delay.max(neighbor.propagation_delay);
            effective.override_interval = effective.override_interval.max(neighbor.override_interval);
        }
        Self {
            propagation_delay: Duration::from_millis(effective.propagation_delay.into()),
            override_interval: Duration::from_millis(effective.override_interval.into()),
            suppression: !effective.tracking,
        }
    }

    /// `J/P_Override_Interval(I)` (§4.11).
    pub(super) fn join_prune_override_interval(&self) -> Duration {
        self.propagation_delay + self.override_interval
    }
}
