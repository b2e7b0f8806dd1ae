//! `show neighbors`.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::Seconds;

/// The answer to `GET /v1/neighbors`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Neighbors {
    /// One entry for each PIM neighbour, by interface and then by address, as a number.
    pub neighbor: Vec<Neighbor>,
}

/// A PIM neighbour (RFC 7761 §4.3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Neighbor {
    /// The interface that it is heard on.
    pub interface_name: String,
    /// Its primary address there.
    pub address: Ipv4Addr,
    /// Its DR Priority. `None` for a router that tells none: then the highest address alone decides who is DR.
    pub dr_priority: Option<u32>,
    /// Its Generation ID, another one after each of its restarts. `None` for a router that tells none.
    pub generation_id: Option<u32>,
    /// For how many seconds it wants to be remembered after each Hello; 65535: for ever.
    pub hold_time: u16,
    /// Until it counts as gone unless it is heard again, `None` for never.
    pub expire: Option<Seconds>,
    /// Since when it is known.
    pub up_time: Seconds,
}
