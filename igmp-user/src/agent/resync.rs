//! Groups in the kernel's maps that the core was not told of: after a restart, when the ring was full, and what is left
//! of interfaces that are no longer served.

use std::{collections::BTreeSet, net::Ipv4Addr};

use igmp_core::{Duration, Event, Found, InterfaceId};
use igmp_wire::abi::{EventKind, GroupKey, SourceKey};
use tracing::{error, info};

use super::{Agent, EVENT_BATCH, clock, slots::Slots};
use crate::kernel::{MapChange, Scan, Seen};

/// A scan is followed by a pause of this many times as long as the maps were searched, so that a flood that fills the ring
/// again and again cannot keep the agent busy with that alone. What is found is work that is to be done anyway.
const SCAN_PAUSE_FACTOR: u64 = 4;

impl Agent {
    /// Looks at what an earlier agent left, and keeps its slots for the interfaces that had them.
    ///
    /// The ring may hold events that the earlier agent never read. They are older than what the maps say now, so they
    /// are not replayed: everything that hosts want is in the maps already, and of groups for which something else was
    /// reported the hosts are asked.
    pub(super) fn adopt(&mut self) -> Vec<Seen> {
        if !self.kernel.adopted() {
            return Vec::new();
        }
        let mut unread = BTreeSet::new();
        let limit = self.config.event_ring_size as usize / igmp_wire::abi::Event::LEN;
        self.kernel.drain_events(limit, &mut |event, _| {
            if says_less(&event) {
                unread.insert((InterfaceId(event.slot), Ipv4Addr::from_bits(event.group)));
            }
        });
        let mut found = self.kernel.scan(Scan::All).unwrap_or_else(|error| {
            error!("memberships that an earlier igmpd left are not taken over: {error}");
            Vec::new()
        });
        for Seen { found, .. } in &mut found {
            found.incomplete |= unread.contains(&(found.interface, found.group));
        }
        self.adopted = self
            .kernel
            .interfaces()
            .into_iter()
            .map(|(key, config)| (key, config.slot))
            .collect();
        let slots = found.iter().map(|seen| seen.found.interface.0);
        self.slots = Slots::new(slots.chain(self.adopted.values().copied()));
        info!(groups = found.len(), "taking over what an earlier igmpd left");
        found
    }

    /// Lets the kernel forget interfaces of an earlier agent that nobody claimed.
    pub(super) fn release_unclaimed(&mut self) {
        for key in std::mem::take(&mut self.adopted).into_keys() {
            let claimed = self
                .interfaces
                .values()
                .any(|served| served.kernel.is_some_and(|(known, _)| known == key));
            if !claimed {
                self.kernel.remove_interface(key);
            }
        }
        self.sweep();
    }

    /// Schedules a scan where events were lost since the last look.
    pub(super) fn look_for_lost_events(&mut self) {
        match self.kernel.lost_events() {
            Ok(lost) if lost != self.lost_events => {
                self.lost_events = lost;
                if self.scan_at.is_none() {
                    self.resyncs += 1;
                    self.scan_at = Some(clock::now().max(self.scan_after));
                }
            }
            Ok(_) => {}
            Err(error) => error!("{error}"),
        }
    }

    /// Searches the maps for groups that the core was not told of.
    pub(super) fn scan(&mut self) {
        self.scan_at = None;
        // What was lost up to here has left its mark before it was counted, so this scan finds it.
        if let Ok(lost) = self.kernel.lost_events() {
            self.lost_events = lost;
        }
        let begin = clock::now();
        let mut search = self.kernel.begin_scan(Scan::Marked);
        let mut searched = clock::now().since(begin);
        loop {
            let begin = clock::now();
            let part = match &mut search {
                Ok(search) => self.kernel.continue_scan(search),
                Err(_) => Ok(None),
            };
            searched = searched + clock::now().since(begin);
            match part {
                Ok(Some(seen)) => self.take_in(seen),
                Ok(None) => break,
                Err(error) => {
                    search = Err(error);
                    break;
                }
            }
            // Otherwise it would overflow once more.
            self.drain_ring();
        }
        if let Err(error) = search {
            error!("{error}");
            self.scan_at = Some(clock::now() + Duration::from_secs(1));
        }
        self.scan_after = clock::now() + searched * SCAN_PAUSE_FACTOR;
        // Events that were lost during the scan may be of groups that it had passed already.
        self.look_for_lost_events();
    }

    /// Tells the core of groups that were found, and removes those of interfaces that are not up.
    pub(super) fn take_in(&mut self, seen: Vec<Seen>) {
        let mut orphans = Vec::new();
        let mut waiting = 0;
        for Seen { found, flags } in seen {
            if self.is_up(found.interface) {
                let first = self.actions.len();
                self.handle(Event::Found(found));
                self.note_done(first, flags);
                waiting += 1;
                // There may be a million, and what is to be done about each takes more room than it itself.
                if waiting == EVENT_BATCH {
                    waiting = 0;
                    self.carry_out(clock::now());
                }
            } else {
                orphans.extend(removal(&found));
            }
        }
        let now = clock::now();
        self.carry_out(now);
        // Nobody is told of what refreshes these meanwhile: their interface is not served, and the next sweep finds them.
        if let Err(error) = self.kernel.apply(now, &orphans) {
            error!("the kernel's maps do not follow: {error}");
        }
    }

    /// Removes groups of slots that are not up, and frees slots without an owner once they have none.
    ///
    /// A report that was in the hands of the XDP program when its interface went down may have left one.
    pub(super) fn sweep(&mut self) {
        let idle: Vec<u32> = self
            .interfaces
            .values()
            .filter(|served| served.core.is_none())
            .filter_map(|served| served.slot)
            .chain(self.slots.draining())
            .collect();
        let left: BTreeSet<u32> = idle
            .into_iter()
            .filter(|&slot| self.kernel.groups_in_use(slot).is_ok_and(|groups| groups > 0))
            .collect();
        let free: Vec<u32> = self
            .slots
            .draining()
            .filter(|slot| !left.contains(slot))
            .collect();
        for slot in free {
            self.slots.drained(slot);
        }
        // What was there at the last tick, too, is not just on its way out.
        let stale: BTreeSet<u32> = left.intersection(&self.leftovers).copied().collect();
        self.leftovers = left;
        if stale.is_empty() {
            return;
        }
        match self.kernel.scan(Scan::Slots(&stale)) {
            Ok(found) => self.take_in(found),
            Err(error) => error!("{error}"),
        }
    }

    pub(super) fn is_up(&self, interface: InterfaceId) -> bool {
        self.slots
            .owner(interface.0)
            .and_then(|name| self.interfaces.get(name))
            .is_some_and(|served| served.core.is_some())
    }
}

/// Whether an event says something that the maps do not: that somebody wants less than before, or all sources but some.
fn says_less(event: &igmp_wire::abi::Event) -> bool {
    match EventKind::from_code(event.kind) {
        Some(EventKind::Leave | EventKind::ToInclude | EventKind::Block) => true,
        Some(EventKind::IsExclude | EventKind::ToExclude) => event.source_count > 0,
        Some(
            EventKind::ReportV1
            | EventKind::ReportV2
            | EventKind::IsInclude
            | EventKind::Allow
            | EventKind::Query
            | EventKind::Source
            | EventKind::Flow
            | EventKind::WrongInterface,
        )
        | None => false,
    }
}

/// The changes that remove a group from the maps.
fn removal(found: &Found) -> impl Iterator<Item = MapChange> {
    let slot = found.interface.0;
    let group = found.group.to_bits();
    found
        .sources
        .iter()
        .map(move |&(source, _)| MapChange::RemoveSource {
            key: SourceKey {
                slot,
                group,
                source: source.to_bits(),
            },
        })
        .chain(std::iter::once(MapChange::RemoveGroup {
            key: GroupKey { slot, group },
        }))
}
