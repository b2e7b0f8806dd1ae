//! Counters.

use igmp_wire::{Refusal, abi::InterfaceCounters, igmp::Kind};

use crate::maps::COUNTERS;

/// This CPU's counters of one interface.
#[derive(Clone, Copy)]
pub(crate) struct Counters(*mut InterfaceCounters);

impl Counters {
    /// The counters of the interface with this slot. `None` for a slot that there is not.
    #[inline(always)]
    pub(crate) fn of(slot: u32) -> Option<Self> {
        COUNTERS.get_ptr_mut(slot).map(Self)
    }

    /// Counts a message by what it is.
    #[inline(always)]
    pub(crate) fn received(self, kind: Option<Kind>) {
        self.update(|counters| {
            counters.received[0] += 1;
            // Each kind in an arm of its own: an index from a variable would leave a bounds check that panics.
            match kind {
                Some(Kind::QueryV1) => counters.received[Kind::QueryV1 as usize] += 1,
                Some(Kind::QueryV2) => counters.received[Kind::QueryV2 as usize] += 1,
                Some(Kind::QueryV3) => counters.received[Kind::QueryV3 as usize] += 1,
                Some(Kind::ReportV1) => counters.received[Kind::ReportV1 as usize] += 1,
                Some(Kind::ReportV2) => counters.received[Kind::ReportV2 as usize] += 1,
                Some(Kind::ReportV3) => counters.received[Kind::ReportV3 as usize] += 1,
                Some(Kind::Leave) => counters.received[Kind::Leave as usize] += 1,
                None => {}
            }
        });
    }

    /// Counts a refused packet.
    #[inline(always)]
    pub(crate) fn dropped(self, refusal: Refusal) {
        self.dropped_many(refusal, 1);
    }

    /// Counts packets that were refused together.
    #[inline(always)]
    pub(crate) fn dropped_many(self, refusal: Refusal, packets: u64) {
        self.update(|counters| {
            if let Some(counter) = counters.dropped.get_mut(refusal as usize) {
                *counter += packets;
            }
        });
    }

    /// Counts memberships that were refreshed without an event.
    #[inline(always)]
    pub(crate) fn refreshed(self, memberships: u32) {
        self.update(|counters| counters.refreshed += u64::from(memberships));
    }

    /// Counts packets of so many bytes together that were forwarded out of the interface.
    #[inline(always)]
    pub(crate) fn forwarded(self, packets: u64, bytes: u64) {
        self.update(|counters| {
            counters.forwarded_packets += packets;
            counters.forwarded_bytes += bytes;
        });
    }

    /// Counts an event that was handed over.
    #[inline(always)]
    pub(crate) fn event(self) {
        self.update(|counters| counters.events += 1);
    }

    /// Counts an event that was not.
    #[inline(always)]
    pub(crate) fn event_lost(self) {
        self.update(|counters| counters.events_lost += 1);
    }

    #[inline(always)]
    fn update(self, change: impl FnOnce(&mut InterfaceCounters)) {
        // SAFETY: the pointer is to this CPU's slot of a per-CPU array, which no other program run on this CPU touches
        // meanwhile, and which lives as long as the map.
        change(unsafe { &mut *self.0 });
    }
}
