//! Telling operators that limits refuse groups or sources.
//!
//! The XDP program refuses without an event, since a flood is what limits are for. So its counters are looked at.

use igmp_core::Instant;
use igmp_wire::Refusal;
use tracing::warn;

use super::{Agent, translate};
use crate::api::{MonitorEventKind, MonitorReason};

impl Agent {
    /// Reads the counters of refusals, and tells of new ones at most once in an interval for each interface.
    pub(super) fn look_at_limits(&mut self, now: Instant) {
        let mut events = Vec::new();
        for (name, served) in &mut self.interfaces {
            let (Some(slot), true) = (served.slot, served.core.is_some()) else {
                continue;
            };
            let Ok(counters) = self.kernel.counters(slot) else {
                continue;
            };
            let counted = counters
                .dropped
                .get(Refusal::Limit as usize)
                .copied()
                .unwrap_or(0);
            let more = counted.saturating_sub(served.limit.counted);
            served.limit.counted = counted;
            if let Some(count) = served.limit.throttle.note(now, more) {
                warn!(
                    interface = name,
                    "a limit refused {count} groups or sources: max-groups or max-group-sources of the interface, or \
                     the capacity of the maps (max-groups {}, max-entries {})",
                    self.config.max_groups,
                    self.config.max_entries,
                );
                events.push(translate::about_interface(
                    MonitorEventKind::LimitReached,
                    name,
                    MonitorReason::Limit,
                ));
            }
        }
        for event in events {
            self.publish(event);
        }
    }
}
