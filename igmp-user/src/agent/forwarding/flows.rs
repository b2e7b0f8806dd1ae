//! Sources of data: what the kernel counted for them, and those that have gone silent.
//!
//! The programs in the kernel make an entry for each source that sends to a group, and the agent takes it away when
//! nothing came for long. There may be hundreds of thousands, so the map is read by a thread of its own.

use std::{collections::BTreeSet, net::Ipv4Addr};

use igmp_core::{Duration, Instant};
use igmp_wire::abi::{FlowEntry, RouteKey};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use super::{
    Engine,
    show::Sources,
    table::{Incoming, Route, Traffic},
};
use crate::{
    agent::{Agent, clock, throttle::Throttle},
    control::{Filter, RequestError, RoutePage, RoutePosition},
    kernel::Flows,
};

/// After this time without packets a source is forgotten (Keepalive_Period, RFC 7761 §4.11).
const IDLE: Duration = Duration::from_secs(210);
/// The same where there is no room for more.
const IDLE_WHEN_FULL: Duration = Duration::from_secs(10);
/// How often silent sources are looked for.
const INTERVAL: Duration = Duration::from_secs(30);
/// For how long a list goes on with what its first part was made of.
const FRESH: Duration = Duration::from_secs(5);

/// A question of an operator that waits for the map to be read.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) filter: Filter,
    pub(super) from: Option<RoutePosition>,
    pub(super) reply: oneshot::Sender<Result<RoutePage, RequestError>>,
}

/// What a thread has read.
#[derive(Debug)]
pub(in crate::agent) struct Reading {
    flows: Vec<(RouteKey, FlowEntry)>,
    /// Those that were silent, and are forgotten now.
    forgotten: Vec<(RouteKey, FlowEntry)>,
}

/// When to look, who waits, and what was seen.
#[derive(Debug)]
pub(super) struct Watch {
    readings: mpsc::Sender<Reading>,
    /// Whether a thread is reading.
    reading: bool,
    next: Option<Instant>,
    waiting: Vec<Question>,
    /// What was last read for an operator.
    shown: Option<(Instant, Sources)>,
    refused: u64,
    throttle: Throttle,
}

impl Watch {
    pub(super) fn new() -> (Self, mpsc::Receiver<Reading>) {
        let (readings, receiver) = mpsc::channel(1);
        let watch = Self {
            readings,
            reading: false,
            next: None,
            waiting: Vec::new(),
            shown: None,
            refused: 0,
            throttle: Throttle::default(),
        };
        (watch, receiver)
    }
}

/// Reads all entries and forgets those that have been silent for `idle`.
fn read(flows: &Flows, now: Instant, idle: Duration) -> Reading {
    let is_silent = |entry: &FlowEntry| now.since(Instant::from_nanos(entry.last_packet)) >= idle;
    let (silent, flows_left) = flows.read().into_iter().partition(|(_, entry)| is_silent(entry));
    let silent: Vec<(RouteKey, FlowEntry)> = silent;
    let forgotten = silent.into_iter().filter(|(key, _)| flows.remove(*key)).collect();
    Reading {
        flows: flows_left,
        forgotten,
    }
}

impl Agent {
    /// Shows routes as soon as it is known what they carried.
    pub(in crate::agent) fn answer_routes(
        &mut self,
        filter: Filter,
        from: Option<RoutePosition>,
        reply: oneshot::Sender<Result<RoutePage, RequestError>>,
    ) {
        let now = clock::now();
        let watch = &mut self.forwarding.flows;
        let goes_on = from.is_some();
        match watch.shown.take() {
            Some((read, sources)) if goes_on && now.since(read) < FRESH => {
                let page = self.show_routes(&filter, from, &sources);
                if page.next.is_some() {
                    self.forwarding.flows.shown = Some((now, sources));
                }
                let _ = reply.send(Ok(page));
            }
            _ => {
                self.forwarding
                    .flows
                    .waiting
                    .push(Question { filter, from, reply });
                match self.forwarding.engine {
                    Engine::Xdp(_) => self.start_reading(now),
                    Engine::None | Engine::Kernel(_) => self.answer_waiting(now, Vec::new()),
                }
            }
        }
    }

    /// Looks for sources that have been silent for long, where it is time to.
    pub(super) fn forget_silent_sources(&mut self, now: Instant) {
        if !matches!(self.forwarding.engine, Engine::Xdp(_)) {
            return;
        }
        let refused = self.kernel.flows_refused().unwrap_or(0);
        let watch = &mut self.forwarding.flows;
        if let Some(count) = watch.throttle.note(now, refused.saturating_sub(watch.refused)) {
            warn!(
                count,
                "no room for further sources of multicast data (max-entries {}); their packets are forwarded, but not \
                 counted for their routes",
                self.config.max_entries
            );
        }
        if refused == watch.refused && watch.next.is_some_and(|next| now < next) {
            return;
        }
        self.start_reading(now);
    }

    fn start_reading(&mut self, now: Instant) {
        let refused = self.kernel.flows_refused().unwrap_or(0);
        let watch = &mut self.forwarding.flows;
        if watch.reading {
            return;
        }
        let idle = if refused == watch.refused {
            IDLE
        } else {
            IDLE_WHEN_FULL
        };
        watch.refused = refused;
        watch.next = Some(now + INTERVAL);
        let flows = self.kernel.flows();
        watch.reading = true;
        let readings = watch.readings.clone();
        tokio::task::spawn_blocking(move || {
            // It fails where the agent has ended.
            let _ = readings.blocking_send(read(&flows, now, idle));
        });
    }

    /// Takes in what a thread has read.
    pub(in crate::agent) fn take_reading(&mut self, reading: Reading) {
        self.forwarding.flows.reading = false;
        if let Engine::Xdp(xdp) = &mut self.forwarding.engine {
            for (key, entry) in &reading.forgotten {
                let flow = (Ipv4Addr::from_bits(key.group), Ipv4Addr::from_bits(key.source));
                let traffic = Traffic {
                    packets: entry.packets,
                    bytes: entry.bytes,
                };
                xdp.table.remember(flow, traffic);
            }
        }
        let silent: BTreeSet<Ipv4Addr> = reading
            .forgotten
            .iter()
            .map(|(key, _)| Ipv4Addr::from_bits(key.source))
            .collect();
        self.forget_answers(silent);
        self.tell_pim_of_flows(&reading.flows);
        self.answer_waiting(clock::now(), reading.flows);
    }

    /// Tells PIM of sources without a route of their own that have sent since they were last looked for, in case it was not
    /// told when they began: the ring of events may have been full, or this agent is a new one.
    fn tell_pim_of_flows(&mut self, flows: &[(RouteKey, FlowEntry)]) {
        let Engine::Xdp(xdp) = &self.forwarding.engine else {
            return;
        };
        let now = clock::now();
        let mut packets = Vec::new();
        for (key, entry) in flows {
            let (group, source) = (Ipv4Addr::from_bits(key.group), Ipv4Addr::from_bits(key.source));
            let is_active = now.since(Instant::from_nanos(entry.last_packet)) < INTERVAL;
            if is_active
                && xdp.table.get((group, Some(source))).is_none()
                && let Some(Incoming::Slot(slot)) = xdp.table.get((group, None)).map(Route::incoming)
            {
                packets.push((slot, source, group));
            }
        }
        for (slot, source, group) in packets {
            self.pim_packet(slot, source, group);
        }
        self.run_pim();
    }

    fn answer_waiting(&mut self, now: Instant, flows: Vec<(RouteKey, FlowEntry)>) {
        let waiting = std::mem::take(&mut self.forwarding.flows.waiting);
        if waiting.is_empty() {
            return;
        }
        let sources = self.sources_of_data(now, flows);
        for Question { filter, from, reply } in waiting {
            // Who has gone away meanwhile does not hear it.
            let _ = reply.send(Ok(self.show_routes(&filter, from, &sources)));
        }
        self.forwarding.flows.shown = Some((now, sources));
    }
}
