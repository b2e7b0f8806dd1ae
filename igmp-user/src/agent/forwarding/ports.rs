//! Which interfaces packets can leave through, and how packets that come in are treated.

use std::collections::BTreeMap;

use igmp_wire::abi::{InterfaceFlags, MAX_LOCAL_GROUPS, Port};

use super::{
    sources::Ways,
    xdp::{PortWanted, Ports},
};
use crate::{
    agent::{Agent, served::Served},
    config::Forwarding,
    kernel::XdpMode,
    mroute::VifWanted,
};

impl Agent {
    /// The interfaces that packets can leave through.
    pub(super) fn ports(&self) -> Ports {
        let proxying = self.upstream().is_some();
        let mut ports = Ports::new();
        for (name, served) in &self.interfaces {
            let (Some(slot), Some(binding), Some(config)) = (
                served.slot,
                &served.wanted.binding,
                self.config.interfaces.get(name),
            ) else {
                continue;
            };
            if !binding.up {
                continue;
            }
            // A proxy forwards to a network only as its querier, lest several of them forward the same (RFC 4605 §4.2).
            if proxying && !config.proxy_upstream && !self.is_querier(served) {
                continue;
            }
            let port = Port {
                valid_until: 0,
                ifindex: binding.ifindex,
                mtu: binding.mtu,
                vlan: binding.vlan,
                mac: binding.mac.unwrap_or_default(),
            };
            let redirect = binding.redirect_target && binding.vlan == 0 && binding.mac.is_some();
            ports.insert(slot, PortWanted { port, redirect });
        }
        ports
    }

    /// The interfaces for the kernel's multicast routing, which knows no VLANs but those with a device.
    pub(super) fn vifs(&self) -> BTreeMap<u32, VifWanted> {
        let mut vifs = BTreeMap::new();
        for (name, served) in &self.interfaces {
            if let (Some(slot), Some(binding)) = (served.slot, &served.wanted.binding)
                && self.config.interfaces.contains_key(name)
                && binding.up
                && (binding.vlan == 0 || binding.shown_ifindex != binding.ifindex)
            {
                let wanted = VifWanted {
                    ifindex: binding.shown_ifindex,
                    name: name.clone(),
                };
                vifs.insert(slot, wanted);
            }
        }
        vifs
    }

    fn is_querier(&self, served: &Served) -> bool {
        served
            .id()
            .and_then(|id| self.router.interface(id))
            .is_some_and(|view| view.is_querier)
    }

    /// The slot of the upstream interface, where this is a proxy.
    pub(in crate::agent) fn upstream(&self) -> Option<u32> {
        let (name, _) = self
            .config
            .interfaces
            .iter()
            .find(|(_, interface)| interface.proxy_upstream)?;
        self.interfaces.get(name)?.slot
    }

    /// The interfaces as the kernel's routes name them.
    pub(in crate::agent) fn ways(&self) -> Ways {
        let mut ways = Ways::default();
        let mut devices = BTreeMap::new();
        for (name, served) in &self.interfaces {
            let (Some(slot), Some(binding), true) = (
                served.slot,
                &served.wanted.binding,
                self.config.interfaces.contains_key(name),
            ) else {
                continue;
            };
            if binding.vlan == 0 {
                devices.insert(binding.ifindex, slot);
            } else if binding.shown_ifindex != binding.ifindex {
                ways.slots.insert(binding.shown_ifindex, slot);
            } else {
                ways.networks
                    .extend(binding.addresses.iter().map(|&network| (network, slot)));
            }
        }
        ways.slots.extend(devices);
        ways
    }

    /// What the XDP program is told of forwarding on an interface: bits of [`InterfaceFlags`].
    ///
    /// An interface that only carries VLANs is none of the router's.
    pub(in crate::agent) fn forwarding_flags(&self, name: &str, served: &Served) -> u32 {
        let (Some(binding), true) = (&served.wanted.binding, self.config.interfaces.contains_key(name))
        else {
            return 0;
        };
        let mode = self
            .attached
            .get(&binding.ifindex)
            .and_then(crate::agent::Attached::mode);
        let (true, true, Some(mode)) = (self.config.forwarding == Forwarding::Xdp, binding.up, mode) else {
            return 0;
        };
        let is_local = self
            .forwarding
            .local
            .iter()
            .any(|&(ifindex, _)| ifindex == binding.shown_ifindex);
        [
            (true, InterfaceFlags::FORWARD),
            (mode == XdpMode::Generic, InterfaceFlags::STACK),
            (is_local, InterfaceFlags::LOCAL_GROUPS),
            (
                is_local && self.has_too_many_local_groups(),
                InterfaceFlags::ANY_LOCAL,
            ),
            (binding.virtual_pair, InterfaceFlags::PARTIAL_CHECKSUMS),
        ]
        .into_iter()
        .filter(|&(on, _)| on)
        .fold(0, |flags, (_, flag)| flags | flag)
    }

    /// Whether sockets of the router have joined more groups than the kernel is told of one by one.
    pub(super) fn has_too_many_local_groups(&self) -> bool {
        self.forwarding.local.len() > MAX_LOCAL_GROUPS as usize
    }
}
