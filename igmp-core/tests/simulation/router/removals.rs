//! Deleting entries of the kernel's maps in two steps: a report may refresh an entry while the core decides that nobody
//! does.

use core::net::Ipv4Addr;

use igmp_core::{Duration, Found, Instant};
use igmp_wire::abi::{GroupEntry, GroupFlags, SourceEntry};

use super::{Router, resync::nothing_of};
use crate::kernel::{Deletion, time};

/// A group (`None`), or a source of it.
pub(super) type Entry = (Ipv4Addr, Option<Ipv4Addr>);

/// The second step of a removal. The first, by which reports stop to refresh the entry silently, is done at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Removal {
    pub(super) due: Instant,
    /// Reports up to here were known when the removal was decided on.
    pub(super) known: Instant,
}

/// How long after the first step of a removal the second follows.
pub(super) const REMOVAL_DELAY: Duration = Duration::from_millis(20);

impl Router {
    /// Does the first step, and answers what the entry says if a report has refreshed it since the core decided.
    pub(super) fn begin_removal(&mut self, now: Instant, decided: Instant, entry: Entry) -> Option<Found> {
        let removal = Removal {
            due: now + REMOVAL_DELAY,
            known: decided,
        };
        self.removals.insert(entry, removal);
        if self.kernel.deletes_newer() {
            return None;
        }
        let (group, source) = entry;
        match source {
            None => {
                let entry = self.kernel.groups.get(&group)?;
                (entry.last_report.iter().any(|&time| time > decided.as_nanos()))
                    .then(|| group_found(group, entry))
            }
            Some(source) => {
                let entry = self.kernel.sources.get(&(group, source))?;
                (entry.last_report > decided.as_nanos()).then(|| source_found(group, source, entry))
            }
        }
    }

    /// Deletes what no report has refreshed since the core decided, and finds out what was refreshed.
    pub(super) fn finish_removals(&mut self, now: Instant) -> Vec<Found> {
        let due: Vec<_> = self
            .removals
            .iter()
            .filter(|(_, removal)| removal.due <= now)
            .map(|(&entry, &removal)| (entry, removal))
            .collect();
        let mut found = Vec::new();
        for ((group, source), Removal { known, .. }) in due {
            self.removals.remove(&(group, source));
            match source {
                None => {
                    if let (Deletion::Newer, Some(entry)) = self.kernel.delete_group(group, known) {
                        found.push(group_found(group, &entry));
                    }
                }
                Some(source) => {
                    if let (Deletion::Newer, Some(entry)) = self.kernel.delete_source(group, source, known) {
                        found.push(source_found(group, source, &entry));
                    }
                }
            }
        }
        found
    }

    /// Whether an entry of the kernel's maps is on its way out.
    pub(crate) fn is_leaving(&self, group: Ipv4Addr, source: Option<Ipv4Addr>) -> bool {
        self.removals.contains_key(&(group, source))
    }
}

/// What a group's entry says that was to be removed.
fn group_found(group: Ipv4Addr, entry: &GroupEntry) -> Found {
    Found {
        exclude: entry.last_report.iter().any(|&time| time != 0),
        incomplete: entry.flags & GroupFlags::LOST != 0,
        last_report: entry.last_report.map(time),
        reporter: Ipv4Addr::from_bits(entry.reporter),
        ..nothing_of(group)
    }
}

/// What a source's entry says that was to be removed.
fn source_found(group: Ipv4Addr, source: Ipv4Addr, entry: &SourceEntry) -> Found {
    Found {
        reporter: Ipv4Addr::from_bits(entry.reporter),
        sources: vec![(source, Instant::from_nanos(entry.last_report))],
        ..nothing_of(group)
    }
}
