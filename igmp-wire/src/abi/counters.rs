//! What is counted for each interface.

use crate::{Refusal, igmp::message::RECEIVED_COUNT};

/// Value of the `COUNTERS` map, one for each CPU. They only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct InterfaceCounters {
    /// IGMP messages received: the total, then by [`Kind`](crate::igmp::Kind). Counted before they are judged.
    pub received: [u64; RECEIVED_COUNT],
    /// Packets refused, by [`Refusal`].
    pub dropped: [u64; Refusal::COUNT],
    /// Memberships that a report repeated, and that were refreshed without waking the agent: one for each version 1 or 2
    /// report, one for each group record of a version 3 report.
    pub refreshed: u64,
    /// Events handed to the agent.
    pub events: u64,
    /// Events for which the ring had no room; the agent found out by a resynchronising scan.
    pub events_lost: u64,
    /// Multicast data packets sent out of this interface.
    pub forwarded_packets: u64,
    /// Bytes of those packets, from the IP header on.
    pub forwarded_bytes: u64,
}

impl InterfaceCounters {
    /// Adds what another CPU counted.
    pub fn add(&mut self, other: &Self) {
        let Self {
            received,
            dropped,
            refreshed,
            events,
            events_lost,
            forwarded_packets,
            forwarded_bytes,
        } = self;
        for (sum, more) in received.iter_mut().zip(other.received) {
            *sum += more;
        }
        for (sum, more) in dropped.iter_mut().zip(other.dropped) {
            *sum += more;
        }
        *refreshed += other.refreshed;
        *events += other.events;
        *events_lost += other.events_lost;
        *forwarded_packets += other.forwarded_packets;
        *forwarded_bytes += other.forwarded_bytes;
    }
}

const _: () = assert!(size_of::<InterfaceCounters>() == (RECEIVED_COUNT + Refusal::COUNT + 5) * 8);
