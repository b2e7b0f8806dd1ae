//! Who is the Designated Router of a link (RFC 7761 §4.3.2).

use core::net::Ipv4Addr;

/// A router that may become the Designated Router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Its primary address.
    pub(super) address: Ipv4Addr,
    /// Its DR Priority, if it tells one.
    pub(super) dr_priority: Option<u32>,
}

/// `DR(I)`: the neighbour that is better than this router and all others, `None` where none is better than this router.
///
/// Without an address this router sends no Hello, so that its neighbours do not know of it and choose among themselves.
/// `me` is `None` then, and any neighbour is better.
pub(super) fn designated_router(
    me: Option<Candidate>,
    neighbors: impl Iterator<Item = Candidate> + Clone,
) -> Option<Ipv4Addr> {
    let by_priority = neighbors.clone().all(|neighbor| neighbor.dr_priority.is_some());
    let rank = |candidate: Candidate| {
        let dr_priority = candidate.dr_priority.filter(|_| by_priority);
        (dr_priority, candidate.address)
    };
    let best = neighbors.map(rank).max()?;
    let is_better = me.is_none_or(|me| best > rank(me));
    is_better.then_some(best.1)
}
