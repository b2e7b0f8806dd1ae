//! Keeping the kernel's groups and sources in step with the core's.
//!
//! An entry is removed in two steps, because a report may refresh it at the very moment when the core decides that
//! nobody does. First the flags go that let reports refresh it silently, so that from then on each report becomes an
//! event. A little later, when every packet that was being handled at that moment is done, the entry is deleted unless
//! one of them refreshed it after all; then it comes back to the core as [`Found`].
//!
//! A group that its first report has made as the core wants it needs no command at all: [`MapChange::GroupMade`]. It is in
//! the map before its event is in the ring, and nobody but the core's own removal of an earlier membership, which is known
//! here, writes its flags before that event is handled.
//!
//! Times are in two places, and the later one counts: in the entry, and in the table of refreshes. The group has an entry in the
//! table only while reports may refresh it silently, so that goes first where those flags go.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
};

use igmp_core::{Duration, Found, GroupTimes, Instant, InterfaceId, Liveness, Refresh, SourceTime};
use igmp_wire::abi::{
    Command, CommandStatus, GroupEntry, GroupFlags, GroupKey, Operation, SourceEntry, SourceFlags, SourceKey,
};
use tracing::warn;

use super::{Kernel, KernelError};
use crate::sys::Plain;

/// How long packets may be in the hands of the XDP program. One takes microseconds; a CPU that the hypervisor has taken
/// away may take longer.
const REMOVAL_DELAY: Duration = Duration::from_millis(5);

/// How many removals are finished at a time, so that events and queries do not wait for a million of them.
const REMOVALS_AT_ONCE: usize = 4_096;

/// A change of the core's state that the kernel must know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapChange {
    /// The group has members; see [`Action::SetGroup`](igmp_core::Action::SetGroup).
    SetGroup {
        /// The interface's slot, and the group.
        key: GroupKey,
        /// Which reports change nothing but the time.
        refresh: Refresh,
    },
    /// The group has members, which the report that the core was told of has made the kernel's entry say: with these
    /// flags.
    GroupMade {
        /// The interface's slot, and the group.
        key: GroupKey,
        /// Which reports change nothing but the time.
        refresh: Refresh,
    },
    /// The group has no members.
    RemoveGroup {
        /// The interface's slot, and the group.
        key: GroupKey,
    },
    /// The source's timer runs.
    SetSource {
        /// The interface's slot, the group, and the source.
        key: SourceKey,
    },
    /// The source's timer does not run.
    RemoveSource {
        /// The interface's slot, the group, and the source.
        key: SourceKey,
    },
}

/// What came of changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Entries that are to be removed although a report refreshed them after the decision. They stay until the second
    /// step of the removal; the core is to hear of them at once.
    pub refreshed: Vec<Found>,
    /// How many entries found no room.
    pub full: u64,
}

/// Key of an entry of either map: the source is 0 for the group itself.
type EntryKey = (GroupKey, u32);

/// Entries on their way out.
#[derive(Debug, Default)]
pub(super) struct Removals {
    /// When the second step is due, and which number the removal has.
    queue: BTreeMap<(Instant, u64), EntryKey>,
    /// The removal that counts for an entry: its number, and the time up to which the core knew of reports.
    current: HashMap<EntryKey, (u64, Instant)>,
    next: u64,
}

impl Removals {
    fn begin(&mut self, key: EntryKey, now: Instant) {
        self.next += 1;
        self.current.insert(key, (self.next, now));
        self.queue.insert((now + REMOVAL_DELAY, self.next), key);
    }

    /// Whether there is one that counts.
    fn is_going(&self, key: EntryKey) -> bool {
        !self.current.is_empty() && self.current.contains_key(&key)
    }

    /// Whether there was one.
    fn cancel(&mut self, key: EntryKey) -> bool {
        // Nearly always there are none, and then a key need not even be hashed.
        !self.current.is_empty() && self.current.remove(&key).is_some()
    }

    /// The entries whose second step is due, with the time up to which reports were known.
    fn take_due(&mut self, now: Instant) -> Vec<(EntryKey, Instant)> {
        let mut due = Vec::new();
        while due.len() < REMOVALS_AT_ONCE
            && let Some(first) = self.queue.first_entry()
            && first.key().0 <= now
        {
            let ((_, number), key) = first.remove_entry();
            if let Some(&(current, known)) = self.current.get(&key)
                && current == number
            {
                self.current.remove(&key);
                due.push((key, known));
            }
        }
        due
    }
}

/// The flags for a group that these reports refresh.
pub fn refresh_flags(refresh: Refresh) -> u32 {
    let Refresh { v1, v2, v3 } = refresh;
    [
        (v1, GroupFlags::REFRESH_V1),
        (v2, GroupFlags::REFRESH_V2),
        (v3, GroupFlags::REFRESH_V3),
    ]
    .into_iter()
    .filter_map(|(on, flag)| on.then_some(flag))
    .sum()
}

const ALL_REFRESH: u32 = GroupFlags::REFRESH_V1 | GroupFlags::REFRESH_V2 | GroupFlags::REFRESH_V3;

fn command(operation: Operation, group: GroupKey, source: u32) -> Command {
    Command {
        operation: operation as u32,
        slot: group.slot,
        group: group.group,
        source,
        ..Command::default()
    }
}

/// The group that a command is about.
fn group_key(command: &Command) -> GroupKey {
    GroupKey {
        slot: command.slot,
        group: command.group,
    }
}

fn group_of(key: SourceKey) -> GroupKey {
    GroupKey {
        slot: key.slot,
        group: key.group,
    }
}

impl Kernel {
    /// Carries out changes, in order. `now` is the time that the core was given when it decided on them.
    ///
    /// # Errors
    ///
    /// [`KernelError::Program`] where the kernel refuses.
    pub fn apply(&mut self, now: Instant, changes: &[MapChange]) -> Result<Applied, KernelError> {
        if changes.is_empty() {
            return Ok(Applied::default());
        }
        let mut commands = Vec::new();
        for change in changes {
            let (next, entry, removal) = match *change {
                // What was to be removed has lost its flags, and gets them back.
                MapChange::GroupMade { key, refresh } if !self.removals.cancel((key, 0)) => {
                    self.refreshes.admit(key, refresh_flags(refresh));
                    continue;
                }
                MapChange::SetGroup { key, refresh } | MapChange::GroupMade { key, refresh } => {
                    let set = refresh_flags(refresh);
                    self.refreshes.restrict(key, set);
                    let clear = (ALL_REFRESH & !set) | GroupFlags::PENDING | GroupFlags::EXCLUDE;
                    (
                        Command {
                            set,
                            clear,
                            ..command(Operation::Upsert, key, 0)
                        },
                        (key, 0),
                        false,
                    )
                }
                MapChange::RemoveGroup { key } => {
                    self.refreshes.restrict(key, 0);
                    (
                        Command {
                            clear: ALL_REFRESH,
                            ..command(Operation::Change, key, 0)
                        },
                        (key, 0),
                        true,
                    )
                }
                MapChange::SetSource { key } => {
                    let entry = (group_of(key), key.source);
                    let set = SourceFlags::REFRESH;
                    let clear = SourceFlags::PENDING;
                    (
                        Command {
                            set,
                            clear,
                            ..command(Operation::Upsert, entry.0, entry.1)
                        },
                        entry,
                        false,
                    )
                }
                MapChange::RemoveSource { key } => {
                    let entry = (group_of(key), key.source);
                    let clear = SourceFlags::REFRESH;
                    (
                        Command {
                            clear,
                            ..command(Operation::Change, entry.0, entry.1)
                        },
                        entry,
                        true,
                    )
                }
            };
            if removal {
                self.removals.begin(entry, now);
            } else {
                self.removals.cancel(entry);
            }
            commands.push(next);
        }
        let mut applied = Applied::default();
        let mut asked = commands.iter();
        self.run_each(&commands, |result| {
            let result = self.with_noted(result);
            let removes = result.operation == Operation::Change as u32;
            let flags = asked.next().map_or(0, |command| command.set);
            match CommandStatus::from_code(result.status) {
                CommandStatus::Full => applied.full += 1,
                // What a later change of these removes is out of use already, and stays so.
                CommandStatus::Done if !removes && result.source == 0 => {
                    let key = group_key(&result);
                    if !self.removals.is_going((key, 0)) {
                        self.refreshes.admit(key, flags);
                    }
                }
                CommandStatus::Done if removes && is_newer(&result, now) => {
                    applied.refreshed.push(found(&result))
                }
                _ => {}
            }
        })?;
        Ok(applied)
    }

    /// Forgets times that were read ahead. To be called when the core has decided what it read them for: a time that it
    /// did not ask for then must not answer a later question.
    pub fn forget_times(&mut self) {
        self.prefetched.clear();
    }

    /// When [`Kernel::finish_removals`] is to be called next.
    pub fn next_removal(&self) -> Option<Instant> {
        self.removals.queue.first_key_value().map(|(&(when, _), _)| when)
    }

    /// Deletes entries whose time has come, and returns those that were refreshed meanwhile.
    ///
    /// # Errors
    ///
    /// [`KernelError::Program`] where the kernel refuses.
    pub fn finish_removals(&mut self, now: Instant) -> Result<Vec<Found>, KernelError> {
        let due = self.removals.take_due(now);
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let commands: Vec<Command> = due
            .iter()
            .map(|&((group, source), known)| {
                let was_refreshed = source == 0
                    && self
                        .refreshes
                        .noted(group)
                        .is_some_and(|noted| noted.is_after(known.as_nanos()));
                if was_refreshed {
                    return command(Operation::Read, group, source);
                }
                Command {
                    last_report: [known.as_nanos(), 0, 0],
                    ..command(Operation::DeleteUnlessNewer, group, source)
                }
            })
            .collect();
        let mut newer = Vec::new();
        self.run_each(&commands, |result| {
            let was_refreshed = result.operation == Operation::Read as u32;
            match CommandStatus::from_code(result.status) {
                CommandStatus::Newer => newer.push(found(&self.with_noted(result))),
                CommandStatus::Done if was_refreshed => newer.push(found(&self.with_noted(result))),
                _ if result.source == 0 => self.refreshes.forget(group_key(&result)),
                _ => {}
            }
        })?;
        Ok(newer)
    }

    /// The entry that a command has read, with what is noted of its group in the table of refreshes.
    pub(super) fn with_noted(&self, mut entry: Command) -> Command {
        if entry.source == 0
            && let Some(noted) = self.refreshes.noted(group_key(&entry))
        {
            noted.add_to(&mut entry.last_report, &mut entry.reporter);
        }
        entry
    }

    /// Frees places in the table of refreshes whose groups are gone, where an earlier agent was killed as it removed them.
    pub(super) fn free_refreshes(&self) {
        for key in self.refreshes.out_of_use() {
            if self.groups.get(&Plain(key), 0).is_err() {
                self.refreshes.forget(key);
            }
        }
    }

    /// Reads the entries of groups (source 0) and sources together.
    fn read(&self, keys: &[EntryKey]) -> Result<Vec<Command>, KernelError> {
        let commands: Vec<Command> = keys
            .iter()
            .map(|&(group, source)| command(Operation::Read, group, source))
            .collect();
        self.run(&commands)
    }
}

/// Whether a report refreshed an entry after `known`.
fn is_newer(entry: &Command, known: Instant) -> bool {
    entry.last_report.iter().any(|&time| time > known.as_nanos())
}

/// What an entry that was not deleted says.
fn found(result: &Command) -> Found {
    let interface = InterfaceId(result.slot);
    let group = Ipv4Addr::from_bits(result.group);
    let reporter = Ipv4Addr::from_bits(result.reporter);
    if result.source != 0 {
        let source = Ipv4Addr::from_bits(result.source);
        return Found {
            interface,
            group,
            exclude: false,
            incomplete: false,
            last_report: [None; 3],
            reporter,
            sources: vec![(source, Instant::from_nanos(result.last_report[0]))],
        };
    }
    Found {
        interface,
        group,
        exclude: result.last_report.iter().any(|&time| time != 0),
        incomplete: result.set & GroupFlags::LOST != 0,
        last_report: result.last_report.map(time),
        reporter,
        sources: Vec::new(),
    }
}

/// A time in a map, where 0 means never.
pub(super) fn time(nanos: u64) -> Option<Instant> {
    (nanos != 0).then_some(Instant::from_nanos(nanos))
}

impl Liveness for Kernel {
    fn group(&mut self, interface: InterfaceId, group: Ipv4Addr) -> GroupTimes {
        let key = GroupKey {
            slot: interface.0,
            group: group.to_bits(),
        };
        let (mut last_report, mut reporter) = match self.prefetched.remove(&(key, 0)) {
            Some(read) if CommandStatus::from_code(read.status) != CommandStatus::Done => {
                return GroupTimes::default();
            }
            Some(read) => (read.last_report, read.reporter),
            None => match self.groups.get(&Plain(key), 0) {
                Ok(Plain(entry)) => (entry.last_report, entry.reporter),
                Err(_) => return GroupTimes::default(),
            },
        };
        if let Some(noted) = self.refreshes.noted(key) {
            noted.add_to(&mut last_report, &mut reporter);
        }
        GroupTimes {
            last_report: last_report.map(time),
            reporter: Some(Ipv4Addr::from_bits(reporter)),
        }
    }

    fn source(&mut self, interface: InterfaceId, group: Ipv4Addr, source: Ipv4Addr) -> SourceTime {
        let group = GroupKey {
            slot: interface.0,
            group: group.to_bits(),
        };
        let key = SourceKey {
            slot: group.slot,
            group: group.group,
            source: source.to_bits(),
        };
        let last_report = match self.prefetched.remove(&(group, key.source)) {
            Some(read) => time(read.last_report[0]),
            None => self
                .sources
                .get(&Plain(key), 0)
                .ok()
                .and_then(|Plain(entry)| time(entry.last_report)),
        };
        SourceTime { last_report }
    }

    fn prefetch(&mut self, keys: &[(InterfaceId, Ipv4Addr, Option<Ipv4Addr>)]) {
        self.prefetched.clear();
        let keys: Vec<EntryKey> = keys
            .iter()
            .map(|&(interface, group, source)| {
                (
                    GroupKey {
                        slot: interface.0,
                        group: group.to_bits(),
                    },
                    source.map_or(0, Ipv4Addr::to_bits),
                )
            })
            .collect();
        match self.read(&keys) {
            Ok(results) => self.prefetched.extend(keys.into_iter().zip(results)),
            // They are then read one by one.
            Err(error) => warn!("cannot read times from the kernel together: {error}"),
        }
    }
}

impl Kernel {
    /// The kernel's entry of a group, with the latest times.
    pub fn group_entry(&self, key: GroupKey) -> Option<GroupEntry> {
        let Plain(mut entry) = self.groups.get(&Plain(key), 0).ok()?;
        if let Some(noted) = self.refreshes.noted(key) {
            noted.add_to(&mut entry.last_report, &mut entry.reporter);
        }
        Some(entry)
    }

    /// The kernel's entry of a source, as it is.
    pub fn source_entry(&self, key: SourceKey) -> Option<SourceEntry> {
        self.sources.get(&Plain(key), 0).ok().map(|Plain(entry)| entry)
    }
}
