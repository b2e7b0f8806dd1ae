//! The routes of the protocol core.

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::Flow;

/// Which interfaces want a group, and which want a source of it where that differs.
#[derive(Debug, Default)]
pub(super) struct Routes(BTreeMap<(Ipv4Addr, Option<Ipv4Addr>), Vec<u32>>);

impl Routes {
    /// Sets a route. `false` where it was there already.
    pub(super) fn set(&mut self, group: Ipv4Addr, source: Option<Ipv4Addr>, outgoing: &[u32]) -> bool {
        let before = self.0.insert((group, source), outgoing.to_vec());
        before.as_deref() != Some(outgoing)
    }

    /// Removes a route. `false` where there was none.
    pub(super) fn remove(&mut self, group: Ipv4Addr, source: Option<Ipv4Addr>) -> bool {
        self.0.remove(&(group, source)).is_some()
    }

    /// The slots that want a flow: those of the source's own route, else those of the group's.
    pub(super) fn ports(&self, flow: Flow) -> &[u32] {
        let Flow { group, source } = flow;
        self.0
            .get(&(group, Some(source)))
            .or_else(|| self.0.get(&(group, None)))
            .map_or(&[], Vec::as_slice)
    }
}
