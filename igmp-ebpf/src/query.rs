//! Queries of other routers.

use igmp_wire::{
    Refusal,
    abi::{Event, EventKind},
    igmp::{Kind, query, query::S_FLAG},
};

use crate::{event, maps::USAGE, rate, report::Reporter};

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
    if !rate::take_token(usage, reporter.now) {
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
