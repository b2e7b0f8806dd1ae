//! The short way for reports that only repeat what is known.
//!
//! Whatever is not such a report, or names a group that is not known, has left no trace here but times that are written once
//! more on the way that everything else takes: it is judged, applied and counted there, from the beginning.

use aya_ebpf::{bindings::xdp_action::XDP_DROP, helpers::bpf_ktime_get_ns};
use igmp_wire::{
    abi::{GroupEntry, GroupFlags, GroupKey, MAX_DEVICES, RefreshEntry},
    igmp::{Kind, report::RECORD_HEADER_LEN},
    plain::{self, MAX_RECORDS, Named, WORDS},
};

use crate::{
    count::Counters,
    maps::{CONFIGS, DEVICES, GROUPS, REFRESHES, refresh_bits},
    packet::XdpPacket,
};

/// Records that are summed together.
const CHUNK: u32 = 8;
/// 32-bit words of a record.
const RECORD_WORDS: usize = RECORD_HEADER_LEN / 4;

/// Who reports, and when.
#[derive(Clone, Copy)]
struct Reporter {
    slot: u32,
    address: u32,
    now: u64,
}

/// Handles a report of the commonest shape all of whose groups are known. `None` for any other frame. The frame is one of
/// IPv4 without tag whose header has one word of options.
#[inline(always)]
pub(crate) fn refresh(packet: &XdpPacket) -> Option<u32> {
    let frame = packet.at::<{ plain::RECORDS }>(0)?.cast::<u8>();
    // SAFETY: `at` has checked that the bytes are within the frame.
    let report = plain::report(&unsafe { words(frame) }, packet.len())?;
    let is_version_3 = report.records != 0;
    let sum = if is_version_3 {
        report.sum + sum_of_records(packet, report.records)?
    } else {
        report.sum
    };
    if !plain::is_intact(sum) {
        return None;
    }

    let ifindex = packet.ifindex();
    if ifindex >= MAX_DEVICES {
        return None;
    }
    // SAFETY: the pointer is to a value of an array map, which lives as long as the program.
    let slot = unsafe { DEVICES.get_ptr(ifindex)?.read_volatile() }.wrapping_sub(1);
    let config = CONFIGS.get(slot)?;
    if !plain::is_accepted(config, report.source, is_version_3) {
        return None;
    }
    let counters = Counters::of(slot)?;
    let reporter = Reporter {
        slot,
        address: report.source,
        // SAFETY: the helper takes no argument and always succeeds.
        now: unsafe { bpf_ktime_get_ns() },
    };
    if is_version_3 {
        let refreshed = records(packet, &reporter, report.records)?;
        counters.received(Some(Kind::ReportV3));
        counters.refreshed(refreshed);
    } else {
        let refreshed = group(&reporter, report.group, 2)?;
        counters.received(Some(Kind::ReportV2));
        counters.refreshed(refreshed);
    }
    Some(XDP_DROP)
}

/// The IPv4 header and what the message begins with.
///
/// # Safety
///
/// All of that is within the frame, which begins at `frame`.
#[inline(always)]
unsafe fn words(frame: *mut u8) -> [u32; WORDS] {
    // SAFETY: the caller has checked it.
    unsafe { frame.add(plain::IP).cast::<[u32; WORDS]>().read_unaligned() }
}

/// Adds up the words of all records. `None` where one of them does more than name a group, or where the frame ends before.
///
/// An ordinary loop: the turns of `bpf_loop` are calls, and with the mitigations of some processors each return from a call
/// takes as long as all else that there is to do for a record.
#[inline(always)]
fn sum_of_records(packet: &XdpPacket, records: u32) -> Option<u64> {
    let mut sum = 0;
    let mut difference = 0;
    let mut left = records;
    let mut offset = plain::RECORDS;
    for _ in 0..MAX_RECORDS / CHUNK {
        if left < CHUNK {
            break;
        }
        sum += sum_of::<{ CHUNK as usize * RECORD_WORDS }, { CHUNK as usize * RECORD_HEADER_LEN }>(
            packet,
            offset,
            &mut difference,
        )?;
        offset += CHUNK as usize * RECORD_HEADER_LEN;
        left -= CHUNK;
    }
    for _ in 1..CHUNK {
        if left == 0 {
            break;
        }
        sum += sum_of::<RECORD_WORDS, RECORD_HEADER_LEN>(packet, offset, &mut difference)?;
        offset += RECORD_HEADER_LEN;
        left -= 1;
    }
    (difference == 0).then_some(sum)
}

/// Adds up the words of some records, which have `WORDS` words and `LEN` bytes together.
#[inline(always)]
fn sum_of<const WORDS: usize, const LEN: usize>(
    packet: &XdpPacket,
    offset: usize,
    difference: &mut u32,
) -> Option<u64> {
    let place = packet.at::<LEN>(offset)?;
    // SAFETY: `at` has checked that the bytes are within the frame, and these are as many.
    let words = unsafe { place.cast::<[u32; WORDS]>().read_unaligned() };
    let mut sum = 0;
    for [first, group] in words.as_chunks::<RECORD_WORDS>().0 {
        *difference |= plain::difference(*first);
        sum += u64::from(*first) + u64::from(*group);
    }
    Some(sum)
}

/// Refreshes the group of each record, and tells how many there were. `None` where one of them cannot be refreshed; those
/// before it have been.
#[inline(always)]
fn records(packet: &XdpPacket, reporter: &Reporter, records: u32) -> Option<u32> {
    let mut refreshed = 0;
    for index in 0..MAX_RECORDS {
        if index >= records {
            break;
        }
        let place = packet.at::<4>(plain::RECORDS + index as usize * RECORD_HEADER_LEN + 4)?;
        // SAFETY: `at` has checked that the bytes are within the frame.
        let address = u32::from_be_bytes(unsafe { place.read_unaligned() });
        refreshed += group(reporter, address, 3)?;
    }
    Some(refreshed)
}

/// Notes the time in the table of refreshes. Tells whether the group has an entry there for reports of this version.
#[inline(always)]
fn note(reporter: &Reporter, group: u32, version: u8) -> bool {
    let Some(entry) = REFRESHES.get_ptr_mut(RefreshEntry::place(reporter.slot, group, refresh_bits())) else {
        return false;
    };
    // SAFETY: the pointer is to a value of an array map, which lives as long as the program. Its fields are read and written
    // by single loads and stores of aligned words. That the entry does not become that of another group meanwhile, the agent
    // sees to.
    unsafe {
        let stamp = &raw mut (*entry).stamp;
        // One comparison: each more is one more way for the verifier to go, with each record.
        let tag = (&raw const (*entry).tag).read_volatile() ^ RefreshEntry::tag(group, version);
        let slot = RefreshEntry::slot(stamp.read_volatile()) ^ reporter.slot;
        if tag | slot != 0 {
            return false;
        }
        stamp.write_volatile(RefreshEntry::stamp(reporter.slot, reporter.now));
        (&raw mut (*entry).reporter).write_volatile(reporter.address);
    }
    true
}

/// Refreshes a group by a report of this version. Tells how many memberships that were: 0 for a group of which none is kept.
#[inline(always)]
fn group(reporter: &Reporter, group: u32, version: u8) -> Option<u32> {
    match plain::named(group) {
        Named::Group => {}
        Named::LinkLocal => return Some(0),
        Named::Other => return None,
    }
    if note(reporter, group, version) {
        return Some(1);
    }
    let key = GroupKey {
        slot: reporter.slot,
        group,
    };
    let entry = GROUPS.get_ptr_mut(&key)?;
    // SAFETY: the pointer is to a value of the map, alive while the program runs.
    let flags = unsafe { (&raw const (*entry).flags).read_volatile() };
    if flags & GroupFlags::refresh(version) == 0 {
        return None;
    }
    write(reporter, entry, version);
    Some(1)
}

/// Writes the time of a report that changes nothing else.
#[inline(always)]
fn write(reporter: &Reporter, entry: *mut GroupEntry, version: u8) {
    // SAFETY: as in `group`. Times and reporter are written by single stores of an aligned word, so readers see an old or a
    // new one.
    unsafe {
        (&raw mut (*entry).last_report)
            .cast::<u64>()
            .add(usize::from(version) - 1)
            .write_volatile(reporter.now);
        (&raw mut (*entry).reporter).write_volatile(reporter.address);
    }
}
