//! What the host side knows, to look at.

use core::net::Ipv4Addr;

use crate::{
    InterfaceId,
    mode::FilterMode,
    time::{Duration, Instant},
};

/// What is asked of the upstream router for one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinView {
    /// The group.
    pub group: Ipv4Addr,
    /// The filter mode.
    pub filter_mode: FilterMode,
    /// The sources wanted in INCLUDE mode, those not wanted in EXCLUDE mode, ascending.
    pub sources: Vec<Ipv4Addr>,
    /// Since how long anything of the group is wanted.
    pub up_time: Duration,
    /// How far it has been told.
    pub state: JoinState,
}

/// How far a membership has been told to the upstream router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinState {
    /// It was told since the upstream interface last came up.
    Joined,
    /// It is still to be told, or the upstream interface is down or without address.
    Pending,
    /// It cannot be told: it is of the source-specific range, and the querier speaks a version without sources
    /// (RFC 9776 §7.2.1).
    Unsupported,
}

/// The upstream interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamView {
    /// The interface.
    pub interface: InterfaceId,
    /// Whether it is up.
    pub is_up: bool,
    /// Its address, if it has one.
    pub address: Option<Ipv4Addr>,
    /// Who sent the last General Query.
    pub querier: Option<Ipv4Addr>,
    /// Host Compatibility Mode, 1 to 3 and no newer than configured (§7.2.1).
    pub compatibility_mode: u8,
    /// When a version 1 querier counts as gone, and when a version 2 querier does. `None` where that is so.
    pub older_querier_expiry: [Option<Instant>; 2],
    /// Robustness Variable in force.
    pub robustness_variable: u8,
    /// How many groups are wanted.
    pub groups_count: usize,
}
