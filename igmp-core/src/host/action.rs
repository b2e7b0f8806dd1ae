//! What the host side wants sent.

use core::net::Ipv4Addr;

use igmp_wire::{
    address::{ALL_ROUTERS, IGMP_ROUTERS},
    igmp::RecordKind,
};

use crate::InterfaceId;

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendReport {
    /// The upstream interface.
    pub interface: InterfaceId,
    /// Its address, the source of the packet.
    pub source: Ipv4Addr,
    /// The message.
    pub message: ReportMessage,
}

/// A message of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportMessage {
    /// A version 1 report of this group.
    V1(Ipv4Addr),
    /// A version 2 report of this group.
    V2(Ipv4Addr),
    /// A version 2 Leave of this group.
    Leave(Ipv4Addr),
    /// A version 3 report. It fits into one packet of the upstream interface's MTU.
    V3(Vec<ReportRecord>),
}

/// A group record of a version 3 report (RFC 9776 §4.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRecord {
    /// The type of the record.
    pub kind: RecordKind,
    /// The group.
    pub group: Ipv4Addr,
    /// The sources, ascending.
    pub sources: Vec<Ipv4Addr>,
}

impl SendReport {
    /// The version of the message, 1 to 3.
    pub fn version(&self) -> u8 {
        match self.message {
            ReportMessage::V1(_) => 1,
            ReportMessage::V2(_) | ReportMessage::Leave(_) => 2,
            ReportMessage::V3(_) => 3,
        }
    }

    /// The IP destination: 224.0.0.22 for version 3 (RFC 9776 §4.2.15), 224.0.0.2 for a Leave (RFC 2236 §3), and else the
    /// group.
    pub fn destination(&self) -> Ipv4Addr {
        match self.message {
            ReportMessage::V1(group) | ReportMessage::V2(group) => group,
            ReportMessage::Leave(_) => ALL_ROUTERS,
            ReportMessage::V3(_) => IGMP_ROUTERS,
        }
    }
}
