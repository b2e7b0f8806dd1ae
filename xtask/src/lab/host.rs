//! A host of the lab: the kernel's own IGMP, made to speak one version, on a link of its own to the router.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};

use super::HOST_INTERFACE;
use super::membership::Membership;
use super::netns::Namespace;
use super::sender::PORT;
use super::tap::Tap;

/// A host, with the router's end of its link.
pub(crate) struct Host {
    namespace: Namespace,
    version: u8,
    router_interface: String,
    tap: Tap,
}

impl Host {
    /// Makes a host that speaks IGMP of this version, linked to `router`: 10.VERSION.0.2 to the router's 10.VERSION.0.1.
    ///
    /// # Errors
    ///
    /// When a namespace, link or address cannot be made.
    pub(crate) fn create(name: &str, router: &Namespace, version: u8) -> Result<Self> {
        let namespace = Namespace::create(name)?;
        let router_interface = format!("lan{version}");
        // The version has to be set before the interface comes up: with the first address the kernel joins groups.
        router.link(&router_interface, &namespace, HOST_INTERFACE)?;
        for interface in ["all", HOST_INTERFACE] {
            namespace.set_ipv4(interface, "force_igmp_version", &version.to_string())?;
        }
        let tap = namespace.enter(Tap::open)?;
        let host = Self {
            namespace,
            version,
            router_interface,
            tap,
        };
        router.address(&host.router_interface, host.router_address())?;
        host.namespace.address(HOST_INTERFACE, host.address())?;
        host.namespace.ip(&["link", "set", HOST_INTERFACE, "up"])?;
        router.ip(&["link", "set", &host.router_interface, "up"])?;
        // Many distributions make the kernel refuse packets from where it has no route to, multicast ones as well.
        let gateway = host.router_address().to_string();
        host.namespace.ip(&["route", "add", "default", "via", &gateway])?;
        Ok(host)
    }

    /// The namespace of the host.
    pub(crate) fn namespace(&self) -> &str {
        self.namespace.name()
    }

    /// The IGMP version it speaks.
    pub(crate) fn version(&self) -> u8 {
        self.version
    }

    /// The router's end of its link.
    pub(crate) fn router_interface(&self) -> &str {
        &self.router_interface
    }

    /// The address of its interface.
    pub(crate) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.version, 0, 2)
    }

    /// The router's address on its link.
    pub(crate) fn router_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.version, 0, 1)
    }

    /// What reaches its interface.
    pub(crate) fn tap(&self) -> &Tap {
        &self.tap
    }

    /// Joins `group` with a socket of the host, which reads its streams: from any source when `sources` is empty, else
    /// from these alone.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the membership.
    pub(crate) fn join(&self, group: Ipv4Addr, sources: &[Ipv4Addr]) -> Result<Membership> {
        self.namespace.enter(|| {
            let index = nix::net::if_::if_nametoindex(HOST_INTERFACE)
                .with_context(|| format!("the host {} has lost its interface", self.namespace.name()))?;
            let membership = Membership::join(group, sources, index)?;
            membership.listen(PORT)?;
            Ok(membership)
        })
    }
}
