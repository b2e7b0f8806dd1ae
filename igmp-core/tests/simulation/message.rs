//! What travels over the link.

use core::net::Ipv4Addr;

use igmp_wire::igmp::RecordKind;

/// A node on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    Router(usize),
    Host(usize),
}

/// A frame.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) from: Node,
    /// IP source.
    pub(crate) source: Ipv4Addr,
    pub(crate) message: Message,
    /// Which queries a report answers, so that a link of bounded loss can keep its promise; not on the wire. Empty for
    /// reports of changes.
    pub(crate) answers: Vec<usize>,
    /// The number of a query, for the same purpose.
    pub(crate) query: Option<usize>,
}

/// An IGMP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Query(Query),
    ReportV1(Ipv4Addr),
    ReportV2(Ipv4Addr),
    Leave(Ipv4Addr),
    ReportV3(Vec<Record>),
}

/// A query of any version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) version: u8,
    pub(crate) group: Option<Ipv4Addr>,
    pub(crate) max_resp_code: u8,
    pub(crate) suppress: bool,
    pub(crate) qrv: u8,
    pub(crate) qqic: u8,
    pub(crate) sources: Vec<Ipv4Addr>,
}

/// A group record of a version 3 report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) kind: RecordKind,
    pub(crate) group: Ipv4Addr,
    pub(crate) sources: Vec<Ipv4Addr>,
}

impl Message {
    /// The groups that the message is about. None for a General Query.
    pub(crate) fn groups(&self) -> Vec<Ipv4Addr> {
        match self {
            Self::Query(query) => query.group.into_iter().collect(),
            Self::ReportV1(group) | Self::ReportV2(group) | Self::Leave(group) => vec![*group],
            Self::ReportV3(records) => records.iter().map(|record| record.group).collect(),
        }
    }

    /// Whether hosts listen to it.
    pub(crate) fn concerns_hosts(&self) -> bool {
        matches!(self, Self::Query(_)) || self.suppresses()
    }

    /// Whether hosts of version 1 and 2 keep quiet when they hear it.
    pub(crate) fn suppresses(&self) -> bool {
        matches!(self, Self::ReportV1(_) | Self::ReportV2(_))
    }
}
