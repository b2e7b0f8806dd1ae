//! What a run can find.

use core::net::Ipv4Addr;

use igmp_core::Instant;

/// Which check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A router does not forward what it must by the reports it has received.
    Starved,
    /// A member is without traffic though no more was lost than the Robustness Variable covers.
    MemberStarved,
    /// A source is forwarded longer than its last member allows.
    Outlived,
    /// A group is known longer than its last member allows.
    GroupOutlived,
    /// There is not exactly one querier in the end, or it does not keep its pace.
    Querier,
    /// In the end something is forwarded that nobody wants, or not forwarded that somebody wants.
    Forwarding,
    /// The kernel's maps differ from what the core knows.
    Maps,
    /// The routes that were told differ from those that follow from what the core knows of its groups.
    Routes,
    /// The kernel wakes the agent, or the querier asks, though nothing changes.
    Noise,
}

/// A failed check.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) at: Instant,
    pub(crate) group: Option<Ipv4Addr>,
    pub(crate) text: String,
}
