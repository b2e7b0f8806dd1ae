//! The host side, for operators.

use std::net::Ipv4Addr;

use igmp_core::{
    Instant,
    host::{self, JoinView},
};

use super::Upstream;
use crate::{
    agent::Agent,
    api::{FilterMode, Join, JoinProtocol, JoinState, Seconds},
};

impl Agent {
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
