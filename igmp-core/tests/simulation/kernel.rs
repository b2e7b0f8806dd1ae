//! A model of the XDP program, its maps and its ring of events.
//!
//! What a report does to the maps is decided by [`GroupStep::decide`], as in the XDP program. The commands of the agent do
//! what those of the program that carries them out do: flags change in place, and an entry is only deleted if no report
//! has refreshed it meanwhile.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, VecDeque};

use igmp_core::{
    Event, GroupTimes, Instant, InterfaceId, Liveness, Report, ReportKind, SourceTime, event::Query,
};
use igmp_wire::{
    abi::{Change, GroupEntry, GroupFlags, GroupStep, SourceEntry, SourceFlags},
    address, admit,
};

use crate::{
    message::{Frame, Message},
    sabotage::Sabotage,
};

/// The interface of every router on the link.
pub(crate) const LINK: InterfaceId = InterfaceId(3);

/// The kernel of one router.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) groups: BTreeMap<Ipv4Addr, GroupEntry>,
    pub(crate) sources: BTreeMap<(Ipv4Addr, Ipv4Addr), SourceEntry>,
    /// Events, each with the flags of the entry that its report has made.
    pub(crate) ring: VecDeque<(Event, u32)>,
    capacity: usize,
    /// Events of changes for which the ring had no room.
    pub(crate) lost: u64,
    /// Events of changes since the start, lost or not.
    pub(crate) events: BTreeMap<Ipv4Addr, u64>,
    /// Whether the agent has switched IGMP on for the interface.
    pub(crate) enabled: bool,
    version: u8,
    sabotage: Option<Sabotage>,
}

/// What the kernel accepted of a frame, for those who judge the router by what it has received.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) event: Event,
    /// Whether an event was needed that the ring had no room for.
    pub(crate) lost: bool,
}

/// The outcome of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deletion {
    Done,
    Missing,
    Newer,
}

impl Kernel {
    pub(crate) fn new(capacity: usize, version: u8, sabotage: Option<Sabotage>) -> Self {
        Self {
            groups: BTreeMap::new(),
            sources: BTreeMap::new(),
            ring: VecDeque::new(),
            capacity,
            lost: 0,
            events: BTreeMap::new(),
            enabled: false,
            version,
            sabotage,
        }
    }

    /// Handles a frame from the link and says what it amounts to, record by record.
    pub(crate) fn receive(&mut self, now: Instant, frame: &Frame) -> Vec<Accepted> {
        if !self.enabled {
            return Vec::new();
        }
        let report = |group, kind, sources: &[Ipv4Addr]| Report {
            interface: LINK,
            time: now,
            reporter: frame.source,
            group,
            kind,
            sources: sources.to_vec(),
        };
        match &frame.message {
            Message::Query(query) => {
                if self.sabotage == Some(Sabotage::DeafToQueries) {
                    return Vec::new();
                }
                let event = Event::Query(Query {
                    interface: LINK,
                    time: now,
                    querier: frame.source,
                    version: query.version,
                    group: query.group,
                    max_resp_code: query.max_resp_code,
                    suppress: query.suppress,
                    qrv: query.qrv,
                    qqic: query.qqic,
                    sources: query.sources.clone(),
                });
                // A query that finds the ring full is lost like one that the network lost.
                if self.push(event.clone(), 0) {
                    vec![Accepted { event, lost: false }]
                } else {
                    Vec::new()
                }
            }
            Message::ReportV1(group) => self.apply(
                Change::AnySource { version: 1 },
                1,
                report(*group, ReportKind::V1, &[]),
            ),
            Message::ReportV2(group) => self.apply(
                Change::AnySource { version: 2 },
                2,
                report(*group, ReportKind::V2, &[]),
            ),
            // Routers of version 1 know no leaves.
            Message::Leave(_) if self.version < 2 => Vec::new(),
            Message::Leave(group) => self.apply(Change::Less, 2, report(*group, ReportKind::Leave, &[])),
            // To routers of version 1 and 2 a version 3 report is an unknown type.
            Message::ReportV3(_) if self.version < 3 => Vec::new(),
            Message::ReportV3(records) => records
                .iter()
                .flat_map(|record| {
                    let change = Change::of_record(record.kind, record.sources.len() as u16);
                    let report = report(record.group, ReportKind::Record(record.kind), &record.sources);
                    self.apply(change, 3, report)
                })
                .collect(),
        }
    }

    fn apply(&mut self, change: Change, version: u8, report: Report) -> Vec<Accepted> {
        use igmp_wire::igmp::RecordKind;

        let any_source = !matches!(
            report.kind,
            ReportKind::Record(
                RecordKind::IsInclude | RecordKind::ToInclude | RecordKind::Allow | RecordKind::Block
            )
        );
        if admit::judge_group(report.group, any_source).is_err()
            || address::is_link_local_group(report.group)
            || change == Change::Nothing
        {
            return Vec::new();
        }
        if self.sabotage == Some(Sabotage::IgnoreLeaves) && change == Change::Less {
            return vec![Accepted {
                event: Event::Report(report),
                lost: false,
            }];
        }
        let now = report.time.as_nanos();
        let reporter = report.reporter.to_bits();
        let group = report.group;
        let known = self.groups.get(&group).map(|entry| entry.flags);
        let mut handed = true;
        match GroupStep::decide(change, known) {
            GroupStep::Ignore => {}
            GroupStep::Refresh => {
                if self.sabotage != Some(Sabotage::DropRefreshes) {
                    self.refresh(group, version, now, reporter);
                }
            }
            GroupStep::Insert(flags) => {
                self.insert(group, flags, version, now, reporter);
                let inserted = if flags & GroupFlags::PENDING == 0 {
                    flags
                } else {
                    0
                };
                handed = self.hand(&report, GroupFlags::PENDING, inserted);
            }
            GroupStep::Hand(mark) => {
                if mark == GroupFlags::LOST_JOIN {
                    self.refresh(group, version, now, reporter);
                }
                handed = self.hand(&report, mark, 0);
            }
            GroupStep::Sources { always } => {
                match self.groups.get_mut(&group) {
                    Some(entry) => entry.reporter = reporter,
                    None => self.insert(group, GroupFlags::PENDING, 0, now, reporter),
                }
                let changed = self.walk(group, &report.sources, now, reporter);
                if always || known.is_none() || changed {
                    handed = self.hand(&report, if always { GroupFlags::LOST_CHANGE } else { 0 }, 0);
                }
            }
        }
        vec![Accepted {
            event: Event::Report(report),
            lost: !handed,
        }]
    }

    fn refresh(&mut self, group: Ipv4Addr, version: u8, now: u64, reporter: u32) {
        if let Some(entry) = self.groups.get_mut(&group) {
            entry.last_report[usize::from(version) - 1] = now;
            entry.reporter = reporter;
        }
    }

    fn insert(&mut self, group: Ipv4Addr, flags: u32, version: u8, now: u64, reporter: u32) {
        let time = |of: u8| if of == version { now } else { 0 };
        self.groups.insert(
            group,
            GroupEntry {
                last_report: [time(1), time(2), time(3)],
                reporter,
                flags,
                sources: 0,
                reserved: 0,
            },
        );
    }

    /// Refreshes the known sources and inserts the others. Answers whether there were others.
    fn walk(&mut self, group: Ipv4Addr, sources: &[Ipv4Addr], now: u64, reporter: u32) -> bool {
        let mut changed = false;
        for &source in sources {
            match self.sources.get_mut(&(group, source)) {
                Some(entry) => {
                    entry.last_report = now;
                    entry.reporter = reporter;
                    changed |= entry.flags & SourceFlags::REFRESH == 0;
                }
                None => {
                    changed = true;
                    self.sources.insert(
                        (group, source),
                        SourceEntry {
                            last_report: now,
                            reporter,
                            flags: SourceFlags::PENDING | SourceFlags::REFRESH,
                        },
                    );
                }
            }
        }
        changed
    }

    fn hand(&mut self, report: &Report, mark: u32, inserted: u32) -> bool {
        *self.events.entry(report.group).or_default() += 1;
        if self.push(Event::Report(report.clone()), inserted) {
            return true;
        }
        if let Some(entry) = self.groups.get_mut(&report.group) {
            entry.flags |= mark;
        }
        self.lost += 1;
        false
    }

    fn push(&mut self, event: Event, inserted: u32) -> bool {
        if self.ring.len() >= self.capacity {
            return false;
        }
        self.ring.push_back((event, inserted));
        true
    }

    /// Changes the flags of a group in place and answers the entry as it was before.
    pub(crate) fn change_group(&mut self, group: Ipv4Addr, clear: u32, set: u32) -> Option<GroupEntry> {
        let entry = self.groups.get_mut(&group)?;
        let before = *entry;
        entry.flags = (entry.flags & !clear) | set;
        Some(before)
    }

    /// Like [`change_group`](Self::change_group), but inserts the group where it is not known.
    pub(crate) fn upsert_group(&mut self, group: Ipv4Addr, clear: u32, set: u32) -> Option<GroupEntry> {
        let before = self.change_group(group, clear, set);
        if before.is_none() {
            self.insert(group, set, 0, 0, 0);
        }
        before
    }

    /// Takes a source out of the pending state, or inserts it.
    pub(crate) fn upsert_source(&mut self, group: Ipv4Addr, source: Ipv4Addr) {
        let entry = self.sources.entry((group, source)).or_default();
        entry.flags = (entry.flags & !SourceFlags::PENDING) | SourceFlags::REFRESH;
    }

    /// From now on reports of the source become events, without being refused.
    pub(crate) fn retire_source(&mut self, group: Ipv4Addr, source: Ipv4Addr) {
        if let Some(entry) = self.sources.get_mut(&(group, source)) {
            entry.flags &= !SourceFlags::REFRESH;
        }
    }

    /// Whether entries are deleted though they are newer, which is a fault.
    pub(crate) fn deletes_newer(&self) -> bool {
        self.sabotage == Some(Sabotage::DeleteNewer)
    }

    /// Deletes a group unless it was refreshed after `limit` or an event of it was lost.
    pub(crate) fn delete_group(&mut self, group: Ipv4Addr, limit: Instant) -> (Deletion, Option<GroupEntry>) {
        let Some(entry) = self.groups.get(&group).copied() else {
            return (Deletion::Missing, None);
        };
        let newer = entry.last_report.iter().any(|&time| time > limit.as_nanos())
            || entry.flags & GroupFlags::LOST != 0;
        if newer && !self.deletes_newer() {
            return (Deletion::Newer, Some(entry));
        }
        self.groups.remove(&group);
        (Deletion::Done, Some(entry))
    }

    /// Deletes a source unless it was refreshed after `limit`.
    pub(crate) fn delete_source(
        &mut self,
        group: Ipv4Addr,
        source: Ipv4Addr,
        limit: Instant,
    ) -> (Deletion, Option<SourceEntry>) {
        let Some(entry) = self.sources.get(&(group, source)).copied() else {
            return (Deletion::Missing, None);
        };
        if entry.last_report > limit.as_nanos() && !self.deletes_newer() {
            return (Deletion::Newer, Some(entry));
        }
        self.sources.remove(&(group, source));
        (Deletion::Done, Some(entry))
    }
}

/// A time of a map value, in which 0 stands for never.
pub(crate) fn time(nanos: u64) -> Option<Instant> {
    (nanos != 0).then(|| Instant::from_nanos(nanos))
}

impl Liveness for Kernel {
    fn group(&mut self, interface: InterfaceId, group: Ipv4Addr) -> GroupTimes {
        match self.groups.get(&group) {
            Some(entry) if interface == LINK => GroupTimes {
                last_report: entry.last_report.map(time),
                reporter: (entry.reporter != 0).then(|| Ipv4Addr::from_bits(entry.reporter)),
            },
            _ => GroupTimes::default(),
        }
    }

    fn source(&mut self, interface: InterfaceId, group: Ipv4Addr, source: Ipv4Addr) -> SourceTime {
        match self.sources.get(&(group, source)) {
            Some(entry) if interface == LINK => SourceTime {
                last_report: time(entry.last_report),
            },
            _ => SourceTime::default(),
        }
    }
}
