//! The routes of the protocol core.

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::Flow;

/// Which interfaces want a group, and which want a source of it where that differs.
#[derive(Debug, Default)]
pub(super) struct Routes {
    routes: BTreeMap<(Ipv4Addr, Option<Ipv4Addr>), Vec<u32>>,
    /// Where packets of groups without a route go.
    default: Vec<u32>,
}

impl Routes {
    /// Sets a route. `false` where it was there already.
    pub(super) fn set(&mut self, group: Ipv4Addr, source: Option<Ipv4Addr>, outgoing: &[u32]) -> bool {
        let before = self.routes.insert((group, source), outgoing.to_vec());
        before.as_deref() != Some(outgoing)
    }

    /// Removes a route. `false` where there was none.
    pub(super) fn remove(&mut self, group: Ipv4Addr, source: Option<Ipv4Addr>) -> bool {
        self.routes.remove(&(group, source)).is_some()
    }

    /// Sets where packets of groups without a route go. `false` where they went there already.
    pub(super) fn set_default(&mut self, outgoing: &[u32]) -> bool {
        let before = std::mem::replace(&mut self.default, outgoing.to_vec());
        before != outgoing
    }

    /// Whether a flow has a route, of its own or of its group.
    pub(super) fn has(&self, flow: Flow) -> bool {
        self.routes.contains_key(&(flow.group, Some(flow.source))) || self.is_shared(flow)
    }

    /// Whether a flow goes along the route of its group, for want of one of its own.
    pub(super) fn is_shared(&self, flow: Flow) -> bool {
        let Flow { group, source } = flow;
        !self.routes.contains_key(&(group, Some(source))) && self.routes.contains_key(&(group, None))
    }

    /// The slots that want a flow: those of the source's own route, else those of the group's.
    pub(super) fn ports(&self, flow: Flow) -> &[u32] {
        let Flow { group, source } = flow;
        self.routes
            .get(&(group, Some(source)))
            .or_else(|| self.routes.get(&(group, None)))
            .unwrap_or(&self.default)
    }
}
