//! What the configuration wants, given what the kernel has.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use igmp_core::HostConfig;
use igmp_wire::abi::{self, InterfaceFlags, InterfaceKey, MAX_PREFIXES, Prefix};
use ipnet::Ipv4Net;

use crate::{
    config::{Config, Forwarding, Igmp, Interface, Vlan, XdpMode},
    netlink::{Link, Snapshot},
};

/// An interface that the agent has something to do with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    /// What the kernel has of it, `None` where it has nothing.
    pub(super) binding: Option<Binding>,
    /// How the router side runs there, if it does.
    pub(super) igmp: Option<Igmp>,
    /// How the host side of a proxy runs there, if it does.
    pub(super) host: Option<HostSide>,
    /// Whether the interface needs a slot: it speaks IGMP, or carries a VLAN that does.
    pub(super) served: bool,
}

/// How the host side runs on the upstream interface of a proxy.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HostSide {
    /// What the protocol needs to know.
    pub(super) protocol: HostConfig,
    /// Version 2 and 3 messages without the Router Alert option are refused.
    pub(super) require_router_alert: bool,
}

/// Where frames of an interface are received and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    /// Index of the interface that the XDP program is attached to and that queries leave through.
    pub(super) ifindex: u32,
    /// VLAN ID of the tag, 0 for none.
    pub(super) vlan: u16,
    /// Index that operators see: that of the VLAN's device where there is one.
    pub(super) shown_ifindex: u32,
    /// Whether it passes packets.
    pub(super) up: bool,
    /// The Ethernet address that queries come from, `None` where it is no Ethernet interface.
    pub(super) mac: Option<[u8; 6]>,
    /// MTU in bytes.
    pub(super) mtu: u32,
    /// The router's addresses, the primary one first.
    pub(super) addresses: Vec<Ipv4Net>,
    /// Whether XDP can redirect to it.
    pub(super) redirect_target: bool,
    /// Whether it is one end of a virtual pair, from whose other end packets come without UDP checksums.
    pub(super) virtual_pair: bool,
}

/// An interface that the XDP program is to be attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attachment {
    /// Its name, for messages.
    pub(super) name: String,
    /// The mode.
    pub(super) mode: XdpMode,
    /// Whether VLANs of it are served by their tags.
    pub(super) tagged: bool,
}

/// Everything that is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// By name.
    pub(super) interfaces: BTreeMap<String, Wanted>,
    /// By index.
    pub(super) attachments: BTreeMap<u32, Attachment>,
    /// What an operator should know: devices that are not what the configuration takes them for.
    pub(super) remarks: BTreeSet<String>,
}

impl Binding {
    /// The primary address.
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        self.addresses.first().map(Ipv4Net::addr)
    }

    /// Whether the kernel has a device of its own for it. It has none for a VLAN whose frames are only told by their tags.
    pub(super) const fn has_device(&self) -> bool {
        self.vlan == 0 || self.shown_ifindex != self.ifindex
    }

    /// The key of the interface in the kernel's map.
    pub(super) fn key(&self) -> InterfaceKey {
        InterfaceKey {
            ifindex: self.ifindex,
            vlan: self.vlan,
            reserved: 0,
        }
    }

    /// What the XDP program is told. IGMP is processed only where `active`.
    pub(super) fn kernel_config(&self, slot: u32, wanted: &Wanted, active: bool) -> abi::InterfaceConfig {
        let mut config = abi::InterfaceConfig {
            slot,
            ..abi::InterfaceConfig::default()
        };
        for (prefix, address) in config.prefixes.iter_mut().zip(&self.addresses) {
            *prefix = Prefix {
                address: address.addr().to_bits(),
                mask: address.netmask().to_bits(),
            };
        }
        config.prefix_count = self.addresses.len().min(MAX_PREFIXES) as u32;
        if let Some(host) = &wanted.host {
            // A host looks at queries of all versions, and at reports not at all unless they are as old as itself.
            config.version = 3;
            for (on, flag) in [
                (active, InterfaceFlags::HOST),
                (host.require_router_alert, InterfaceFlags::REQUIRE_ROUTER_ALERT),
            ] {
                if on {
                    config.flags |= flag;
                }
            }
        }
        let Some(igmp) = &wanted.igmp else { return config };
        config.version = igmp.protocol.version.into();
        config.max_groups = igmp.protocol.max_groups;
        config.max_group_sources = igmp.protocol.max_group_sources;
        for (on, flag) in [
            (active, InterfaceFlags::IGMP),
            (igmp.require_router_alert, InterfaceFlags::REQUIRE_ROUTER_ALERT),
            (igmp.verify_source_subnet, InterfaceFlags::VERIFY_SOURCE_SUBNET),
        ] {
            if on {
                config.flags |= flag;
            }
        }
        config
    }
}

impl HostSide {
    /// An upstream interface has no table of its own, and goes by the defaults of all interfaces.
    fn with_defaults(igmp: &Igmp) -> Self {
        Self {
            protocol: HostConfig {
                version: igmp.protocol.version,
                robustness_variable: igmp.protocol.robustness_variable,
                query_interval: igmp.protocol.query_interval,
                ..HostConfig::default()
            },
            require_router_alert: igmp.require_router_alert,
        }
    }
}

impl Plan {
    /// Makes the plan.
    pub(super) fn new(config: &Config, kernel: &Snapshot) -> Self {
        let mut plan = Self::default();
        for (name, interface) in &config.interfaces {
            let binding = match &interface.vlan {
                Some(vlan) => plan.vlan(name, vlan, kernel),
                None => kernel.by_name(name).map(plain),
            };
            let forwards = config.forwarding != Forwarding::None;
            if interface.pim.is_some()
                && let Some(binding) = &binding
                && !binding.has_device()
            {
                plan.remarks.insert(format!(
                    "PIM does not run on {name}: the kernel has no device for this VLAN, and without one it has no routes that \
                     lead there"
                ));
            }
            let speaks_igmp = interface.igmp.is_some() || interface.proxy_upstream;
            let wanted = Wanted {
                binding,
                igmp: interface.igmp.clone(),
                host: interface
                    .proxy_upstream
                    .then(|| HostSide::with_defaults(&config.igmp)),
                served: speaks_igmp || interface.pim.is_some() || forwards,
            };
            plan.interfaces
                .entry(name.clone())
                .and_modify(|carrier| {
                    carrier.igmp.clone_from(&wanted.igmp);
                    carrier.host.clone_from(&wanted.host);
                })
                .or_insert(wanted);
            if speaks_igmp || config.forwarding == Forwarding::Xdp {
                plan.carrier(name, interface, config, kernel);
            }
        }
        plan
    }

    /// Where the frames of a VLAN are.
    fn vlan(&mut self, name: &str, vlan: &Vlan, kernel: &Snapshot) -> Option<Binding> {
        let parent = kernel.by_name(&vlan.parent)?;
        let mut device = kernel.by_name(name);
        if let Some(link) = device
            && link.vlan.map(|of| (of.parent, of.id)) != Some((parent.ifindex, vlan.id))
        {
            self.remarks.insert(format!(
                "the kernel's interface {name} is not VLAN {} of {}, so its addresses are not used",
                vlan.id, vlan.parent
            ));
            device = None;
        }
        let mut addresses = device.map(|link| link.addresses.clone()).unwrap_or_default();
        if addresses.is_empty() {
            addresses.extend(vlan.address);
        }
        Some(Binding {
            ifindex: parent.ifindex,
            vlan: vlan.id,
            shown_ifindex: device.map_or(parent.ifindex, |link| link.ifindex),
            up: parent.up && device.is_none_or(|link| link.up),
            mac: device.and_then(|link| link.mac).or(parent.mac),
            mtu: device.map_or(parent.mtu, |link| link.mtu),
            addresses,
            redirect_target: false,
            virtual_pair: is_virtual_pair(parent),
        })
    }

    /// Notes that the XDP program belongs on the interface that carries this one's frames.
    fn carrier(&mut self, name: &str, interface: &Interface, config: &Config, kernel: &Snapshot) {
        let carrier = interface.vlan.as_ref().map_or(name, |vlan| &vlan.parent);
        let link = kernel.by_name(carrier);
        if carrier != name {
            self.interfaces
                .entry(carrier.to_owned())
                .and_modify(|wanted| wanted.served = true)
                .or_insert(Wanted {
                    binding: link.map(plain),
                    // Where it speaks IGMP itself, its own turn comes.
                    igmp: None,
                    host: None,
                    served: true,
                });
        }
        if let Some(link) = link {
            if link.mac.is_none() {
                self.remarks.insert(format!(
                    "{carrier} is no Ethernet interface, and only those are served"
                ));
                return;
            }
            let mode = config
                .interfaces
                .get(carrier)
                .map_or(XdpMode::Auto, |carrier| carrier.xdp_mode);
            // Several VLANs may share a carrier that is served itself, in any order.
            let attachment = self.attachments.entry(link.ifindex).or_insert(Attachment {
                name: carrier.to_owned(),
                mode,
                tagged: false,
            });
            attachment.tagged |= carrier != name;
        }
    }
}

/// An interface whose frames carry no tag.
fn plain(link: &Link) -> Binding {
    Binding {
        ifindex: link.ifindex,
        vlan: 0,
        shown_ifindex: link.ifindex,
        up: link.up,
        mac: link.mac,
        mtu: link.mtu,
        addresses: link.addresses.clone(),
        redirect_target: link.redirect_target,
        virtual_pair: is_virtual_pair(link),
    }
}

fn is_virtual_pair(link: &Link) -> bool {
    link.kind.as_deref() == Some("veth")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::netlink::VlanOf;

    fn config(text: &str) -> Config {
        Config::parse(Path::new("igmpd.toml"), text).expect("a right configuration")
    }

    fn link(ifindex: u32, name: &str, addresses: &[&str]) -> Link {
        Link {
            ifindex,
            name: name.to_owned(),
            up: true,
            mac: Some([2, 0, 0, 0, 0, ifindex as u8]),
            mtu: 1_500,
            addresses: addresses
                .iter()
                .map(|net| net.parse().expect("a network"))
                .collect(),
            vlan: None,
            kind: None,
            redirect_target: false,
        }
    }

    #[test]
    fn an_interface_that_is_missing_is_wanted_but_not_bound() {
        let plan = Plan::new(&config("[interfaces.lan0]\nigmp = {}\n"), &Snapshot::default());
        let lan0 = &plan.interfaces["lan0"];
        assert!(lan0.served && lan0.binding.is_none());
        assert!(plan.attachments.is_empty());
    }

    #[test]
    fn a_vlan_without_a_device_is_tagged_frames_on_its_parent() {
        let config = config(
            "[interfaces.\"lan0.7\"]\nparent = \"lan0\"\nvlan = 7\naddress = \"10.7.0.1/24\"\nigmp = {}\n",
        );
        let kernel = Snapshot::from_iter([link(4, "lan0", &["10.1.1.1/24"])]);
        let plan = Plan::new(&config, &kernel);
        let vlan = plan.interfaces["lan0.7"].binding.as_ref().expect("bound");
        assert_eq!((vlan.ifindex, vlan.vlan, vlan.shown_ifindex), (4, 7, 4));
        assert_eq!(vlan.address(), Some(Ipv4Addr::new(10, 7, 0, 1)));
        assert_eq!(vlan.mac, Some([2, 0, 0, 0, 0, 4]));
        let parent = &plan.interfaces["lan0"];
        assert!(parent.served && parent.igmp.is_none());
        assert_eq!(plan.attachments.keys().copied().collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn pim_needs_a_device_of_the_kernel() {
        let config = config(
            "forwarding = \"none\"\n[interfaces.\"lan0.7\"]\nparent = \"lan0\"\nvlan = 7\npim = {}\n[interfaces.lan0.pim]\n",
        );
        let lan0 = link(4, "lan0", &["10.1.1.1/24"]);
        let plan = Plan::new(&config, &Snapshot::from_iter([lan0.clone()]));
        assert!(plan.interfaces["lan0"].served && plan.interfaces["lan0.7"].served);
        let remarks: Vec<&String> = plan.remarks.iter().collect();
        assert!(matches!(remarks[..], [remark] if remark.contains("lan0.7")));

        let mut device = link(9, "lan0.7", &["10.7.0.1/24"]);
        device.vlan = Some(VlanOf { parent: 4, id: 7 });
        let plan = Plan::new(&config, &Snapshot::from_iter([lan0, device]));
        assert!(plan.remarks.is_empty());
    }

    #[test]
    fn the_device_of_a_vlan_lends_its_address() {
        let config = config(
            "[interfaces.\"lan0.7\"]\nparent = \"lan0\"\nvlan = 7\naddress = \"10.7.0.1/24\"\nigmp = {}\n\
             [interfaces.lan0]\nigmp = {}\nxdp-mode = \"generic\"\n",
        );
        let mut device = link(9, "lan0.7", &["10.7.0.254/24"]);
        device.vlan = Some(VlanOf { parent: 4, id: 7 });
        let plan = Plan::new(
            &config,
            &Snapshot::from_iter([link(4, "lan0", &[]), device.clone()]),
        );
        let vlan = plan.interfaces["lan0.7"].binding.as_ref().expect("bound");
        assert_eq!((vlan.ifindex, vlan.vlan, vlan.shown_ifindex), (4, 7, 9));
        assert_eq!(vlan.address(), Some(Ipv4Addr::new(10, 7, 0, 254)));
        assert_eq!(plan.attachments[&4].mode, XdpMode::Generic);
        assert!(plan.interfaces["lan0"].igmp.is_some());
        assert!(plan.remarks.is_empty());

        device.vlan = Some(VlanOf { parent: 4, id: 8 });
        let plan = Plan::new(&config, &Snapshot::from_iter([link(4, "lan0", &[]), device]));
        let vlan = plan.interfaces["lan0.7"].binding.as_ref().expect("bound");
        assert_eq!(vlan.address(), Some(Ipv4Addr::new(10, 7, 0, 1)));
        assert_eq!(plan.remarks.len(), 1);
    }

    /// An upstream interface hears queries whoever carries data, and goes by `[igmp]`.
    #[test]
    fn an_upstream_interface_is_attached_to_even_where_nothing_is_forwarded() {
        let config = config(
            "forwarding = \"none\"\n[igmp]\nversion = 2\nrobustness-variable = 3\nrequire-router-alert = false\n\
             [interfaces.wan0]\nproxy-upstream = true\n[interfaces.lan0]\n",
        );
        let kernel = Snapshot::from_iter([link(4, "wan0", &["10.0.0.1/24"]), link(5, "lan0", &[])]);
        let plan = Plan::new(&config, &kernel);
        let wan0 = &plan.interfaces["wan0"];
        let host = wan0.host.as_ref().expect("a host side");
        assert_eq!((host.protocol.version, host.protocol.robustness_variable), (2, 3));
        assert!(wan0.served && wan0.igmp.is_none() && !host.require_router_alert);
        assert!(!plan.interfaces["lan0"].served);
        assert_eq!(plan.attachments.keys().copied().collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn the_kernel_is_told_every_network_that_fits() {
        let addresses: Vec<String> = (0..10).map(|net| format!("10.0.{net}.1/24")).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let binding = plain(&link(4, "lan0", &addresses));
        let wanted = |text| {
            let plan = Plan::new(&config(text), &Snapshot::default());
            plan.interfaces["lan0"].clone()
        };
        let router = wanted("[interfaces.lan0]\nigmp = {}\n");
        let config = binding.kernel_config(3, &router, true);
        assert_eq!((config.slot, config.version, config.prefix_count), (3, 3, 8));
        assert!(config.has(InterfaceFlags::IGMP) && config.has(InterfaceFlags::REQUIRE_ROUTER_ALERT));
        assert!(!config.has(InterfaceFlags::VERIFY_SOURCE_SUBNET));
        assert!(config.is_own(Ipv4Addr::new(10, 0, 7, 1).to_bits()));
        assert!(config.is_on_link(Ipv4Addr::new(10, 0, 3, 99).to_bits()));
        let idle = binding.kernel_config(3, &router, false);
        assert!(!idle.has(InterfaceFlags::IGMP));

        let host = wanted("[igmp]\nversion = 2\n[interfaces.lan0]\nproxy-upstream = true\n");
        let config = binding.kernel_config(3, &host, true);
        assert_eq!((config.version, config.prefix_count), (3, 8));
        assert!(config.has(InterfaceFlags::HOST) && config.has(InterfaceFlags::REQUIRE_ROUTER_ALERT));
        assert!(!config.has(InterfaceFlags::IGMP));
        assert!(!binding.kernel_config(3, &host, false).has(InterfaceFlags::HOST));
    }
}
