//! `show joins`.

use std::{fmt, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{FilterMode, Seconds, any_source};

/// The answer to `GET /v1/joins`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Joins {
    /// What is asked of upstream peers, by group and then by source, `*` first; addresses as numbers.
    pub join: Vec<Join>,
}

/// What is asked of an upstream peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Join {
    /// How it is asked.
    pub protocol: JoinProtocol,
    /// The source; `None`, which is written as `*`, for any. It is `*` in all rows of the IGMP proxy, whose sources are in
    /// `source-list`.
    #[serde(with = "any_source")]
    pub source_address: Option<Ipv4Addr>,
    /// The group.
    pub group_address: Ipv4Addr,
    /// The interface towards the peer, `None` where no way leads to the source or the rendezvous point.
    pub interface_name: Option<String>,
    /// The peer: the PIM neighbour that joins are sent to (RFC 7761 §4.1.6, RPF'), or the querier that was heard upstream.
    pub upstream_neighbor: Option<Ipv4Addr>,
    /// How far it has been asked.
    pub state: JoinState,
    /// Since when it has been wanted.
    pub up_time: Seconds,
    /// Of the IGMP proxy: the filter mode that is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_mode: Option<FilterMode>,
    /// Of the IGMP proxy: the sources that are reported as wanted in INCLUDE mode, as not wanted in EXCLUDE mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_list: Option<Vec<Ipv4Addr>>,
}

/// How a peer is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinProtocol {
    /// By Join/Prune messages (RFC 7761).
    #[serde(rename = "pim")]
    Pim,
    /// By IGMP reports (RFC 4605).
    #[serde(rename = "igmp-proxy")]
    IgmpProxy,
}

impl fmt::Display for JoinProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pim => "pim",
            Self::IgmpProxy => "igmp-proxy",
        })
    }
}

/// How far a peer has been asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JoinState {
    /// It was asked to send.
    Joined,
    /// It was asked not to send this source down the shared tree.
    Pruned,
    /// It is to be asked: there is nobody to ask yet, or it is about to be told.
    Pending,
    /// Nobody need be asked: the source is on a connected network, or this router is the rendezvous point.
    Connected,
    /// It cannot be asked: the group is source-specific, and the querier upstream speaks a version without sources.
    Unsupported,
}

impl fmt::Display for JoinState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Joined => "joined",
            Self::Pruned => "pruned",
            Self::Pending => "pending",
            Self::Connected => "connected",
            Self::Unsupported => "unsupported",
        })
    }
}
