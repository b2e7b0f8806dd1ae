//! What happens to the router.

use core::net::Ipv4Addr;

use igmp_wire::igmp::RecordKind;

use crate::{InterfaceId, config::InterfaceConfig, time::Instant};

/// An input of [`Router::handle`](crate::Router::handle).
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An interface came up, or was configured while up, or its configuration, address or MTU changed. Memberships
    /// that the change does not touch stay.
    InterfaceUp {
        /// The interface.
        interface: InterfaceId,
        /// Its configuration.
        config: InterfaceConfig,
        /// Its primary address, the source of queries and what the election compares. Without one the interface keeps
        /// memberships but sends no query.
        address: Option<Ipv4Addr>,
        /// Its MTU in bytes, to split queries by.
        mtu: u32,
    },
    /// An interface went down, vanished or is no longer configured. Its memberships end.
    InterfaceDown {
        /// The interface.
        interface: InterfaceId,
    },
    /// A report or leave that changes state.
    Report(Report),
    /// A query of another router.
    Query(Query),
    /// A group that was found in the kernel's map and of which the core was not told, or not completely: after the ring
    /// of events was full, after a restart, or when an entry that was to be deleted had been refreshed meanwhile.
    Found(Found),
    /// The operator's `clear groups`: memberships end and are learned anew.
    Clear {
        /// Only on this interface.
        interface: Option<InterfaceId>,
        /// Only this group.
        group: Option<Ipv4Addr>,
    },
}

/// A change that a host reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where it was received.
    pub interface: InterfaceId,
    /// When it was received. Not later than `now`, and possibly earlier by as long as events waited.
    pub time: Instant,
    /// IP source of the report.
    pub reporter: Ipv4Addr,
    /// The group.
    pub group: Ipv4Addr,
    /// What is reported.
    pub kind: ReportKind,
    /// The sources listed, in the order received, duplicates included. Empty unless `kind` is a record.
    pub sources: Vec<Ipv4Addr>,
}

/// The messages that change memberships.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// A version 1 report.
    V1,
    /// A version 2 report.
    V2,
    /// A version 2 Leave.
    Leave,
    /// A record of a version 3 report.
    Record(RecordKind),
}

/// A query of another router on the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Where it was received.
    pub interface: InterfaceId,
    /// When it was received.
    pub time: Instant,
    /// IP source of the query.
    pub querier: Ipv4Addr,
    /// The version of its format, 1 to 3.
    pub version: u8,
    /// The group, or `None` in a General Query.
    pub group: Option<Ipv4Addr>,
    /// Max Resp Code as received; how it is decoded depends on `version`.
    pub max_resp_code: u8,
    /// The S flag.
    pub suppress: bool,
    /// QRV, 0 where it is not given.
    pub qrv: u8,
    /// QQIC as received, 0 where it is not given.
    pub qqic: u8,
    /// The sources asked for.
    pub sources: Vec<Ipv4Addr>,
}

/// A group as the kernel's map has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The interface.
    pub interface: InterfaceId,
    /// The group.
    pub group: Ipv4Addr,
    /// Whether a report asked for the group in EXCLUDE mode of which the core has not been told. Without the sources it
    /// excluded, if any: those are learned from the next report.
    pub exclude: bool,
    /// Whether the kernel knows that something was reported which it could not hand over. The core then asks the hosts,
    /// and takes a join that was lost for one of this moment.
    pub incomplete: bool,
    /// When reports of version 1, 2 and 3 last refreshed the group. One of which the core does not know counts as
    /// `IS_EX({})` at that time, whatever `exclude` says: the kernel notes no other reports here.
    pub last_report: [Option<Instant>; 3],
    /// The last reporter.
    pub reporter: Ipv4Addr,
    /// Sources that hosts want, and when each was last reported.
    pub sources: Vec<(Ipv4Addr, Instant)>,
}
