//! What is asked of an upstream router for all downstream members together (RFC 4605 §4.1).

use core::net::Ipv4Addr;

use crate::mode::FilterMode;

/// A record of the membership database of a proxy: what all members of a group on all downstream interfaces want,
/// merged by RFC 9776 §3.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The group.
    pub group: Ipv4Addr,
    /// EXCLUDE where any member is in EXCLUDE mode.
    pub filter_mode: FilterMode,
    /// The sources that are wanted in INCLUDE mode, and those that nobody wants in EXCLUDE mode, ascending.
    pub sources: Vec<Ipv4Addr>,
}

/// A change of a [`Subscription`]. One that does not exist is INCLUDE ({}), as in RFC 9776 §5.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionChange {
    /// The group.
    pub group: Ipv4Addr,
    /// The filter mode from now on.
    pub filter_mode: FilterMode,
    /// The source list from now on.
    pub sources: SourceListChange,
}

/// A change of the source list of a [`Subscription`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceListChange {
    /// The whole list, ascending. It comes with each change of the filter mode.
    Replaced(Vec<Ipv4Addr>),
    /// What differs, while the filter mode stays.
    Changed {
        /// Sources that are listed now.
        added: Vec<Ipv4Addr>,
        /// Sources that are listed no more.
        removed: Vec<Ipv4Addr>,
    },
}
