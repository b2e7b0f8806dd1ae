//! What is known of a tree on single interfaces.

use smallvec::SmallVec;

use super::{
    assert::Held,
    downstream::{Downstream, JoinState, PruneState},
};
use crate::{InterfaceId, SourceWish, time::Instant, timers::Slot};

/// A tree on one interface.
#[derive(Debug)]
pub(super) struct Port {
    /// The interface.
    pub(super) interface: InterfaceId,
    /// What local members want. Of a (\*,G) tree, `Include` says that they want any source.
    pub(super) wish: SourceWish,
    /// DownstreamJPState(\*,G,I) or DownstreamJPState(S,G,I) (RFC 7761 §4.5.1, §4.5.2).
    pub(super) downstream: Downstream<JoinState>,
    /// DownstreamJPState(S,G,rpt,I) (§4.5.3). Always `NoInfo` in a (\*,G) tree.
    pub(super) rpt: Downstream<PruneState>,
    /// The assert state, unless that is NoInfo (§4.6.1, §4.6.2).
    pub(super) assert: Option<Box<Held>>,
    /// Where the earliest deadline of all this is queued.
    pub(super) slot: Slot,
}

impl Port {
    fn new(interface: InterfaceId) -> Self {
        Self {
            interface,
            wish: SourceWish::default(),
            downstream: Downstream::default(),
            rpt: Downstream::default(),
            assert: None,
            slot: Slot::default(),
        }
    }

    /// Whether other routers have left anything here.
    pub(super) fn is_foreign(&self) -> bool {
        self.downstream.state != JoinState::NoInfo
            || self.rpt.state != PruneState::NoInfo
            || self.assert.is_some()
    }

    fn is_idle(&self) -> bool {
        self.wish == SourceWish::default() && !self.is_foreign()
    }

    /// The earliest deadline.
    pub(super) fn deadline(&self) -> Instant {
        let assert = self.assert.as_ref().map_or(Instant::MAX, |held| held.timer);
        self.downstream.deadline().min(self.rpt.deadline()).min(assert)
    }
}

/// A tree on each interface where there is anything to say of it, ascending. Nearly every tree has members on one interface
/// only, which then take no memory elsewhere.
#[derive(Debug, Default)]
pub(super) struct Ports(SmallVec<[Port; 1]>);

impl Ports {
    fn place(&self, interface: InterfaceId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&interface, |port| port.interface)
    }

    pub(super) fn get(&self, interface: InterfaceId) -> Option<&Port> {
        self.0.get(self.place(interface).ok()?)
    }

    pub(super) fn get_mut(&mut self, interface: InterfaceId) -> Option<&mut Port> {
        let index = self.place(interface).ok()?;
        self.0.get_mut(index)
    }

    /// The tree on this interface, which from now on has an entry.
    pub(super) fn entry(&mut self, interface: InterfaceId) -> &mut Port {
        let index = match self.place(interface) {
            Ok(index) => index,
            Err(index) => {
                self.0.insert(index, Port::new(interface));
                index
            }
        };
        &mut self.0[index]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Port> {
        self.0.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets the interfaces of which there is nothing to say any more. `forget` is called for each before.
    pub(super) fn remove_idle(&mut self, mut forget: impl FnMut(&mut Port)) {
        self.0.retain(|port| {
            let is_idle = port.is_idle();
            if is_idle {
                forget(port);
            }
            !is_idle
        });
        if self.0.spilled() && self.0.len() <= self.0.inline_size() {
            self.0.shrink_to_fit();
        }
    }
}
