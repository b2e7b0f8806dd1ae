//! Finding what the ring had no room for.
//!
//! The XDP program leaves marks in the maps: entries that the agent has never heard of are pending, and groups of which
//! an event was lost say so. A scan goes through both maps once and collects them, part by part, so that the agent can do
//! something else in between.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use aya::{Pod, maps::IterableMap};
use igmp_core::{Found, Instant, InterfaceId};
use igmp_wire::abi::{
    Command, CommandStatus, GroupEntry, GroupFlags, GroupKey, MAX_COMMANDS, Operation, SourceFlags,
};

use super::{Kernel, KernelError, membership::time};
use crate::sys::{Entries, Plain};

/// How many entries are read, and at most how many marks are taken off in one go. Commands take many times the room of a
/// key.
const AT_ONCE: usize = 18 * MAX_COMMANDS;

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

/// A group that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What the maps say of it.
    pub found: Found,
    /// The flags that its entry has, now that the marks are off.
    pub flags: u32,
}

/// A scan that is under way.
#[derive(Debug)]
pub struct Search<'a> {
    which: Scan<'a>,
    /// Sources to be told, by group. What is left when all groups have been read belongs to groups without a mark.
    sources: BTreeMap<GroupKey, Vec<(Ipv4Addr, Instant)>>,
    groups: Entries<Plain<GroupKey>, Plain<GroupEntry>>,
    /// Room for entries.
    keys: Vec<Plain<GroupKey>>,
    values: Vec<Plain<GroupEntry>>,
}

impl Kernel {
    /// Collects groups from the kernel's maps, and takes their marks off.
    ///
    /// # Errors
    ///
    /// [`KernelError`] where the kernel refuses.
    pub fn scan(&mut self, which: Scan<'_>) -> Result<Vec<Seen>, KernelError> {
        let mut search = self.begin_scan(which)?;
        let mut all = Vec::new();
        while let Some(part) = self.continue_scan(&mut search)? {
            all.extend(part);
        }
        Ok(all)
    }

    /// Begins to collect groups.
    ///
    /// # Errors
    ///
    /// [`KernelError`] where the kernel refuses.
    pub fn begin_scan<'a>(&self, which: Scan<'a>) -> Result<Search<'a>, KernelError> {
        let mut sources: BTreeMap<GroupKey, Vec<_>> = BTreeMap::new();
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let mut entries = Entries::new(AT_ONCE);
        loop {
            read(&mut entries, &self.sources, &mut keys, &mut values)?;
            if keys.is_empty() {
                break;
            }
            for (Plain(key), Plain(entry)) in keys.iter().zip(&values) {
                if which.takes(key.slot, entry.flags & SourceFlags::PENDING != 0) {
                    let group = GroupKey {
                        slot: key.slot,
                        group: key.group,
                    };
                    let source = (
                        Ipv4Addr::from_bits(key.source),
                        Instant::from_nanos(entry.last_report),
                    );
                    sources.entry(group).or_default().push(source);
                }
            }
        }
        Ok(Search {
            which,
            sources,
            groups: Entries::new(AT_ONCE),
            keys: Vec::new(),
            values: Vec::new(),
        })
    }

    /// Collects some more groups, and takes their marks off. `None` when there are no more.
    ///
    /// # Errors
    ///
    /// [`KernelError`] where the kernel refuses.
    pub fn continue_scan(&self, search: &mut Search<'_>) -> Result<Option<Vec<Seen>>, KernelError> {
        let Search {
            which,
            sources,
            groups,
            keys,
            values,
        } = search;
        let mut part = Vec::new();
        while part.is_empty() {
            read(groups, &self.groups, keys, values)?;
            if keys.is_empty() {
                break;
            }
            for (Plain(key), Plain(entry)) in keys.iter().zip(values.iter()) {
                let is_marked = entry.flags & (GroupFlags::PENDING | GroupFlags::LOST) != 0;
                if which.takes(key.slot, is_marked) || sources.contains_key(key) {
                    part.push((*key, sources.remove(key).unwrap_or_default()));
                }
            }
        }
        while part.len() < AT_ONCE
            && keys.is_empty()
            && let Some(rest) = sources.pop_first()
        {
            part.push(rest);
        }
        if part.is_empty() {
            return Ok(None);
        }
        self.take_off_marks(*which, part).map(Some)
    }

    /// Takes the marks off some groups. The operation that clears them reads them, so one that is set meanwhile is found by
    /// the next scan.
    fn take_off_marks(
        &self,
        which: Scan<'_>,
        part: Vec<(GroupKey, Vec<(Ipv4Addr, Instant)>)>,
    ) -> Result<Vec<Seen>, KernelError> {
        let clear = GroupFlags::PENDING | GroupFlags::LOST;
        let adopting = matches!(which, Scan::All);
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
        let seen = part
            .into_iter()
            .zip(results)
            .filter_map(|((key, sources), entry)| {
                let entry = self.with_noted(entry);
                if CommandStatus::from_code(entry.status) == CommandStatus::Done {
                    return Some(Seen {
                        found: describe(key, &entry, sources, adopting),
                        flags: entry.set & !clear,
                    });
                }
                // A source was reported while its group was on its way out.
                (!sources.is_empty()).then(|| Seen {
                    found: describe(key, &Command::default(), sources, false),
                    flags: 0,
                })
            });
        Ok(seen.collect())
    }
}

/// Reads the next entries of a map.
fn read<K: Pod, V: Pod>(
    entries: &mut Entries<K, V>,
    map: &impl IterableMap<K, V>,
    keys: &mut Vec<K>,
    values: &mut Vec<V>,
) -> Result<(), KernelError> {
    let outcome = entries.next(map, keys, values);
    outcome.map_err(|error| KernelError::map("scan the maps of groups and sources")(error.into()))
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
