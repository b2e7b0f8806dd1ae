//! The host side, for operators.

use std::net::Ipv4Addr;

use igmp_core::{
    Instant,
    host::{self, JoinView},
};

use super::Upstream;
use crate::{
    agent::Agent,
    api::{FilterMode, Join, JoinProtocol, JoinState, ProxyInterface, Seconds},
};

impl Agent {
    /// The host side, where it runs on this interface.
    pub(in crate::agent) fn show_proxy(&self, now: Instant, interface_name: &str) -> Option<ProxyInterface> {
        let Upstream { config, .. } = self
            .proxy
            .upstream
            .as_ref()
            .filter(|upstream| upstream.name == interface_name)?;
        let view = self.proxy.host.upstream(now);
        let view = view.as_ref().filter(|view| view.is_up);
        // The end of the older of two versions comes first, and with it that of the version in force.
        let older = view.and_then(|view| view.older_querier_expiry.into_iter().flatten().next());
        Some(ProxyInterface {
            version: view.map_or(config.version, |view| view.compatibility_mode),
            querier: view.and_then(|view| view.querier),
            older_querier_expire: older.map(|end| Seconds::until(now, end)),
            robustness_variable: view.map_or(config.robustness_variable, |view| view.robustness_variable),
            groups_count: u32::try_from(self.proxy.host.groups_count()).unwrap_or(u32::MAX),
        })
    }

    /// What is reported upstream, from the group `first` on, ascending, at most `limit` groups.
    pub(in crate::agent) fn proxy_joins(&self, now: Instant, first: Ipv4Addr, limit: usize) -> Vec<Join> {
        let Some(Upstream { name, .. }) = &self.proxy.upstream else {
            return Vec::new();
        };
        let view = self.proxy.host.upstream(now);
        let querier = view.filter(|view| view.is_up).and_then(|view| view.querier);
        let joins = self.proxy.host.joins(now, first, limit).into_iter();
        joins.map(|view| join(view, name, querier)).collect()
    }
}

/// A membership as operators see it.
fn join(view: JoinView, interface_name: &str, querier: Option<Ipv4Addr>) -> Join {
    let JoinView {
        group,
        filter_mode,
        sources,
        up_time,
        state,
    } = view;
    Join {
        protocol: JoinProtocol::IgmpProxy,
        source_address: None,
        group_address: group,
        interface_name: Some(interface_name.to_owned()),
        upstream_neighbor: querier,
        state: match state {
            host::JoinState::Joined => JoinState::Joined,
            host::JoinState::Pending => JoinState::Pending,
            host::JoinState::Unsupported => JoinState::Unsupported,
        },
        up_time: Seconds::from(up_time),
        filter_mode: Some(match filter_mode {
            igmp_core::FilterMode::Include => FilterMode::Include,
            igmp_core::FilterMode::Exclude => FilterMode::Exclude,
        }),
        source_list: Some(sources),
    }
}
