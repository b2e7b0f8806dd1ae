//! What the agent has done for an interface so far.

use std::net::Ipv4Addr;

use igmp_core::{InterfaceConfig, InterfaceId};
use igmp_wire::abi::{self, InterfaceKey};

use super::{plan::Wanted, throttle::Throttle};
use crate::api::Sent;

/// An interface, what is wanted of it and what is done.
#[derive(Debug)]
pub(super) struct Served {
    /// What is wanted.
    pub(super) wanted: Wanted,
    /// Its slot, where it has one.
    pub(super) slot: Option<u32>,
    /// What the kernel was told.
    pub(super) kernel: Option<(InterfaceKey, abi::InterfaceConfig)>,
    /// What the core was told, while the interface is up to it.
    pub(super) core: Option<CoreState>,
    /// The interface that was made to receive all multicast for this one.
    pub(super) allmulti: Option<u32>,
    /// Messages sent.
    pub(super) sent: Sent,
    /// What limits of the core refused before the interface last went down.
    pub(super) refused_before: u64,
    /// What is known of refusals by limits in the kernel.
    pub(super) limit: LimitWatch,
}

/// What the core was told of an interface.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CoreState {
    /// Its configuration.
    pub(super) config: InterfaceConfig,
    /// Its primary address.
    pub(super) address: Option<Ipv4Addr>,
    /// Its MTU.
    pub(super) mtu: u32,
}

/// Refusals by limits in the kernel, which become one message per interval however many there are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LimitWatch {
    /// The counter when it was last read.
    pub(super) counted: u64,
    /// Lets one message through per interval.
    pub(super) throttle: Throttle,
}

impl Served {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            slot: None,
            kernel: None,
            core: None,
            allmulti: None,
            sent: Sent::default(),
            refused_before: 0,
            limit: LimitWatch::default(),
        }
    }

    /// The number of the interface to the core.
    pub(super) fn id(&self) -> Option<InterfaceId> {
        self.slot.map(InterfaceId)
    }
}
