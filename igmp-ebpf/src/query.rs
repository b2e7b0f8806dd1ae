//! Queries of other routers.

use igmp_wire::{
    Refusal,
    abi::{Event, EventKind, InterfaceUsage},
    igmp::{Kind, query, query::S_FLAG},
};

use crate::{event, maps::USAGE, report::Reporter};

/// Most queries a second and interface that become events. A querier whose members leave in a storm sends a few
/// thousand.
const QUERY_EVENT_RATE: u64 = 10_000;
/// Most queries at once.
const QUERY_EVENT_BURST: u32 = 20_000;
/// Nanoseconds in which one more query is allowed.
const QUERY_EVENT_SPACING: u64 = 1_000_000_000 / QUERY_EVENT_RATE;

/// Hands a query to the agent.
///
/// A query that finds the ring full is lost like one that the network lost: it is repeated.
///
/// # Errors
///
/// Those of [`query::parse`], and [`Refusal::Rate`] where there were too many lately.
#[inline(always)]
pub(crate) fn query(reporter: &Reporter, kind: Kind, offset: usize, len: usize) -> Result<(), Refusal> {
    let query = query::parse(&reporter.packet, kind, offset, len)?;
    let usage = USAGE.get_ptr_mut(reporter.slot).ok_or(Refusal::Rate)?;
    if !take_token(usage, reporter.now) {
        return Err(Refusal::Rate);
    }
    let suppress = if query.suppress { S_FLAG } else { 0 };
    let event = Event {
        time: reporter.now,
        slot: reporter.slot,
        group: query.group.to_bits(),
        sender: reporter.address,
        source_count: query.source_count,
        kind: EventKind::Query as u8,
        version: query.version,
        max_resp_code: query.max_resp_code,
        s_qrv: suppress | query.qrv,
        qqic: query.qqic,
        ..Event::default()
    };
    event::hand(&reporter.packet, &event, query.sources, reporter.counters);
    Ok(())
}

/// Takes a token, if there is one. CPUs that do so at once may take the same one, which lets a few more queries through.
#[inline(always)]
fn take_token(usage: *mut InterfaceUsage, now: u64) -> bool {
    // SAFETY: the pointer is to a value of an array map, which lives as long as the program. The two fields are read and
    // written as single words.
    unsafe {
        let tokens = &raw mut (*usage).query_tokens;
        let refill = &raw mut (*usage).query_refill;
        let earned = now.wrapping_sub(refill.read_volatile()) / QUERY_EVENT_SPACING;
        let mut left = tokens.read_volatile();
        if earned > 0 {
            refill.write_volatile(now);
            let sum = u64::from(left) + earned;
            left = if sum > u64::from(QUERY_EVENT_BURST) {
                QUERY_EVENT_BURST
            } else {
                sum as u32
            };
        }
        if left == 0 {
            return false;
        }
        tokens.write_volatile(left - 1);
        true
    }
}
