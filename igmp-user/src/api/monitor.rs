//! `monitor`.

use std::{fmt, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

/// One line of `GET /v1/monitor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MonitorEvent {
    /// When it happened, in UTC to a microsecond, as in `2026-11-22T10:00:00.123456Z`.
    pub time: String,
    /// What happened.
    pub event: MonitorEventKind,
    /// Where; for a route the interface that packets come in on, empty where that is not exactly one.
    pub interface_name: String,
    /// The group, where it is about one.
    pub group_address: Option<Ipv4Addr>,
    /// The source, where it is about one.
    pub source_address: Option<Ipv4Addr>,
    /// The host whose report caused it, or the new querier, the PIM neighbour, the new Designated Router.
    pub reporter: Option<Ipv4Addr>,
    /// Why.
    pub reason: MonitorReason,
}

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $name)] $variant,)+
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $name,)+ })
            }
        }
    };
}

names! {
    /// What a [`MonitorEvent`] is about.
    MonitorEventKind {
        /// A group got its first member on an interface.
        GroupJoined = "group-joined",
        /// A group lost its last member on an interface.
        GroupLeft = "group-left",
        /// A source is wanted that was not before.
        SourceAdded = "source-added",
        /// A source is no longer wanted.
        SourceRemoved = "source-removed",
        /// Another router, or this one, is the querier now.
        QuerierChanged = "querier-changed",
        /// Multicast data is carried that was not before.
        RouteAdded = "route-added",
        /// Multicast data is no longer carried.
        RouteRemoved = "route-removed",
        /// A PIM neighbour appeared.
        NeighborUp = "neighbor-up",
        /// A PIM neighbour vanished.
        NeighborDown = "neighbor-down",
        /// Another router, or this one, is the Designated Router of a network now.
        DrChanged = "dr-changed",
        /// An interface came up.
        InterfaceUp = "interface-up",
        /// An interface went down.
        InterfaceDown = "interface-down",
        /// A limit refused groups or sources.
        LimitReached = "limit-reached",
    }
}

names! {
    /// Why it happened.
    MonitorReason {
        /// A report asked for it, or a query or a Hello was heard.
        Report = "report",
        /// A host left, or a neighbour said goodbye.
        Leave = "leave",
        /// A timer ended.
        Timeout = "timeout",
        /// The configuration says so.
        Static = "static",
        /// The operator cleared it.
        Clear = "clear",
        /// A limit is reached.
        Limit = "limit",
        /// The interface went up or down.
        Interface = "interface",
    }
}
