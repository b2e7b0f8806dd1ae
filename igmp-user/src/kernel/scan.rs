//! Finding what the ring had no room for.
//!
//! The XDP program leaves marks in the maps: entries that the agent has never heard of are pending, and groups of which
//! an event was lost say so. A scan goes through both maps once and collects them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use igmp_core::{Found, Instant, InterfaceId};
use igmp_wire::abi::{Command, CommandStatus, GroupFlags, GroupKey, MAX_COMMANDS, Operation, SourceFlags};

use super::{Kernel, KernelError, membership::time};
use crate::sys::Plain;

/// How many marks are taken off in one go. Commands take many times the room of a key.
const AT_ONCE: usize = 16 * MAX_COMMANDS;

/// Which groups a scan collects.
#[derive(Clone, Copy, Debug)]
pub enum Scan<'a> {
    /// Those of which the core was not told, or not completely.
    Marked,
    /// Every group there is, for a core that knows none of them.
    All,
    /// Every group of these slots. The marks of others stay as they are.
    Slots(&'a BTreeSet<u32>),
}

impl Scan<'_> {
    fn takes(self, slot: u32, marked: bool) -> bool {
        match self {
            Self::Marked => marked,
            Self::All => true,
            Self::Slots(slots) => slots.contains(&slot),
        }
    }
}

impl Kernel {
    /// Collects groups from the kernel's maps, and takes their marks off.
    ///
    /// # Errors
    ///
    /// [`KernelError`] where the kernel refuses.
    pub fn scan(&mut self, which: Scan<'_>) -> Result<Vec<Found>, KernelError> {
        let mut groups = BTreeMap::new();
        for entry in self.groups.iter() {
            let (Plain(key), Plain(entry)) = entry.map_err(KernelError::map("scan the map of groups"))?;
            if which.takes(
                key.slot,
                entry.flags & (GroupFlags::PENDING | GroupFlags::LOST) != 0,
            ) {
                groups.insert(key, Vec::new());
            }
        }
        for entry in self.sources.iter() {
            let (Plain(key), Plain(entry)) = entry.map_err(KernelError::map("scan the map of sources"))?;
            if which.takes(key.slot, entry.flags & SourceFlags::PENDING != 0) {
                let group = GroupKey {
                    slot: key.slot,
                    group: key.group,
                };
                let source = (
                    Ipv4Addr::from_bits(key.source),
                    Instant::from_nanos(entry.last_report),
                );
                groups.entry(group).or_default().push(source);
            }
        }

        // The marks are cleared by the operation that reads them, so one that is set meanwhile is found by the next scan.
        let clear = GroupFlags::PENDING | GroupFlags::LOST;
        let adopting = matches!(which, Scan::All);
        let mut all_found = Vec::with_capacity(groups.len());
        let mut groups = groups.into_iter();
        loop {
            let part: Vec<_> = groups.by_ref().take(AT_ONCE).collect();
            if part.is_empty() {
                return Ok(all_found);
            }
            let commands: Vec<Command> = part
                .iter()
                .map(|(key, _)| Command {
                    operation: Operation::Change as u32,
                    slot: key.slot,
                    group: key.group,
                    clear,
                    ..Command::default()
                })
                .collect();
            let results = self.run(&commands)?;
            let found = part
                .into_iter()
                .zip(results)
                .filter_map(|((key, sources), entry)| {
                    if CommandStatus::from_code(entry.status) == CommandStatus::Done {
                        return Some(describe(key, &entry, sources, adopting));
                    }
                    // A source was reported while its group was on its way out.
                    (!sources.is_empty()).then(|| describe(key, &Command::default(), sources, false))
                });
            all_found.extend(found);
        }
    }
}

fn describe(key: GroupKey, entry: &Command, sources: Vec<(Ipv4Addr, Instant)>, adopting: bool) -> Found {
    let flags = entry.set;
    let was_reported = entry.last_report.iter().any(|&time| time != 0);
    let refreshable = flags & (GroupFlags::REFRESH_V1 | GroupFlags::REFRESH_V2 | GroupFlags::REFRESH_V3) != 0;
    // A group that excludes sources has no flag of its own, so after a restart it is told from one that includes them by
    // its times alone, and the hosts are asked. Until they answer it lets through more than they want, never less.
    let exclude = flags & (GroupFlags::EXCLUDE | GroupFlags::LOST_JOIN) != 0
        || refreshable
        || (adopting && was_reported);
    let uncertain = adopting && was_reported && !refreshable;
    Found {
        interface: InterfaceId(key.slot),
        group: Ipv4Addr::from_bits(key.group),
        exclude,
        incomplete: flags & GroupFlags::LOST != 0 || uncertain,
        last_report: entry.last_report.map(time),
        reporter: Ipv4Addr::from_bits(entry.reporter),
        sources,
    }
}
