//! How many entries other routers and packets may make, and what operators are told of refusals.

use core::net::Ipv4Addr;

use crate::{
    InterfaceId,
    pim::{PimAction, PimWarning, Surroundings, context::Context},
    time::{Duration, Instant},
};

/// How often the same is said at most.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// What there is because of other routers and of packets.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// How many trees: (\*,G), and (S,G) together with its (S,G,rpt).
    pub(super) entries: usize,
    too_many: Option<Instant>,
    rp_mismatch: Option<Instant>,
}

fn is_time(last: &mut Option<Instant>, now: Instant) -> bool {
    let is_time = last.is_none_or(|last| now.since(last) >= WARNING_INTERVAL);
    if is_time {
        *last = Some(now);
    }
    is_time
}

impl Limits {
    /// Says that an entry was refused.
    pub(super) fn warn_too_many<S: Surroundings>(
        &mut self,
        interface: InterfaceId,
        group: Ipv4Addr,
        limit: usize,
        cx: &mut Context<'_, S>,
    ) {
        if is_time(&mut self.too_many, cx.now) {
            cx.actions.push(PimAction::Warn(PimWarning::TooManyEntries {
                interface,
                group,
                limit,
            }));
        }
    }

    /// Says that another router takes another address for the RP.
    pub(super) fn warn_rp_mismatch<S: Surroundings>(&mut self, warning: PimWarning, cx: &mut Context<'_, S>) {
        if is_time(&mut self.rp_mismatch, cx.now) {
            cx.actions.push(PimAction::Warn(warning));
        }
    }
}
