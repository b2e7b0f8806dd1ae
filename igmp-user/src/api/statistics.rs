//! `show statistics`.

use std::{collections::BTreeMap, fmt};

use igmp_wire::{Refusal, abi::InterfaceCounters, igmp::Kind};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};

use super::PimStatistics;

/// The answer to `GET /v1/statistics`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Statistics {
    /// One entry for each interface that has counters.
    pub interface: Vec<InterfaceStatistics>,
    /// How often the agent searched the maps for changes whose events were lost.
    pub resyncs: u64,
}

/// Counters of an interface. They begin at 0 when the agent starts to serve it, and only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct InterfaceStatistics {
    /// The interface.
    pub interface_name: String,
    /// IGMP messages received, by what they are and before they are judged.
    pub received: Received,
    /// Messages sent.
    pub sent: Sent,
    /// Packets refused, by the first reason that applied.
    pub dropped: Dropped,
    /// Reports that changed nothing and were handled in the kernel.
    pub refreshed_in_kernel: u64,
    /// Changes that the XDP program handed to the agent.
    pub events: u64,
    /// Changes that it could not hand over, and that a resynchronisation found.
    pub events_lost: u64,
    /// Multicast data packets sent out of the interface.
    pub forwarded_packets: u64,
    /// Bytes of those packets, from the IP header on.
    pub forwarded_bytes: u64,
    /// PIM, where it is enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pim: Option<PimStatistics>,
}

/// IGMP messages received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Received {
    /// All of them, unknown types included.
    pub total: u64,
    /// Version 1 queries.
    pub query_v1: u64,
    /// Version 2 queries.
    pub query_v2: u64,
    /// Version 3 queries.
    pub query_v3: u64,
    /// Version 1 reports.
    pub report_v1: u64,
    /// Version 2 reports.
    pub report_v2: u64,
    /// Version 3 reports.
    pub report_v3: u64,
    /// Version 2 Leaves.
    pub leave: u64,
}

/// IGMP messages sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sent {
    /// All of them.
    pub total: u64,
    /// General Queries.
    pub general_query: u64,
    /// Group-Specific Queries.
    pub group_query: u64,
    /// Group-and-Source-Specific Queries.
    pub group_source_query: u64,
    /// Reports and Leaves, beside the others; only of an interface that has been the upstream interface of a proxy.
    #[serde(flatten)]
    pub reports: Option<SentReports>,
}

/// IGMP messages of the host side of a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SentReports {
    /// Version 1 reports.
    pub report_v1: u64,
    /// Version 2 reports.
    pub report_v2: u64,
    /// Version 3 reports.
    pub report_v3: u64,
    /// Version 2 Leaves.
    pub leave: u64,
}

/// Packets refused, by reason. In JSON it is an object with one member for each [`Refusal`], by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped([u64; Refusal::COUNT]);

impl InterfaceStatistics {
    /// Puts together what the kernel and the agent counted, without PIM.
    pub fn new(interface_name: &str, counters: &InterfaceCounters, sent: Sent) -> Self {
        let InterfaceCounters {
            received,
            dropped,
            refreshed,
            events,
            events_lost,
            forwarded_packets,
            forwarded_bytes,
        } = counters;
        let of = |kind: Kind| received.get(kind as usize).copied().unwrap_or(0);
        Self {
            interface_name: interface_name.to_owned(),
            received: Received {
                total: received.first().copied().unwrap_or(0),
                query_v1: of(Kind::QueryV1),
                query_v2: of(Kind::QueryV2),
                query_v3: of(Kind::QueryV3),
                report_v1: of(Kind::ReportV1),
                report_v2: of(Kind::ReportV2),
                report_v3: of(Kind::ReportV3),
                leave: of(Kind::Leave),
            },
            sent,
            dropped: Dropped(*dropped),
            refreshed_in_kernel: *refreshed,
            events: *events,
            events_lost: *events_lost,
            forwarded_packets: *forwarded_packets,
            forwarded_bytes: *forwarded_bytes,
            pim: None,
        }
    }
}

impl Dropped {
    /// How many were refused for this reason.
    pub fn get(&self, reason: Refusal) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Refusal, u64)> + '_ {
        Refusal::ALL.into_iter().map(|reason| (reason, self.get(reason)))
    }

    /// How many were refused, whatever the reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Serialize for Dropped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Refusal::COUNT))?;
        for (reason, count) in self.iter() {
            map.serialize_entry(reason.name(), &count)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Dropped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let counts = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let mut dropped = Self::default();
        for (count, reason) in dropped.0.iter_mut().zip(Refusal::ALL) {
            *count = *counts
                .get(reason.name())
                .ok_or_else(|| de::Error::missing_field(reason.name()))?;
        }
        Ok(dropped)
    }
}

impl fmt::Display for Dropped {
    /// The reasons that occurred, or a dash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        reasons(f, self.iter().map(|(reason, count)| (reason.name(), count)))
    }
}

/// The reasons that occurred, or a dash.
pub(super) fn reasons(
    f: &mut fmt::Formatter<'_>,
    counts: impl Iterator<Item = (&'static str, u64)>,
) -> fmt::Result {
    let mut separator = "";
    for (reason, count) in counts.filter(|(_, count)| *count > 0) {
        write!(f, "{separator}{reason} {count}")?;
        separator = ", ";
    }
    if separator.is_empty() {
        f.write_str("-")
    } else {
        Ok(())
    }
}
