//! The upstream interface as it is.

use std::net::Ipv4Addr;

use igmp_core::HostConfig;
use igmp_wire::abi::InterfaceFlags;

use crate::agent::{Agent, served::Served};

/// The upstream interface.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Upstream {
    /// Its name in the configuration.
    pub(super) name: String,
    /// How the host side runs there.
    pub(super) config: HostConfig,
    /// What it is like, while it is up.
    pub(super) link: Option<Link>,
}

/// What an interface that is up is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Where frames leave.
    pub(super) way: Way,
    /// The primary address.
    pub(super) address: Option<Ipv4Addr>,
    /// MTU in bytes.
    pub(super) mtu: u32,
}

/// Where frames leave, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// Index of the interface.
    pub(super) ifindex: u32,
    /// VLAN ID of the tag, 0 for none.
    pub(super) vlan: u16,
    /// The Ethernet address that they come from.
    pub(super) mac: [u8; 6],
}

impl Upstream {
    /// Its name and where its frames leave, while it is up.
    pub(super) fn way(&self) -> Option<(&str, Way)> {
        Some((&self.name, self.link.as_ref()?.way))
    }
}

impl Agent {
    /// The upstream interface that the configuration names, as it is now.
    pub(super) fn wanted_upstream(&self) -> Option<Upstream> {
        self.interfaces.iter().find_map(|(name, served)| {
            let host = served.wanted.host.as_ref()?;
            Some(Upstream {
                name: name.clone(),
                config: host.protocol.clone(),
                link: link(served),
            })
        })
    }
}

/// What the interface is like, where the XDP program hands over what is heard there.
fn link(served: &Served) -> Option<Link> {
    let (_, told) = served.kernel?;
    let binding = served.wanted.binding.as_ref()?;
    told.has(InterfaceFlags::HOST).then_some(Link {
        way: Way {
            ifindex: binding.ifindex,
            vlan: binding.vlan,
            mac: binding.mac?,
        },
        address: binding.address(),
        mtu: binding.mtu,
    })
}
