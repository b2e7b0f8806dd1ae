//! `show routes`.

use std::{fmt, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{Seconds, any_source};

/// The answer to `GET /v1/routes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Routes {
    /// One entry for each route, by group and then by source, `*` first; addresses as numbers.
    pub route: Vec<Route>,
}

/// Where the packets of a group, or of one source of it, go. Sources that send are listed although they have no route of
/// their own: they go where their group goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Route {
    /// The source; `None`, which is written as `*`, for all that have no route of their own.
    #[serde(with = "any_source")]
    pub source_address: Option<Ipv4Addr>,
    /// The group.
    pub group_address: Ipv4Addr,
    /// The interface that packets have to come in on (RPF), or that they come in on by the routing table, where this is a
    /// proxy, which accepts them anywhere. `None` where that is not exactly one.
    pub incoming_interface: Option<String>,
    /// The interfaces that packets go out of, by name. An empty list is that of a source that nobody wants.
    pub outgoing_interface: Vec<String>,
    /// Packets that it has carried, each counted once, however many interfaces it went out of. The route of a group
    /// counts those of all sources that have no route of their own.
    pub packets: u64,
    /// Bytes of those packets, from the IP header on.
    pub bytes: u64,
    /// Since when there has been such a route.
    pub up_time: Seconds,
    /// Who carries the packets.
    pub engine: RouteEngine,
}

/// Who carries multicast data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteEngine {
    /// The XDP program, and the classifier that helps it.
    Xdp,
    /// The kernel's multicast routing.
    Kernel,
}

impl fmt::Display for RouteEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Xdp => "xdp",
            Self::Kernel => "kernel",
        })
    }
}
