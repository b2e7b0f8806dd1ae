//! `show interfaces`.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::Seconds;

/// The answer to `GET /v1/interfaces`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Interfaces {
    /// The interfaces of the configuration, and those that carry a configured VLAN.
    pub interface: Vec<Interface>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Interface {
    /// Its name in the configuration.
    pub interface_name: String,
    /// The kernel's index. `None` where the kernel has no such interface; for a VLAN without a device of its own, that
    /// of the parent.
    pub ifindex: Option<u32>,
    /// Whether it works.
    pub oper_status: OperStatus,
    /// Its primary IPv4 address.
    pub address: Option<Ipv4Addr>,
    /// How the XDP program is attached, `None` where it is not.
    pub xdp_mode: Option<XdpModeName>,
    /// The router side of IGMP, `None` where it is not enabled.
    pub igmp: Option<IgmpInterface>,
    /// Whether it is the upstream interface of an IGMP proxy.
    pub proxy_upstream: bool,
    /// The host side of the proxy, where this is its upstream interface. Left out elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyInterface>,
    /// PIM, `None` where it is not enabled.
    pub pim: Option<PimInterface>,
}

/// IGMP on an interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IgmpInterface {
    /// The version that the interface runs.
    pub version: u8,
    /// The querier of the network; `None` while the interface is down or has no address.
    pub querier: Option<Ipv4Addr>,
    /// Whether that is this router.
    pub is_querier: bool,
    /// Until this router takes over from another querier, unless that one is heard again.
    pub other_querier_expire: Option<Seconds>,
    /// Until the next General Query of this router.
    pub next_query: Option<Seconds>,
    /// The Query Interval in force: configured, or adopted from the querier.
    pub query_interval: Seconds,
    /// The Robustness Variable in force: configured, or adopted from the querier.
    pub robustness_variable: u8,
    /// How many groups have members here.
    pub groups_count: u32,
}

/// PIM on an interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PimInterface {
    /// The address that messages are sent from; `None` while the interface is down or has none.
    pub address: Option<Ipv4Addr>,
    /// The Designated Router of the network (RFC 7761 §4.3.2); `None` while the interface is down or has no address.
    pub dr: Option<Ipv4Addr>,
    /// Whether that is this router.
    pub is_dr: bool,
    /// This router's DR Priority.
    pub dr_priority: u32,
    /// The Generation ID that neighbours are told; `None` while the interface is down.
    pub generation_id: Option<u32>,
    /// How many neighbours there are.
    pub neighbors_count: u32,
    /// Until the next Hello.
    pub next_hello: Option<Seconds>,
}

/// The host side of an IGMP proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProxyInterface {
    /// The version that it speaks: the configured one, or an older one after a query of it (RFC 9776 §7.2.1).
    pub version: u8,
    /// Who sent the last General Query, `None` where none was heard since the interface came up.
    pub querier: Option<Ipv4Addr>,
    /// Until it speaks a newer version, unless the older querier is heard again.
    pub older_querier_expire: Option<Seconds>,
    /// The Robustness Variable in force: configured, or adopted from the querier.
    pub robustness_variable: u8,
    /// How many groups are reported.
    pub groups_count: u32,
}

/// The state of an interface, named as in RFC 8343.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperStatus {
    /// Ready to pass packets.
    Up,
    /// There, but not ready.
    Down,
    /// The kernel has no interface of this name.
    NotPresent,
}

/// How the XDP program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum XdpModeName {
    /// In the driver.
    Native,
    /// In the network stack.
    Generic,
}
