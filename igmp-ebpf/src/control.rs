//! Commands of the agent, carried out in place.

use aya_ebpf::bindings::{BPF_NOEXIST, xdp_action::XDP_PASS, xdp_md};
use igmp_wire::{
    Packet,
    abi::{
        Command, CommandStatus, GroupEntry, GroupFlags, GroupKey, MAX_COMMANDS, Operation, RouteEntry,
        RouteKey, SourceEntry, SourceKey,
    },
    packet::{Turn, Walk},
};

use crate::{
    atomic::Shared,
    maps::{GROUPS, ROUTES, SOURCES, USAGE},
    packet::XdpPacket,
    sources::{Aligned, source_count},
};

/// The walk through the commands.
struct Running;

/// Carries out the commands that are the packet, and writes the results into it.
#[inline(always)]
pub(crate) fn run(context: *mut xdp_md) -> u32 {
    XdpPacket::new(context).repeat(MAX_COMMANDS as u32, &mut Running);
    XDP_PASS
}

impl Walk<XdpPacket> for Running {
    #[inline(always)]
    fn turn(&mut self, index: u32, packet: &XdpPacket) -> Turn {
        let Some(place) = packet.at::<{ Command::LEN }>(index as usize * Command::LEN) else {
            return Turn::Done;
        };
        let place = place.cast::<Command>();
        // SAFETY: `at` has checked that the whole command is within the packet; any bytes are a valid command.
        let mut command = unsafe { place.read_unaligned() };
        let status = if command.operation >= Operation::SetRoute as u32 {
            route(&command)
        } else if command.source == 0 {
            group(&mut command)
        } else {
            source(&mut command)
        };
        command.status = status as u32;
        // SAFETY: as above.
        unsafe { place.write_unaligned(command) };
        Turn::More
    }
}

#[inline(always)]
fn is(command: &Command, operation: Operation) -> bool {
    command.operation == operation as u32
}

/// Clears and sets bits in place; returns what was there before.
#[inline(always)]
fn change(flags: *mut u32, command: &Command) -> u32 {
    // SAFETY: the pointer is to a field of a map value, aligned and alive while the program runs; all programs change it
    // by atomic operations only.
    let flags = unsafe { Shared::new(flags) };
    if !is(command, Operation::Change) && !is(command, Operation::Upsert) {
        return flags.load();
    }
    // What was there comes from the very operation that clears it: a mark that the XDP program sets a moment later stays
    // for the next reader instead of being cleared unseen.
    let before = flags.mask(!command.clear);
    flags.set(command.set);
    before
}

#[inline(always)]
fn groups_of(slot: u32) -> Option<Shared<u32>> {
    let usage = USAGE.get_ptr_mut(slot)?;
    // SAFETY: the pointer is to a value of an array map, which lives as long as the program; all programs change this
    // field by atomic operations only.
    Some(unsafe { Shared::new(&raw mut (*usage).groups) })
}

#[inline(always)]
fn group(command: &mut Command) -> CommandStatus {
    let key = GroupKey {
        slot: command.slot,
        group: command.group,
    };
    let entry = match GROUPS.get_ptr_mut(&key) {
        Some(entry) => entry,
        None if is(command, Operation::Upsert) => {
            let entry = GroupEntry {
                last_report: command.last_report,
                reporter: command.reporter,
                flags: command.set,
                sources: 0,
                reserved: 0,
            };
            if GROUPS.insert(&key, &entry, u64::from(BPF_NOEXIST)).is_ok() {
                if let Some(groups) = groups_of(command.slot) {
                    groups.add(1);
                }
                return CommandStatus::Done;
            }
            match GROUPS.get_ptr_mut(&key) {
                Some(entry) => entry,
                None => return CommandStatus::Full,
            }
        }
        None => return CommandStatus::Missing,
    };
    let limit = command.last_report[0];
    // SAFETY: the pointer is to a value of the map, alive while the program runs. Times are single aligned words.
    unsafe {
        let times = (&raw const (*entry).last_report).cast::<u64>();
        command.last_report = [
            times.read_volatile(),
            times.add(1).read_volatile(),
            times.add(2).read_volatile(),
        ];
        command.reporter = (&raw const (*entry).reporter).read_volatile();
        command.set = change(&raw mut (*entry).flags, command);
    }
    if is(command, Operation::DeleteUnlessNewer) {
        let [first, second, third] = command.last_report;
        if first > limit || second > limit || third > limit || command.set & GroupFlags::LOST != 0 {
            return CommandStatus::Newer;
        }
        if GROUPS.remove(&key).is_ok()
            && let Some(groups) = groups_of(command.slot)
        {
            groups.subtract(1);
        }
    }
    CommandStatus::Done
}

#[inline(always)]
fn source(command: &mut Command) -> CommandStatus {
    let Aligned(key) = &Aligned(SourceKey {
        slot: command.slot,
        group: command.group,
        source: command.source,
    });
    let group = GroupKey {
        slot: command.slot,
        group: command.group,
    };
    let entry = match SOURCES.get_ptr_mut(key) {
        Some(entry) => entry,
        None if is(command, Operation::Upsert) => {
            let entry = SourceEntry {
                last_report: command.last_report[0],
                reporter: command.reporter,
                flags: command.set,
            };
            if SOURCES.insert(key, &entry, u64::from(BPF_NOEXIST)).is_ok() {
                if let Some(group) = GROUPS.get_ptr_mut(&group) {
                    source_count(group).add(1);
                }
                return CommandStatus::Done;
            }
            match SOURCES.get_ptr_mut(key) {
                Some(entry) => entry,
                None => return CommandStatus::Full,
            }
        }
        None => return CommandStatus::Missing,
    };
    let limit = command.last_report[0];
    // SAFETY: as in `group`.
    unsafe {
        command.last_report = [(&raw const (*entry).last_report).read_volatile(), 0, 0];
        command.reporter = (&raw const (*entry).reporter).read_volatile();
        command.set = change(&raw mut (*entry).flags, command);
    }
    if is(command, Operation::DeleteUnlessNewer) {
        if command.last_report[0] > limit {
            return CommandStatus::Newer;
        }
        if SOURCES.remove(key).is_ok()
            && let Some(group) = GROUPS.get_ptr_mut(&group)
        {
            let count = source_count(group);
            // The group may have been deleted and inserted anew while it had sources; those were not counted again.
            if count.load() > 0 {
                count.subtract(1);
            }
        }
    }
    CommandStatus::Done
}

/// Sets or removes a route. Nobody else writes routes, so they are replaced as a whole.
#[inline(always)]
fn route(command: &Command) -> CommandStatus {
    let key = RouteKey {
        group: command.group,
        source: command.source,
    };
    if !is(command, Operation::SetRoute) {
        return match ROUTES.remove(&key) {
            Ok(()) => CommandStatus::Done,
            Err(_) => CommandStatus::Missing,
        };
    }
    let entry = RouteEntry {
        port_set: command.set,
        incoming: command.clear,
    };
    match ROUTES.insert(&key, &entry, 0) {
        Ok(()) => CommandStatus::Done,
        Err(_) => CommandStatus::Full,
    }
}
