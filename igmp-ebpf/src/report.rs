//! What a report does to groups.

use aya_ebpf::bindings::BPF_NOEXIST;
use igmp_wire::{
    Packet, Refusal,
    abi::{Change, Event, EventKind, GroupEntry, GroupFlags, GroupKey, GroupStep, InterfaceConfig},
    address, admit,
    igmp::{Kind, Record, RecordWalk},
    packet::{Turn, Walk},
};

use crate::{
    atomic::Shared,
    count::Counters,
    event,
    maps::{GROUPS, USAGE},
    packet::XdpPacket,
    sources,
};

/// What all memberships of one report have in common.
#[derive(Clone, Copy)]
pub(crate) struct Reporter {
    /// The packet.
    pub packet: XdpPacket,
    /// Counters of the interface.
    pub counters: Counters,
    /// The interface's slot.
    pub slot: u32,
    /// IP source of the report.
    pub address: u32,
    /// When it was received.
    pub now: u64,
    /// Most groups that the interface may have, 0 for no limit.
    pub max_groups: u32,
    /// Most sources that a group may have, 0 for no limit.
    pub max_group_sources: u32,
}

impl Reporter {
    /// The sender of a packet that was received at `now`.
    #[inline(always)]
    pub(crate) fn new(
        packet: XdpPacket,
        counters: Counters,
        config: &InterfaceConfig,
        address: u32,
        now: u64,
    ) -> Self {
        Self {
            packet,
            counters,
            slot: config.slot,
            address,
            now,
            max_groups: config.max_groups,
            max_group_sources: config.max_group_sources,
        }
    }
}

/// One membership that is reported.
#[derive(Clone, Copy)]
struct Membership {
    group: u32,
    change: Change,
    kind: u8,
    /// The report's version, 1 to 3.
    version: u8,
    source_count: u16,
    sources: usize,
}

/// Handles a version 1 or 2 report or a Leave.
///
/// # Errors
///
/// [`Refusal::Limit`].
#[inline(always)]
pub(crate) fn group(
    reporter: &Reporter,
    kind: Kind,
    group: core::net::Ipv4Addr,
    version: u32,
) -> Result<(), Refusal> {
    if address::is_link_local_group(group) {
        return Ok(());
    }
    let (change, event, report_version) = match kind {
        Kind::ReportV1 => (Change::AnySource { version: 1 }, EventKind::ReportV1, 1),
        Kind::Leave if version < 2 => return Ok(()),
        Kind::Leave => (Change::Less, EventKind::Leave, 2),
        _ => (Change::AnySource { version: 2 }, EventKind::ReportV2, 2),
    };
    let membership = Membership {
        group: group.to_bits(),
        change,
        kind: event as u8,
        version: report_version,
        source_count: 0,
        sources: 0,
    };
    let outcome = apply(reporter, &membership)?;
    if outcome == Outcome::Refreshed {
        reporter.counters.refreshed(1);
    }
    Ok(())
}

/// The walk that applies the records of a report.
struct Applying {
    reporter: Reporter,
    records: RecordWalk,
    /// Memberships that were refreshed without an event.
    refreshed: u32,
    /// The first refusal, as a number of its own; 0 for none. An `Option` would be a value that is only sometimes there,
    /// which the verifier does not accept here.
    refused: u32,
}

/// Handles a version 3 report: first all records are checked to be within the message, then each is applied.
///
/// # Errors
///
/// [`Refusal::Malformed`], and nothing has been done then; or the first of the reasons for which one of the records was
/// refused, and all others have been applied.
#[inline(always)]
pub(crate) fn records(reporter: &Reporter, offset: usize, len: usize) -> Result<(), Refusal> {
    let packet = &reporter.packet;
    let records = RecordWalk::new(packet, offset, len)?;
    admit::fits(packet, &records)?;
    let mut applying = Applying {
        reporter: *reporter,
        records,
        // A count from a zero that the verifier knows would be a new case for it with each record.
        refreshed: packet.forget(0) as u32,
        refused: 0,
    };
    packet.repeat(u32::from(records.remaining()), &mut applying);
    if applying.refreshed > 0 {
        reporter.counters.refreshed(applying.refreshed);
    }
    match applying.refused {
        0 => Ok(()),
        1 => Err(Refusal::Group),
        2 => Err(Refusal::SsmRange),
        _ => Err(Refusal::Limit),
    }
}

impl Walk<XdpPacket> for Applying {
    #[inline(always)]
    fn turn(&mut self, _index: u32, packet: &XdpPacket) -> Turn {
        let Ok(Some(record)) = self.records.next(packet) else {
            return Turn::Done;
        };
        let refused = match apply_one(&self.reporter, &record) {
            Ok(Outcome::Refreshed) => {
                self.refreshed += 1;
                0
            }
            Ok(Outcome::Other) => 0,
            Err(Refusal::Group) => 1,
            Err(Refusal::SsmRange) => 2,
            Err(_) => 3,
        };
        if self.refused == 0 {
            self.refused = refused;
        }
        Turn::More
    }
}

#[inline(always)]
fn apply_one(reporter: &Reporter, record: &Record) -> Result<Outcome, Refusal> {
    let change = admit::judge_record(record)?;
    if change == Change::Nothing {
        return Ok(Outcome::Other);
    }
    apply(
        reporter,
        &Membership {
            group: record.group.to_bits(),
            change,
            kind: record.code,
            version: 3,
            source_count: record.source_count,
            sources: record.sources,
        },
    )
}

/// What became of a membership.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It was known, and only its time was written.
    Refreshed,
    /// Anything else that is no refusal.
    Other,
}

#[inline(always)]
fn apply(reporter: &Reporter, membership: &Membership) -> Result<Outcome, Refusal> {
    let key = GroupKey {
        slot: reporter.slot,
        group: membership.group,
    };
    let entry = GROUPS.get_ptr_mut(&key);
    // SAFETY: the pointer is to a value of the map, alive while the program runs.
    let known = entry.map(|entry| unsafe { (&raw const (*entry).flags).read_volatile() });
    match GroupStep::decide(membership.change, known) {
        GroupStep::Ignore => Ok(Outcome::Other),
        GroupStep::Refresh => {
            if let Some(entry) = entry {
                refresh(reporter, entry, membership.version);
            }
            Ok(Outcome::Refreshed)
        }
        GroupStep::Insert(flags) => {
            // Another CPU may have made the entry for another report, and then this one is lost with its event.
            if insert(reporter, &key, flags, membership.version)? {
                hand(
                    reporter,
                    membership,
                    &key,
                    GroupFlags::PENDING,
                    acknowledged(flags),
                );
            } else {
                hand(reporter, membership, &key, GroupFlags::LOST_JOIN, 0);
            }
            Ok(Outcome::Other)
        }
        GroupStep::Hand(mark) => {
            // A report that asks for the group sets its timer whatever else it changes. The agent learns the time from
            // the event as well; it stands here for an agent that has not had the event, or never gets it.
            if mark == GroupFlags::LOST_JOIN
                && let Some(entry) = entry
            {
                refresh(reporter, entry, membership.version);
            }
            hand(reporter, membership, &key, mark, 0);
            Ok(Outcome::Other)
        }
        GroupStep::Sources { always } => apply_sources(reporter, membership, &key, entry, always),
    }
}

#[inline(always)]
fn apply_sources(
    reporter: &Reporter,
    membership: &Membership,
    key: &GroupKey,
    known: Option<*mut GroupEntry>,
    always: bool,
) -> Result<Outcome, Refusal> {
    match known {
        // SAFETY: the pointer is to a value of the map, alive while the program runs.
        Some(entry) => unsafe { (&raw mut (*entry).reporter).write_volatile(reporter.address) },
        None => {
            let mut usable = sources::Usable {
                offset: membership.sources,
                found: 0,
            };
            reporter
                .packet
                .repeat(u32::from(membership.source_count), &mut usable);
            if usable.found == 0 {
                // Nothing that could be a source, and nobody is a member: there is nothing to know.
                return Ok(Outcome::Other);
            }
            insert(reporter, key, GroupFlags::PENDING, 0)?;
        }
    }
    let known = known.is_some();
    let mut walk = sources::Sources {
        offset: membership.sources,
        key: *key,
        now: reporter.now,
        reporter: reporter.address,
        max_sources: reporter.max_group_sources,
        changed: 0,
        limited: 0,
    };
    reporter
        .packet
        .repeat(u32::from(membership.source_count), &mut walk);
    if always || !known || walk.changed != 0 {
        let mark = if always { GroupFlags::LOST_CHANGE } else { 0 };
        hand(reporter, membership, key, mark, 0);
    }
    if walk.limited != 0 {
        return Err(Refusal::Limit);
    }
    if always || !known || walk.changed != 0 {
        return Ok(Outcome::Other);
    }
    Ok(Outcome::Refreshed)
}

/// Writes the time of a report that changes nothing else.
#[inline(always)]
fn refresh(reporter: &Reporter, entry: *mut GroupEntry, version: u8) {
    // SAFETY: the pointer is to a value of the map, alive while the program runs. Times and reporter are written by
    // single stores of an aligned word, so readers see an old or a new one.
    unsafe {
        let times = (&raw mut (*entry).last_report).cast::<u64>();
        match version {
            1 => times.write_volatile(reporter.now),
            2 => times.add(1).write_volatile(reporter.now),
            _ => times.add(2).write_volatile(reporter.now),
        }
        (&raw mut (*entry).reporter).write_volatile(reporter.address);
    }
}

/// Inserts a group that is not known yet. `version` says which time the report sets, 0 for none. `Ok(false)` where another
/// CPU was faster.
#[inline(always)]
fn insert(reporter: &Reporter, key: &GroupKey, flags: u32, version: u8) -> Result<bool, Refusal> {
    let Some(usage) = USAGE.get_ptr_mut(reporter.slot) else {
        return Err(Refusal::Limit);
    };
    // SAFETY: the pointer is to a value of an array map, which lives as long as the program; all programs change this
    // field by atomic operations only.
    let groups = unsafe { Shared::new(&raw mut (*usage).groups) };
    if reporter.max_groups != 0 && groups.load() >= reporter.max_groups {
        return Err(Refusal::Limit);
    }
    let time = |of: u8| if of == version { reporter.now } else { 0 };
    let entry = GroupEntry {
        last_report: [time(1), time(2), time(3)],
        reporter: reporter.address,
        flags,
        sources: 0,
        reserved: 0,
    };
    if GROUPS.insert(key, &entry, u64::from(BPF_NOEXIST)).is_ok() {
        groups.add(1);
        return Ok(true);
    }
    // Another CPU may have inserted it just now; only a full map refuses.
    if GROUPS.get_ptr(key).is_some() {
        Ok(false)
    } else {
        Err(Refusal::Limit)
    }
}

/// The flags of an entry that need not be acknowledged, for its event.
#[inline(always)]
const fn acknowledged(flags: u32) -> u8 {
    if flags & GroupFlags::PENDING == 0 {
        flags as u8
    } else {
        0
    }
}

/// Hands a change to the agent, with the flags of an entry that was inserted for it. Where the ring is full, the group's
/// entry is marked with `mark`.
#[inline(always)]
fn hand(reporter: &Reporter, membership: &Membership, key: &GroupKey, mark: u32, inserted: u8) {
    let event = Event {
        time: reporter.now,
        slot: reporter.slot,
        group: membership.group,
        sender: reporter.address,
        source_count: membership.source_count,
        kind: membership.kind,
        inserted,
        ..Event::default()
    };
    if event::hand(&reporter.packet, &event, membership.sources, reporter.counters) {
        return;
    }
    match GROUPS.get_ptr_mut(key) {
        Some(entry) if mark != 0 => event::mark_lost(entry, mark),
        Some(_) => {}
        // The agent has just deleted the entry. Of a report that asks for the group it must hear all the same.
        None if mark == GroupFlags::LOST_JOIN => {
            let _ = insert(
                reporter,
                key,
                GroupFlags::PENDING | GroupFlags::EXCLUDE | mark,
                membership.version,
            );
        }
        None => {}
    }
    event::count_lost();
}
