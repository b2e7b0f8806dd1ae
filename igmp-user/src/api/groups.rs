//! `show groups`.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::Seconds;

/// The answer to `GET /v1/groups`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Groups {
    /// One entry for each group and interface.
    pub group: Vec<Group>,
}

/// A group with members on an interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Group {
    /// The interface.
    pub interface_name: String,
    /// The group.
    pub group_address: Ipv4Addr,
    /// Its filter mode (RFC 9776 §6.2.1).
    pub filter_mode: FilterMode,
    /// Until the group timer ends. `None` in INCLUDE mode, which has no group timer, and for static entries.
    pub expire: Option<Seconds>,
    /// Since when the group has had members.
    pub up_time: Seconds,
    /// The host whose report was accepted last.
    pub last_reporter: Option<Ipv4Addr>,
    /// The IGMP version that the group's oldest host speaks (RFC 9776 §7.3.2).
    pub compatibility_mode: u8,
    /// Whether the configuration wants the group.
    #[serde(rename = "static")]
    pub is_static: bool,
    /// Sources that are wanted, and in EXCLUDE mode those that are not.
    pub source: Vec<Source>,
}

/// A source of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Source {
    /// The source.
    pub source_address: Ipv4Addr,
    /// Until the source timer ends; 0 for a source that is excluded, `None` for one that is static.
    pub expire: Option<Seconds>,
    /// Since when the source has been listed.
    pub up_time: Seconds,
    /// Whether its traffic is wanted.
    pub forwarding: bool,
}

/// The filter mode of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterMode {
    /// Only the sources listed.
    Include,
    /// All but those excluded.
    Exclude,
}
