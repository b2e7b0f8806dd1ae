//! The kernel's interfaces at one moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use ipnet::Ipv4Net;
use rtnetlink::packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressHeaderFlags, AddressMessage},
    link::{InfoData, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
};

/// All interfaces of the network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// By name. A renamed interface is under its new name.
    links: BTreeMap<String, Link>,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's index of it, which no other interface gets while the machine runs.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// Whether it is administratively up and its link is.
    pub up: bool,
    /// Ethernet address, or `None` where it has another kind of address or none.
    pub mac: Option<[u8; 6]>,
    /// MTU in bytes.
    pub mtu: u32,
    /// IPv4 addresses with their networks, primary ones first, in the kernel's order.
    pub addresses: Vec<Ipv4Net>,
    /// The VLAN that it is, if it is one.
    pub vlan: Option<VlanOf>,
    /// What kind of virtual interface it is, as `ip link add type` names it, for example `veth` (`IFLA_INFO_KIND`).
    pub kind: Option<String>,
    /// Whether XDP can redirect frames to it (`NETDEV_XDP_ACT_NDO_XMIT`). A veth can be redirected to while its peer has
    /// GRO switched on or runs an XDP program. Kernels before 6.3 do not tell, which counts as no.
    pub redirect_target: bool,
}

/// What a VLAN device is a VLAN of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanOf {
    /// Index of the interface that carries the tagged frames.
    pub parent: u32,
    /// VLAN ID.
    pub id: u16,
}

impl Snapshot {
    /// Puts a snapshot together from what the dumps delivered. `redirect_targets` are indices.
    pub(super) fn of_dumps(
        links: &[LinkMessage],
        addresses: &[AddressMessage],
        redirect_targets: &BTreeSet<u32>,
    ) -> Self {
        let mut by_index: BTreeMap<u32, Link> = links
            .iter()
            .filter_map(link)
            .map(|link| (link.ifindex, link))
            .collect();
        for ifindex in redirect_targets {
            // One that is missing appeared between the dumps, and its notification is under way.
            if let Some(link) = by_index.get_mut(ifindex) {
                link.redirect_target = true;
            }
        }
        // Two passes, because a query's source and what the election compares is the primary address.
        for secondary in [false, true] {
            for message in addresses {
                if message.header.flags.contains(AddressHeaderFlags::Secondary) == secondary
                    && let Some(link) = by_index.get_mut(&message.header.index)
                    && let Some(address) = address(message)
                {
                    link.addresses.push(address);
                }
            }
        }
        by_index.into_values().collect()
    }

    /// The interface of this name.
    pub fn by_name(&self, name: &str) -> Option<&Link> {
        self.links.get(name)
    }

    /// The interface with this index.
    pub fn by_index(&self, ifindex: u32) -> Option<&Link> {
        self.links.values().find(|link| link.ifindex == ifindex)
    }

    /// The IPv4 addresses of all interfaces.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.links
            .values()
            .flat_map(|link| link.addresses.iter().map(Ipv4Net::addr))
    }

    /// How many interfaces there are.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }
}

impl FromIterator<Link> for Snapshot {
    fn from_iter<I: IntoIterator<Item = Link>>(links: I) -> Self {
        Self {
            links: links.into_iter().map(|link| (link.name.clone(), link)).collect(),
        }
    }
}

fn link(message: &LinkMessage) -> Option<Link> {
    let mut link = Link {
        ifindex: message.header.index,
        name: String::new(),
        up: message.header.flags.contains(LinkFlags::Up | LinkFlags::Running),
        mac: None,
        mtu: 0,
        addresses: Vec::new(),
        vlan: None,
        kind: None,
        redirect_target: false,
    };
    let mut lower = None;
    let mut vlan_id = None;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(address) => link.mac = address.as_slice().try_into().ok(),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Link(index) => lower = Some(*index),
            LinkAttribute::LinkInfo(info) => {
                vlan_id = info.iter().find_map(vlan_id_of);
                link.kind = info.iter().find_map(kind_of);
            }
            _ => {}
        }
    }
    if link.name.is_empty() {
        return None;
    }
    link.vlan = lower.zip(vlan_id).map(|(parent, id)| VlanOf { parent, id });
    Some(link)
}

fn vlan_id_of(info: &LinkInfo) -> Option<u16> {
    let LinkInfo::Data(InfoData::Vlan(vlan)) = info else {
        return None;
    };
    vlan.iter().find_map(|attribute| match attribute {
        InfoVlan::Id(id) => Some(*id),
        _ => None,
    })
}

fn kind_of(info: &LinkInfo) -> Option<String> {
    match info {
        LinkInfo::Kind(kind) => Some(kind.to_string()),
        _ => None,
    }
}

/// The interface's own address. On point-to-point links `IFA_ADDRESS` is the other end's, so `IFA_LOCAL` goes first.
fn address(message: &AddressMessage) -> Option<Ipv4Net> {
    if message.header.family != AddressFamily::Inet {
        return None;
    }
    let of = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(wanted);
    let address = of(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    })
    .or_else(|| {
        of(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })?;
    match address {
        IpAddr::V4(address) => Ipv4Net::new(address, message.header.prefix_len).ok(),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_route::link::InfoKind;

    use super::*;

    fn link_message(index: u32, flags: LinkFlags, attributes: Vec<LinkAttribute>) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = flags;
        message.attributes = attributes;
        message
    }

    fn address_message(
        index: u32,
        flags: AddressHeaderFlags,
        attributes: Vec<AddressAttribute>,
    ) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.index = index;
        message.header.prefix_len = 24;
        message.header.flags = flags;
        message.attributes = attributes;
        message
    }

    fn local(a: u8, b: u8, c: u8, d: u8) -> AddressAttribute {
        AddressAttribute::Local(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
    }

    #[test]
    fn primary_addresses_come_first() {
        let links = [link_message(
            4,
            LinkFlags::Up | LinkFlags::Running,
            vec![
                LinkAttribute::IfName("lan0".to_owned()),
                LinkAttribute::Mtu(1500),
                LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
            ],
        )];
        let addresses = [
            address_message(4, AddressHeaderFlags::Secondary, vec![local(10, 1, 1, 9)]),
            address_message(4, AddressHeaderFlags::empty(), vec![local(10, 1, 1, 1)]),
            address_message(5, AddressHeaderFlags::empty(), vec![local(10, 9, 9, 9)]),
        ];
        let snapshot = Snapshot::of_dumps(&links, &addresses, &BTreeSet::new());
        let link = snapshot.by_name("lan0").expect("lan0 is there");
        assert_eq!(
            link.addresses,
            ["10.1.1.1/24", "10.1.1.9/24"].map(|net| net.parse().expect("a network"))
        );
        assert_eq!(link.mac, Some([2, 0, 0, 0, 0, 1]));
        assert!(link.up);
        assert_eq!(snapshot.len(), 1);
    }

    #[test]
    fn the_local_end_of_a_point_to_point_link_is_its_address() {
        let links = [link_message(
            2,
            LinkFlags::Up,
            vec![LinkAttribute::IfName("ppp0".to_owned())],
        )];
        let peer = AddressAttribute::Address(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)));
        let addresses = [address_message(
            2,
            AddressHeaderFlags::empty(),
            vec![peer, local(10, 0, 0, 1)],
        )];
        let snapshot = Snapshot::of_dumps(&links, &addresses, &BTreeSet::new());
        let link = snapshot.by_name("ppp0").expect("ppp0 is there");
        assert_eq!(link.addresses[0].addr(), Ipv4Addr::new(10, 0, 0, 1));
        assert!(!link.up, "a link without IFF_RUNNING is down");
        assert_eq!(link.mac, None);
    }

    #[test]
    fn only_what_the_kernel_names_can_be_redirected_to() {
        let veth = |index, name: &str| {
            let info = vec![LinkInfo::Kind(InfoKind::Veth)];
            let name = LinkAttribute::IfName(name.to_owned());
            link_message(index, LinkFlags::Up, vec![name, LinkAttribute::LinkInfo(info)])
        };
        let links = [veth(2, "lan0"), veth(3, "lan1")];
        let snapshot = Snapshot::of_dumps(&links, &[], &BTreeSet::from([3, 9]));
        let is_target = |index| {
            snapshot
                .by_index(index)
                .map(|link| (link.kind.as_deref(), link.redirect_target))
        };
        assert_eq!(is_target(2), Some((Some("veth"), false)));
        assert_eq!(is_target(3), Some((Some("veth"), true)));
        assert_eq!(snapshot.len(), 2, "index 9 has no link");
    }

    #[test]
    fn a_vlan_names_its_parent() {
        let info = vec![
            LinkInfo::Kind(InfoKind::Vlan),
            LinkInfo::Data(InfoData::Vlan(vec![InfoVlan::Id(7)])),
        ];
        let links = [link_message(
            9,
            LinkFlags::Up,
            vec![
                LinkAttribute::IfName("lan0.7".to_owned()),
                LinkAttribute::Link(4),
                LinkAttribute::LinkInfo(info),
            ],
        )];
        let snapshot = Snapshot::of_dumps(&links, &[], &BTreeSet::new());
        let link = snapshot.by_index(9).expect("index 9 is there");
        assert_eq!(link.vlan, Some(VlanOf { parent: 4, id: 7 }));
        assert_eq!(link.kind.as_deref(), Some("vlan"));
    }
}
