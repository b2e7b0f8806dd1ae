//! Packets that PIM acts on (RFC 7761 §4.2): the first ones of a source, those that arrive on a wrong interface, and
//! those of a source that is on the shared tree anew.

use igmp_core::{Duration, Instant};

use super::{Flow, KernelRouting, RoutingSocket};

/// How soon after a change of routes packets are looked for. Where there are none, the next look comes after twice the
/// time.
const SOON: Duration = Duration::from_secs(1);

/// How often changes of routes may have PIM told that the same source sends, as with the engine `xdp`.
const TOLD_SPACING: Duration = Duration::from_secs(5);

/// Whether packets are told, and which were not taken so far.
#[derive(Debug, Default)]
pub(super) struct Signals {
    on: bool,
    packets: Vec<(u32, Flow)>,
}

impl<S: RoutingSocket> KernelRouting<S> {
    /// Has packets told that PIM acts on, or not: see [`take_packets`](Self::take_packets).
    pub fn set_signals(&mut self, now: Instant, on: bool) {
        self.signals.on = on;
        self.signals.packets.clear();
        // The kernel will not ask about those that have an entry.
        for flow in self.entries.flows() {
            self.watch(now, flow);
        }
    }

    /// Packets that PIM acts on, as the slots that they arrived on and their flows, since the last call. Take them
    /// after each call of [`receive`](Self::receive) and [`handle_timeout`](Self::handle_timeout), which bound how many
    /// there are.
    ///
    /// Of a flow that has a route, its first packet is told, and those on a wrong interface, one in three seconds
    /// (`MFC_ASSERT_THRESH` of net/ipv4/ipmr.c). While it goes along the route of its group, what the counters tell is
    /// told as well: soon after that route has changed, and every 70 seconds.
    pub fn take_packets(&mut self) -> Vec<(u32, Flow)> {
        std::mem::take(&mut self.signals.packets)
    }

    /// When the last packet of a flow arrived on the interface that it should arrive on, whether it went anywhere or
    /// not: the moment at which that was noticed, up to 70 seconds later. Reads the flow's counters from the kernel.
    pub fn last_packet(&mut self, now: Instant, flow: Flow) -> Option<Instant> {
        self.settle(now, flow);
        self.entries.get(flow)?.last_packet
    }

    /// Tells of the first packet of a flow.
    pub(super) fn tell_first(&mut self, now: Instant, flow: Flow, arrival: u32) {
        if self.signals.on && self.routes.has(flow) {
            self.tell(now, flow, arrival);
        }
    }

    /// Tells of a packet that arrived on a wrong interface.
    pub(super) fn tell_wrong(&mut self, flow: Flow, arrival: u32) {
        if self.signals.on && self.routes.has(flow) {
            self.signals.packets.push((arrival, flow));
        }
    }

    /// Tells that packets have arrived where they should, unless PIM knows all about their source.
    pub(super) fn tell_seen(&mut self, now: Instant, flow: Flow) {
        if !self.signals.on || !self.routes.is_shared(flow) {
            return;
        }
        if let Some(entry) = self.entries.get(flow)
            && entry.has_path()
        {
            self.tell(now, flow, entry.incoming);
        }
    }

    /// Looks for packets of a flow soon, if it goes along the route of its group, which has changed.
    pub(super) fn watch(&mut self, now: Instant, flow: Flow) {
        if !self.signals.on || !self.routes.is_shared(flow) {
            return;
        }
        // Only packets from now on count.
        self.settle(now, flow);
        self.entries.update(flow, |entry| {
            let soon = now + SOON;
            let soon = entry.told.map_or(soon, |told| soon.max(told + TOLD_SPACING));
            entry.look_at = entry.look_at.min(soon);
            entry.look_after = SOON;
        });
    }

    fn tell(&mut self, now: Instant, flow: Flow, arrival: u32) {
        self.signals.packets.push((arrival, flow));
        self.entries.update(flow, |entry| entry.told = Some(now));
    }
}
