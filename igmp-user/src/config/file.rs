//! The file as it is written: every key optional, types checked, ranges not yet.

use std::{collections::BTreeMap, fmt, net::Ipv4Addr, net::SocketAddr, path::PathBuf};

use ipnet::Ipv4Net;
use serde::{Deserialize, Deserializer, de};

use super::{BpfLogLevel, Forwarding, GroupMembershipInterval, XdpMode};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct File {
    pub(super) control_socket: Option<PathBuf>,
    pub(super) bpf_pin_path: Option<PathBuf>,
    pub(super) metrics_listen: Option<SocketAddr>,
    pub(super) forwarding: Option<Forwarding>,
    pub(super) bpf_log_level: Option<BpfLogLevel>,
    pub(super) max_groups: Option<i64>,
    pub(super) max_entries: Option<i64>,
    pub(super) event_ring_size: Option<i64>,
    #[serde(default)]
    pub(super) igmp: Igmp,
    #[serde(default)]
    pub(super) interfaces: BTreeMap<String, Interface>,
    pub(super) pim: Option<Pim>,
}

/// `[igmp]` and `[interfaces.NAME.igmp]`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Igmp {
    pub(super) version: Option<i64>,
    pub(super) query_interval: Option<Seconds>,
    pub(super) query_max_response_time: Option<Seconds>,
    pub(super) last_member_query_interval: Option<Seconds>,
    pub(super) robustness_variable: Option<i64>,
    pub(super) group_membership_interval: Option<GroupMembershipInterval>,
    pub(super) require_router_alert: Option<bool>,
    pub(super) verify_source_subnet: Option<bool>,
    pub(super) immediate_leave: Option<bool>,
    pub(super) max_groups: Option<i64>,
    pub(super) max_group_sources: Option<i64>,
    pub(super) static_group: Option<Vec<StaticGroup>>,
}

/// An element of `static-group`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct StaticGroup {
    pub(super) group: Ipv4Addr,
    pub(super) source: Option<Ipv4Addr>,
}

/// `[interfaces.NAME]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Interface {
    pub(super) xdp_mode: Option<XdpMode>,
    pub(super) proxy_upstream: Option<bool>,
    pub(super) parent: Option<String>,
    pub(super) vlan: Option<i64>,
    pub(super) address: Option<Ipv4Net>,
    pub(super) igmp: Option<Igmp>,
    pub(super) pim: Option<PimInterface>,
}

/// `[interfaces.NAME.pim]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct PimInterface {
    pub(super) dr_priority: Option<i64>,
    pub(super) hello_interval: Option<Seconds>,
}

/// `[pim]`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Pim {
    pub(super) static_rp: Option<Vec<StaticRp>>,
    pub(super) spt_switchover: Option<SptSwitchover>,
    pub(super) join_prune_interval: Option<Seconds>,
}

/// `spt-switchover`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SptSwitchover {
    Immediate,
    Never,
}

/// An element of `static-rp`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct StaticRp {
    pub(super) address: Ipv4Addr,
    pub(super) groups: Vec<Ipv4Net>,
}

/// A duration in seconds, written with or without decimals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seconds(pub(super) f64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds")
            }

            fn visit_i64<E>(self, value: i64) -> Result<Seconds, E> {
                Ok(Seconds(value as f64))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Seconds, E> {
                Ok(Seconds(value))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
