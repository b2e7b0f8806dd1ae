//! What `igmpctl -j` prints, by the letter: a member too many or too few is an error.

use std::{collections::BTreeMap, net::Ipv4Addr};

use serde::{Deserialize, Deserializer};

/// For members that may be `null` but must be there.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(input)
}

/// `show groups`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Groups {
    /// Sorted by interface name, then group.
    pub group: Vec<Group>,
}

/// A group with members on an interface.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Group {
    /// The interface.
    pub interface_name: String,
    /// The group.
    pub group_address: Ipv4Addr,
    /// The filter mode.
    pub filter_mode: FilterMode,
    /// Seconds left on the group timer; `None` in include mode and for static entries.
    #[serde(deserialize_with = "nullable")]
    pub expire: Option<f64>,
    /// Seconds since the first member.
    pub up_time: f64,
    /// Who reported last; `None` where nobody did.
    #[serde(deserialize_with = "nullable")]
    pub last_reporter: Option<Ipv4Addr>,
    /// The IGMP version of the oldest member, 1 to 3.
    pub compatibility_mode: u8,
    /// Whether the configuration asks for it.
    #[serde(rename = "static")]
    pub is_static: bool,
    /// Sorted by address.
    pub source: Vec<Source>,
}

/// The filter mode of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterMode {
    /// The sources listed.
    Include,
    /// All sources but some.
    Exclude,
}

/// A source of a group.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Source {
    /// The source.
    pub source_address: Ipv4Addr,
    /// Seconds left on the source timer, 0 for a source that is excluded; `None` for static entries.
    #[serde(deserialize_with = "nullable")]
    pub expire: Option<f64>,
    /// Seconds since it was first listed.
    pub up_time: f64,
    /// Whether its traffic is wanted.
    pub forwarding: bool,
}

/// `show interfaces`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Interfaces {
    /// Sorted by name.
    pub interface: Vec<Interface>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Interface {
    /// The name.
    pub interface_name: String,
    /// The kernel's index, `None` while there is no such interface.
    #[serde(deserialize_with = "nullable")]
    pub ifindex: Option<u32>,
    /// `up` when it can be used.
    pub oper_status: String,
    /// The primary address.
    #[serde(deserialize_with = "nullable")]
    pub address: Option<Ipv4Addr>,
    /// How XDP is attached: `native` or `generic`.
    #[serde(deserialize_with = "nullable")]
    pub xdp_mode: Option<String>,
    /// IGMP, where it is enabled.
    #[serde(deserialize_with = "nullable")]
    pub igmp: Option<Igmp>,
    /// Whether it is the upstream interface of the proxy.
    pub proxy_upstream: bool,
    /// The host side of the proxy, on its upstream interface.
    #[serde(default)]
    pub proxy: Option<Proxy>,
    /// PIM, where it is enabled.
    #[serde(deserialize_with = "nullable")]
    pub pim: Option<Pim>,
}

/// The host side of a proxy.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Proxy {
    /// The version in force.
    pub version: u8,
    /// The querier that was heard.
    #[serde(deserialize_with = "nullable")]
    pub querier: Option<Ipv4Addr>,
    /// Seconds until a newer version is spoken.
    #[serde(deserialize_with = "nullable")]
    pub older_querier_expire: Option<f64>,
    /// Robustness Variable in force.
    pub robustness_variable: u8,
    /// Groups that are reported.
    pub groups_count: u32,
}

/// IGMP on an interface.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Igmp {
    /// The version.
    pub version: u8,
    /// The querier.
    #[serde(deserialize_with = "nullable")]
    pub querier: Option<Ipv4Addr>,
    /// Whether this router is the querier.
    pub is_querier: bool,
    /// Seconds until this router takes over, while it is not the querier.
    #[serde(deserialize_with = "nullable")]
    pub other_querier_expire: Option<f64>,
    /// Seconds until the next General Query, while this router is the querier.
    #[serde(deserialize_with = "nullable")]
    pub next_query: Option<f64>,
    /// Query Interval, in seconds.
    pub query_interval: f64,
    /// Robustness Variable.
    pub robustness_variable: u8,
    /// Groups with members.
    pub groups_count: u32,
}

/// PIM on an interface.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pim {
    /// The primary address.
    #[serde(deserialize_with = "nullable")]
    pub address: Option<Ipv4Addr>,
    /// The designated router.
    #[serde(deserialize_with = "nullable")]
    pub dr: Option<Ipv4Addr>,
    /// Whether this router is it.
    pub is_dr: bool,
    /// This router's DR priority.
    pub dr_priority: u32,
    /// The generation ID that neighbors are told.
    #[serde(deserialize_with = "nullable")]
    pub generation_id: Option<u32>,
    /// Neighbors.
    pub neighbors_count: u32,
    /// Seconds until the next Hello.
    #[serde(deserialize_with = "nullable")]
    pub next_hello: Option<f64>,
}

/// `show neighbors`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Neighbors {
    /// Sorted by interface name, then address.
    pub neighbor: Vec<Neighbor>,
}

/// Another PIM router on an interface.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Neighbor {
    /// The interface.
    pub interface_name: String,
    /// Its primary address.
    pub address: Ipv4Addr,
    /// Its DR priority, where it tells one.
    #[serde(deserialize_with = "nullable")]
    pub dr_priority: Option<u32>,
    /// Its generation ID, where it tells one.
    #[serde(deserialize_with = "nullable")]
    pub generation_id: Option<u32>,
    /// Seconds that it stays without another Hello.
    pub hold_time: u16,
    /// Seconds left of them, `None` where it stays for ever.
    #[serde(deserialize_with = "nullable")]
    pub expire: Option<f64>,
    /// Seconds since it came.
    pub up_time: f64,
}

/// `show joins`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Joins {
    /// Sorted by group, then source.
    pub join: Vec<Join>,
}

/// What is asked of an upstream peer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Join {
    /// `pim` or `igmp-proxy`.
    pub protocol: String,
    /// The source, or `*`.
    pub source_address: String,
    /// The group.
    pub group_address: Ipv4Addr,
    /// The interface towards the source or the RP.
    #[serde(deserialize_with = "nullable")]
    pub interface_name: Option<String>,
    /// Who is asked.
    #[serde(deserialize_with = "nullable")]
    pub upstream_neighbor: Option<Ipv4Addr>,
    /// How far it has been asked: `joined`, `pruned` and so on.
    pub state: String,
    /// Seconds since it is wanted.
    pub up_time: f64,
    /// The filter mode that is reported; of the proxy alone.
    #[serde(default)]
    pub filter_mode: Option<FilterMode>,
    /// The sources that are reported; of the proxy alone.
    #[serde(default)]
    pub source_list: Option<Vec<Ipv4Addr>>,
}

/// `show statistics`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Statistics {
    /// Sorted by name.
    pub interface: Vec<InterfaceStatistics>,
    /// How often the maps were scanned because events were lost.
    pub resyncs: u64,
}

/// What was counted on an interface.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InterfaceStatistics {
    /// The interface.
    pub interface_name: String,
    /// Messages received, by what they are.
    pub received: Received,
    /// Messages sent.
    pub sent: Sent,
    /// Packets refused, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Reports that changed nothing and were handled by XDP alone.
    pub refreshed_in_kernel: u64,
    /// Events that XDP handed over.
    pub events: u64,
    /// Events for which there was no room.
    pub events_lost: u64,
    /// Multicast data sent out.
    pub forwarded_packets: u64,
    /// Bytes of it.
    pub forwarded_bytes: u64,
    /// PIM, where it is enabled.
    #[serde(default)]
    pub pim: Option<PimStatistics>,
}

/// What was counted of PIM on an interface.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PimStatistics {
    /// Messages received, by what they are.
    pub received: PimMessages,
    /// Messages sent.
    pub sent: PimMessages,
    /// Messages, or parts of them, refused, by reason.
    pub dropped: BTreeMap<String, u64>,
}

/// PIM messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PimMessages {
    /// All of them.
    pub total: u64,
    /// Hellos.
    pub hello: u64,
    /// Join/Prune messages.
    pub join_prune: u64,
    /// Asserts.
    pub assert: u64,
}

/// Messages received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
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
    /// Version 2 leaves.
    pub leave: u64,
}

/// Messages sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sent {
    /// All of them.
    pub total: u64,
    /// General Queries.
    pub general_query: u64,
    /// Group-Specific Queries.
    pub group_query: u64,
    /// Group-and-Source-Specific Queries.
    pub group_source_query: u64,
    /// Version 1 reports.
    #[serde(default)]
    pub report_v1: u64,
    /// Version 2 reports.
    #[serde(default)]
    pub report_v2: u64,
    /// Version 3 reports.
    #[serde(default)]
    pub report_v3: u64,
    /// Version 2 Leaves.
    #[serde(default)]
    pub leave: u64,
}

/// `show routes`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Routes {
    /// Sorted by group, then source.
    pub route: Vec<Route>,
}

/// Where data of a group, or of one source of it, goes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Route {
    /// The source, or `*`.
    pub source_address: String,
    /// The group.
    pub group_address: Ipv4Addr,
    /// Where data comes in; `None` where that depends on the source and none has sent so far.
    #[serde(deserialize_with = "nullable")]
    pub incoming_interface: Option<String>,
    /// Where data goes out, sorted by name.
    pub outgoing_interface: Vec<String>,
    /// Packets that took this route.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Seconds since it came to be.
    pub up_time: f64,
    /// What forwards: `xdp`, `kernel` or `none`.
    pub engine: String,
}

/// A line of `monitor`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Event {
    /// When, in UTC as RFC 3339 has it.
    pub time: String,
    /// What.
    pub event: String,
    /// Where.
    pub interface_name: String,
    /// The group, where it is about one.
    #[serde(deserialize_with = "nullable")]
    pub group_address: Option<Ipv4Addr>,
    /// The source, where it is about one.
    #[serde(deserialize_with = "nullable")]
    pub source_address: Option<Ipv4Addr>,
    /// Who caused it.
    #[serde(deserialize_with = "nullable")]
    pub reporter: Option<Ipv4Addr>,
    /// Why.
    #[serde(deserialize_with = "nullable")]
    pub reason: Option<String>,
}
