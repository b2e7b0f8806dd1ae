//! An entry of the kernel's multicast routing, as the engine knows it.

use std::net::Ipv4Addr;

use igmp_core::{Duration, Instant};

use super::{EntryCounters, Traffic, VifSet, look::LOOK_INTERVAL};

/// How the interface that packets must arrive on was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// The way to the source leads there.
    Routed,
    /// The first packet arrived there, and that is good enough.
    Arrival,
    /// The first packet arrived there, but no interface that is served leads to the source: nothing is forwarded.
    None,
}

/// What the kernel was told of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Installed {
    /// The virtual interface that packets must arrive on.
    pub(super) parent: u16,
    /// Those that they leave on.
    pub(super) outgoing: VifSet,
}

/// An entry.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The slot that packets must arrive on.
    pub(super) incoming: u32,
    /// Why there.
    pub(super) path: Path,
    /// What the kernel was told.
    pub(super) installed: Installed,
    /// When the flow's entry was made.
    pub(super) since: Instant,
    /// What was forwarded.
    pub(super) forwarded: Traffic,
    /// The kernel's counters when they were last read.
    pub(super) seen: EntryCounters,
    /// The slot on which a packet last arrived that should have come in elsewhere.
    pub(super) wrong: Option<u32>,
    /// When packets were last known to arrive.
    pub(super) active: Instant,
    /// When packets were last known to arrive where they should.
    pub(super) last_packet: Option<Instant>,
    /// When PIM was last told that packets arrive where they should.
    pub(super) told: Option<Instant>,
    /// When to look at the counters.
    pub(super) look_at: Instant,
    /// After what time to look again where no packet arrived where it should.
    pub(super) look_after: Duration,
    /// Since when it has led nowhere. `None` where it leads somewhere.
    pub(super) negative_since: Option<Instant>,
}

/// What packets did between two looks at the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Packets that arrived where they should, and their bytes.
    pub(super) accepted: Traffic,
    /// Packets that arrived elsewhere.
    pub(super) wrong: u64,
}

impl Entry {
    /// An entry for a flow whose first packet arrived just now.
    pub(super) fn new(now: Instant, incoming: u32, path: Path, installed: Installed) -> Self {
        Self {
            incoming,
            path,
            installed,
            since: now,
            forwarded: Traffic::default(),
            seen: EntryCounters::default(),
            wrong: None,
            active: now,
            last_packet: None,
            told: None,
            look_at: now,
            look_after: LOOK_INTERVAL,
            negative_since: None,
        }
    }

    /// Whether there is a way to the source.
    pub(super) fn has_path(&self) -> bool {
        self.path != Path::None
    }

    /// Why packets that arrive where they should are dropped. `None` where they are forwarded.
    pub(super) fn refused(&self) -> Option<Refused> {
        if !self.has_path() {
            Some(Refused::Rpf)
        } else if self.installed.outgoing.is_empty() {
            Some(Refused::NoMembers)
        } else {
            None
        }
    }

    /// Takes over new counters and says what they mean.
    pub(super) fn progress(&mut self, counters: EntryCounters) -> Progress {
        // Counters that went back are those of an entry that was made anew, by whomever.
        let seen = if counters.all.packets < self.seen.all.packets {
            EntryCounters::default()
        } else {
            self.seen
        };
        self.seen = counters;
        let all = counters.all.packets - seen.all.packets;
        let bytes = counters.all.bytes.saturating_sub(seen.all.bytes);
        let wrong = counters.wrong_vif.saturating_sub(seen.wrong_vif).min(all);
        let packets = all - wrong;
        // The kernel adds up the bytes of both kinds.
        let share = u128::from(bytes) * u128::from(packets) / u128::from(all.max(1));
        Progress {
            accepted: Traffic {
                packets,
                // A share of a `u64` is one.
                bytes: u64::try_from(share).unwrap_or(bytes),
            },
            wrong,
        }
    }
}

/// Why packets of a flow are dropped on the interface that they should arrive on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No interface that is served leads to the source.
    Rpf,
    /// Nobody wants them but, perhaps, on the interface that they arrive on.
    NoMembers,
}

/// An entry, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteView {
    /// The group.
    pub group: Ipv4Addr,
    /// The source.
    pub source: Ipv4Addr,
    /// The slot that packets must arrive on.
    pub incoming: u32,
    /// The slots that they leave on, ascending.
    pub outgoing: Vec<u32>,
    /// Why packets are dropped that arrive where they should.
    pub refused: Option<Refused>,
    /// What was forwarded. A packet counts once, out of however many interfaces it leaves.
    pub forwarded: Traffic,
    /// When the entry was made, with the flow's first packet.
    pub since: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(packets: u64, bytes: u64, wrong_vif: u64) -> EntryCounters {
        EntryCounters {
            all: Traffic { packets, bytes },
            wrong_vif,
        }
    }

    fn progress(packets: u64, bytes: u64, wrong: u64) -> Progress {
        Progress {
            accepted: Traffic { packets, bytes },
            wrong,
        }
    }

    #[test]
    fn counters_become_what_happened_since() {
        let installed = Installed {
            parent: 0,
            outgoing: VifSet::EMPTY,
        };
        let mut entry = Entry::new(Instant::ZERO, 1, Path::Routed, installed);
        assert_eq!(entry.progress(counters(4, 400, 0)), progress(4, 400, 0));
        assert_eq!(entry.progress(counters(4, 400, 0)), progress(0, 0, 0));
        assert_eq!(
            entry.progress(counters(14, 1400, 5)),
            progress(5, 500, 5),
            "half of the packets arrived elsewhere"
        );
        assert_eq!(
            entry.progress(counters(3, 300, 1)),
            progress(2, 200, 1),
            "the entry was made anew"
        );
        let whole = counters(u64::MAX, u64::MAX, 0);
        assert_eq!(entry.progress(whole).accepted.packets, u64::MAX - 3);
    }
}
