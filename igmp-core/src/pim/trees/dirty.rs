//! Which trees have to be looked at before the event is done with.

use core::net::Ipv4Addr;

use super::tree::TreeId;

/// Trees of which something has changed. A (\*,G) tree stands for those of all its sources as well.
#[derive(Debug, Default)]
pub(super) struct Dirty(Vec<TreeId>);

impl Dirty {
    pub(super) fn note(&mut self, group: Ipv4Addr, source: Option<Ipv4Addr>) {
        if self.0.last() != Some(&(group, source)) {
            self.0.push((group, source));
        }
    }

    pub(super) fn extend<'a>(&mut self, ids: impl IntoIterator<Item = &'a TreeId>) {
        self.0.extend(ids);
    }

    /// Hands over all of them, by groups, each once, (\*,G) before its sources.
    pub(super) fn take(&mut self) -> Vec<TreeId> {
        let mut ids = core::mem::take(&mut self.0);
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}
