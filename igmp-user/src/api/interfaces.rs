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
