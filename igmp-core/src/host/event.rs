//! What happens to the host side.

use core::net::Ipv4Addr;

use super::HostConfig;
use crate::{
    InterfaceId,
    event::{Query, Report},
    subscription::SubscriptionChange,
};

/// An input of [`Host::handle`](super::Host::handle).
#[derive(Clone, Debug, PartialEq)]
pub enum HostEvent {
    /// The upstream interface came up, or its configuration, address or MTU changed, or another one is the upstream
    /// interface from now on.
    ///
    /// Where it had been down, or the address, the MTU or the interface is another, everything is announced anew.
    UpstreamUp {
        /// The interface.
        interface: InterfaceId,
        /// Its configuration.
        config: HostConfig,
        /// The source address of reports. Without one nothing is sent, as while the interface is down.
        address: Option<Ipv4Addr>,
        /// Its MTU in bytes, to split reports by.
        mtu: u32,
    },
    /// The upstream interface went down or vanished. What is wanted stays and is announced when it returns.
    UpstreamDown,
    /// Something else is wanted, from [`Router::take_subscription_changes`](crate::Router::take_subscription_changes).
    Subscription(SubscriptionChange),
    /// A query was received. Those of other interfaces than the upstream interface are ignored.
    Query(Query),
    /// Another host's report was received. Only version 1 and 2 reports matter, and only those of the upstream interface.
    Report(Report),
}
