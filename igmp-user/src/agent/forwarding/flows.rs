//! Sources that have gone silent.
//!
//! The programs in the kernel make an entry for each source that sends to a group, and the agent takes it away when
//! nothing came for long. The map may be large, so it is read by a thread of its own.

use std::net::Ipv4Addr;

use igmp_core::{Duration, Instant};
use igmp_wire::abi::{FlowEntry, RouteKey};
use tracing::warn;

use super::{Engine, table::Traffic};
use crate::agent::{Agent, throttle::Throttle};

/// After this time without packets a source is forgotten (Keepalive_Period, RFC 7761 §4.11).
const IDLE: Duration = Duration::from_secs(210);
/// The same where there is no room for more.
const IDLE_WHEN_FULL: Duration = Duration::from_secs(10);
/// How often silent sources are looked for.
const INTERVAL: Duration = Duration::from_secs(30);

/// When to look, and what was seen.
#[derive(Debug, Default)]
pub(super) struct Watch {
    next: Option<Instant>,
    refused: u64,
    throttle: Throttle,
}

impl Agent {
    /// Forgets sources that have been silent for long, where it is time to look.
    pub(super) fn forget_silent_sources(&mut self, now: Instant) {
        if !matches!(self.forwarding.engine, Engine::Xdp(_)) {
            return;
        }
        let refused = self.kernel.flows_refused().unwrap_or(0);
        let watch = &mut self.forwarding.flows;
        let full = refused > watch.refused;
        if let Some(count) = watch.throttle.note(now, refused.saturating_sub(watch.refused)) {
            warn!(
                count,
                "no room for further sources of multicast data (max-entries {}); their packets are forwarded, but not \
                 counted for their routes",
                self.config.max_entries
            );
        }
        watch.refused = refused;
        if !full && watch.next.is_some_and(|next| now < next) {
            return;
        }
        watch.next = Some(now + INTERVAL);
        let limit = if full { IDLE_WHEN_FULL } else { IDLE };
        for (key, entry) in self.kernel.flows() {
            if now.since(Instant::from_nanos(entry.last_packet)) >= limit {
                self.forget_source(key, &entry);
            }
        }
    }

    fn forget_source(&mut self, key: RouteKey, entry: &FlowEntry) {
        if self.kernel.remove_flow(key).is_err() {
            return;
        }
        let Engine::Xdp(xdp) = &mut self.forwarding.engine else {
            return;
        };
        let flow = (Ipv4Addr::from_bits(key.group), Ipv4Addr::from_bits(key.source));
        if let Some((_, route)) = xdp.table.governing(flow) {
            route.past.add(Traffic {
                packets: entry.packets,
                bytes: entry.bytes,
            });
        }
    }
}
