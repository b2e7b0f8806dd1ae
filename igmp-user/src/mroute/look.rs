//! Looking at the kernel's counters: what was forwarded and dropped, and which flows have ended.

use igmp_core::{Duration, Instant};

use super::{
    Flow, KernelRouting, RouteView, RoutingSocket, Traffic,
    entry::{Path, Progress, Refused},
};

/// After this time without packets a flow has ended (Keepalive_Period, RFC 7761 §4.11).
pub const IDLE: Duration = Duration::from_secs(210);

/// How often an entry's counters are looked at, so that its end is noticed after [`IDLE`] and this at the latest.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(70);

/// How many entries are looked at before the caller gets to do other things.
const LOOK_BATCH: usize = 256;

/// What was counted for an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotCounters {
    /// Packets that arrived here and should have arrived on another interface, or that no interface leads back to. Where
    /// packets of one flow arrive on several wrong interfaces, all are counted for the last that the kernel told of.
    pub rpf: u64,
    /// Packets that arrived here rightly, and that nobody wanted elsewhere.
    pub no_members: u64,
    /// What was forwarded out of here.
    pub forwarded: Traffic,
}

/// What was counted for the interface of a slot.
#[derive(Clone, Debug)]
pub(super) struct SlotRecord {
    /// The interface's name.
    pub(super) name: String,
    /// What was counted, without what its present virtual interface forwarded.
    pub(super) counted: SlotCounters,
}

impl<S: RoutingSocket> KernelRouting<S> {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called: its answer may change with every other call.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.entries.next_due().map(|(due, _)| due)
    }

    /// Looks at entries whose time has come, a bounded number of them, and removes those whose flow has ended. Calls
    /// that come too early do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        for _ in 0..LOOK_BATCH {
            let Some((due, flow)) = self.entries.next_due() else {
                return;
            };
            if due > now {
                return;
            }
            let progress = self.settle(now, flow).unwrap_or_default();
            let ended = self.entries.get(flow).is_none_or(|entry| {
                // Where any interface will do and packets arrive on other ones only, the flow has moved.
                let moved =
                    entry.path == Path::Arrival && progress.accepted.packets == 0 && progress.wrong > 0;
                moved || entry.active + IDLE <= now
            });
            if ended {
                self.forget(flow);
                continue;
            }
            let has_arrived = progress.accepted.packets > 0;
            self.entries.update(flow, |entry| {
                entry.look_after = if has_arrived {
                    LOOK_INTERVAL
                } else {
                    (entry.look_after * 2).min(LOOK_INTERVAL)
                };
                // Later than now, since the flow has not ended.
                entry.look_at = (now + entry.look_after).min(entry.active + IDLE);
            });
            if has_arrived {
                self.tell_seen(now, flow);
            }
        }
    }

    /// Up to `max` entries for operators, ordered by group and source, from the first after `after` on. Reads the
    /// counters of each from the kernel.
    pub fn routes(&mut self, now: Instant, after: Option<Flow>, max: usize) -> Vec<RouteView> {
        let flows = self.entries.flows_after(after, max);
        for &flow in &flows {
            self.settle(now, flow);
        }
        flows.into_iter().filter_map(|flow| self.view(flow)).collect()
    }

    /// Reads the counters of all entries, so that [`slot_counters`](Self::slot_counters) are those of this moment and not
    /// up to 70 seconds old. This is a system call for each entry.
    pub fn read_counters(&mut self, now: Instant) {
        for flow in self.entries.flows() {
            self.settle(now, flow);
        }
    }

    /// What was counted for the interface of a slot. `None` for a slot that never had one.
    pub fn slot_counters(&mut self, slot: u32) -> Option<SlotCounters> {
        let mut counted = self.slots.get(&slot)?.counted;
        if let Some(number) = self.vifs.of(slot) {
            add(&mut counted.forwarded, self.vif_forwarded(number));
        }
        Some(counted)
    }

    /// What a virtual interface forwarded: as the kernel says, or as it last said where it does not know it any more.
    pub(super) fn vif_forwarded(&mut self, number: u16) -> Traffic {
        let answer = self.socket.vif_counters(number);
        self.vifs.get_mut(number).map_or_else(Traffic::default, |vif| {
            if let Ok(forwarded) = answer {
                vif.forwarded = forwarded;
            }
            vif.forwarded
        })
    }

    /// Reads the counters of an entry, adds up what happened since the last time, and returns it.
    pub(super) fn settle(&mut self, now: Instant, flow: Flow) -> Option<Progress> {
        // Without an answer somebody else removed the kernel's entry; its flow ends here unless the kernel asks again.
        let counters = self.socket.entry_counters(flow).ok()?;
        let (progress, refused, incoming, wrong) = self.entries.update(flow, |entry| {
            let progress = entry.progress(counters);
            if progress != Progress::default() {
                entry.active = now;
            }
            if progress.accepted.packets > 0 && entry.has_path() {
                entry.last_packet = Some(now);
            }
            let refused = entry.refused();
            if refused.is_none() {
                add(&mut entry.forwarded, progress.accepted);
            }
            (progress, refused, entry.incoming, entry.wrong)
        })?;
        if let Some(record) = self.slots.get_mut(&incoming) {
            match refused {
                Some(Refused::Rpf) => record.counted.rpf += progress.accepted.packets,
                Some(Refused::NoMembers) => record.counted.no_members += progress.accepted.packets,
                None => {}
            }
        }
        // The kernel may not have told which interface it was. Better there than nowhere.
        if let Some(record) = self.slots.get_mut(&wrong.unwrap_or(incoming)) {
            record.counted.rpf += progress.wrong;
        }
        Some(progress)
    }

    fn view(&self, flow: Flow) -> Option<RouteView> {
        let entry = self.entries.get(flow)?;
        let vifs = entry.installed.outgoing.iter();
        let mut outgoing: Vec<u32> = vifs.filter_map(|vif| self.vifs.slot(vif)).collect();
        outgoing.sort_unstable();
        Some(RouteView {
            group: flow.group,
            source: flow.source,
            incoming: entry.incoming,
            outgoing,
            refused: entry.refused(),
            forwarded: entry.forwarded,
            since: entry.since,
        })
    }
}

/// Adds traffic to a sum.
pub(super) fn add(sum: &mut Traffic, more: Traffic) {
    sum.packets += more.packets;
    sum.bytes += more.bytes;
}
