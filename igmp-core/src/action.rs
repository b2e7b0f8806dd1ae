//! What the router wants done.

use core::net::Ipv4Addr;

use smallvec::SmallVec;

use crate::{InterfaceId, time::Duration};

/// The interfaces that packets of a route leave through, ascending. Nearly always they are few, and take no memory of their
/// own.
pub type Outgoing = SmallVec<[InterfaceId; 4]>;

/// An output of the core. The caller carries them out in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send a query.
    SendQuery(SendQuery),
    /// The group has members, or what refreshes it has changed: make the kernel's entry say so. It takes the entry out
    /// of the pending state, and out of those of lost events, too.
    SetGroup {
        /// The interface.
        interface: InterfaceId,
        /// The group.
        group: Ipv4Addr,
        /// Which reports change nothing but the time.
        refresh: Refresh,
    },
    /// The group has no members left. Reports that refreshed the kernel's entry meanwhile must not be lost with it: they
    /// come back as [`Event::Found`](crate::Event::Found).
    RemoveGroup {
        /// The interface.
        interface: InterfaceId,
        /// The group.
        group: Ipv4Addr,
    },
    /// The source's timer runs: reports of it refresh the kernel's entry from now on.
    SetSource {
        /// The interface.
        interface: InterfaceId,
        /// The group.
        group: Ipv4Addr,
        /// The source.
        source: Ipv4Addr,
    },
    /// The source's timer does not run any more. As with groups, a refresh that came meanwhile must not be lost.
    RemoveSource {
        /// The interface.
        interface: InterfaceId,
        /// The group.
        group: Ipv4Addr,
        /// The source.
        source: Ipv4Addr,
    },
    /// Where packets of the group go from now on: out of these interfaces but the one that they came in on.
    ///
    /// The route of the source, where there is one, takes precedence over that of the group. A source that must not reach an
    /// interface which wants all others has a route of its own, and its list may be empty. Only what changed is told, and
    /// of a group as much as there is to tell in one go: carried out in order, the actions lead each source over from its
    /// old ports to its new ones in one step, although one route comes after the other.
    SetRoute {
        /// The group.
        group: Ipv4Addr,
        /// The source, `None` for all that have no route of their own.
        source: Option<Ipv4Addr>,
        /// The interfaces with members, ascending.
        outgoing: Outgoing,
    },
    /// The route is no longer needed.
    RemoveRoute {
        /// The group.
        group: Ipv4Addr,
        /// The source, `None` for the route of the group.
        source: Option<Ipv4Addr>,
    },
    /// Tell operators.
    Notify(Notification),
    /// Something that an operator should read in the log. The core limits how often it says the same.
    Warn(Warning),
}

/// Which reports leave a group as it is and only refresh it, so that the kernel need not hand them over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refresh {
    /// Version 1 reports: the group is in EXCLUDE({}) and in version 1 compatibility mode.
    pub v1: bool,
    /// Version 2 reports: EXCLUDE({}), and the version 2 host timer runs.
    pub v2: bool,
    /// Version 3 records that exclude nothing: EXCLUDE({}).
    pub v3: bool,
}

/// A query to send (RFC 9776 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendQuery {
    /// Where to send it.
    pub interface: InterfaceId,
    /// The version of the format, 1 to 3.
    pub version: u8,
    /// The group, or `None` for a General Query. It is sent to the group, or to 224.0.0.1.
    pub group: Option<Ipv4Addr>,
    /// Max Response Time. To be encoded for `version`.
    pub max_response_time: Duration,
    /// The S flag.
    pub suppress: bool,
    /// QRV, 0 where the Robustness Variable does not fit.
    pub qrv: u8,
    /// The Query Interval, for QQIC.
    pub query_interval: Duration,
    /// The sources asked for. They fit into one packet of the interface's MTU.
    pub sources: Vec<Ipv4Addr>,
}

/// Something that happened, for `igmpctl monitor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What happened.
    pub kind: NotificationKind,
    /// Where.
    pub interface: InterfaceId,
    /// The group, where it is about one.
    pub group: Option<Ipv4Addr>,
    /// The source, where it is about one.
    pub source: Option<Ipv4Addr>,
    /// The host whose report caused it, or the new querier.
    pub reporter: Option<Ipv4Addr>,
    /// Why.
    pub reason: Reason,
}

/// What a [`Notification`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationKind {
    /// A group got its first member on an interface.
    GroupJoined,
    /// A group lost its last member on an interface, and with it all of its sources.
    GroupLeft,
    /// A source is wanted by name that was not before: its timer runs now.
    SourceAdded,
    /// A source is no longer wanted by name: its timer does not run any more.
    SourceRemoved,
    /// Another router, or this one, is the querier now.
    QuerierChanged,
    /// A limit refused a group or source for the first time in a while.
    LimitReached,
}

/// Why something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A report asked for it.
    Report,
    /// A host left, and nobody answered the last-member query.
    Leave,
    /// No report came before the timer ended.
    Timeout,
    /// The configuration says so.
    Static,
    /// The operator cleared it.
    Clear,
    /// A limit is reached.
    Limit,
    /// The interface went down.
    Interface,
}

/// Something for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A query of another version than this interface's was heard (RFC 9776 §7.3.1): all routers of a link must run the
    /// same version.
    VersionMismatch {
        /// The interface.
        interface: InterfaceId,
        /// The version this interface runs.
        configured: u8,
        /// The version of the query.
        heard: u8,
        /// Who sent it.
        querier: Ipv4Addr,
    },
    /// A limit refused groups or sources.
    LimitReached {
        /// The interface.
        interface: InterfaceId,
        /// The group concerned.
        group: Ipv4Addr,
        /// The limit.
        limit: u32,
        /// Whether it is the limit on sources of one group rather than on groups.
        sources: bool,
    },
    /// Sources were refused because there is no room for more on all interfaces together.
    CapacityReached {
        /// The interface.
        interface: InterfaceId,
        /// The group concerned.
        group: Ipv4Addr,
        /// How many sources there is room for.
        limit: u32,
    },
}
