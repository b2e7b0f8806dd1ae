//! What the host side of a proxy hears of other hosts on the upstream network.

use core::net::Ipv4Addr;

use igmp_wire::{
    Refusal,
    abi::{Event, EventKind},
    address,
    igmp::Kind,
};

use crate::{event, maps::USAGE, rate, report::Reporter};

/// Hands a version 1 or 2 report of another host to the agent, which need not send its own then (RFC 2236 §3). Nothing
/// follows from a Leave.
///
/// A report that finds the ring full is lost like one that the network lost.
///
/// # Errors
///
/// [`Refusal::Rate`] where there were too many lately. Queries come first: there is room for them even then.
#[inline(always)]
pub(crate) fn report(reporter: &Reporter, kind: Kind, group: Ipv4Addr) -> Result<(), Refusal> {
    let event_kind = match kind {
        Kind::ReportV1 => EventKind::ReportV1,
        Kind::ReportV2 => EventKind::ReportV2,
        _ => return Ok(()),
    };
    if address::is_link_local_group(group) {
        return Ok(());
    }
    let usage = USAGE.get_ptr_mut(reporter.slot).ok_or(Refusal::Rate)?;
    if !rate::take_spare_token(usage, reporter.now) {
        return Err(Refusal::Rate);
    }
    let event = Event {
        time: reporter.now,
        slot: reporter.slot,
        group: group.to_bits(),
        sender: reporter.address,
        kind: event_kind as u8,
        ..Event::default()
    };
    event::hand(&reporter.packet, &event, 0, reporter.counters);
    Ok(())
}
