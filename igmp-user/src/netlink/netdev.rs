//! What interfaces can do with XDP: the generic netlink family `netdev`, which is there from Linux 6.3 on.
//!
//! Its constants are those of `<linux/netdev.h>`.

use std::collections::BTreeSet;

use netlink_packet_generic::{
    GenlFamily, GenlHeader, GenlMessage,
    ctrl::{
        GenlCtrl, GenlCtrlCmd,
        nlas::{GenlCtrlAttrs, McastGrpAttrs},
    },
};
use rtnetlink::{
    packet_core::{DecodeError, Emitable, NlasIterator, ParseableParametrized, parse_u32, parse_u64},
    proto::ConnectionHandle,
    sys::protocols::NETLINK_GENERIC,
};

use super::{
    NetlinkError,
    error::errno,
    request::{connect, dump, get},
};

const NAME: &str = "netdev";
/// The multicast group of `NETDEV_CMD_DEV_CHANGE_NTF`.
const MGMT: &str = "mgmt";

const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
/// Frames can be redirected to the interface: its driver has `ndo_xdp_xmit`, and what that needs is switched on.
const NETDEV_XDP_ACT_NDO_XMIT: u64 = 1 << 2;

/// The family, as this kernel numbers it.
#[derive(Clone, Debug)]
pub(super) struct NetdevFamily {
    handle: ConnectionHandle<GenlMessage<Device>>,
    id: u16,
    mgmt: Option<u32>,
}

impl NetdevFamily {
    /// Asks the kernel for the family. `None` means that it has none.
    pub(super) async fn find() -> Result<Option<Self>, NetlinkError> {
        let request = GenlMessage::from_payload(GenlCtrl {
            cmd: GenlCtrlCmd::GetFamily,
            nlas: vec![GenlCtrlAttrs::FamilyName(NAME.to_owned())],
        });
        let answers = match get(&connect(NETLINK_GENERIC)?, request).await {
            Ok(answers) => answers,
            Err(error) if errno(&error) == Some(libc::ENOENT) => return Ok(None),
            Err(error) => return Err(NetlinkError::dump("generic netlink families")(error)),
        };
        let attributes = || answers.iter().flat_map(|answer| &answer.payload.nlas);
        let id = attributes().find_map(|attribute| match attribute {
            GenlCtrlAttrs::FamilyId(id) => Some(*id),
            _ => None,
        });
        let mgmt = attributes()
            .filter_map(|attribute| match attribute {
                GenlCtrlAttrs::McastGroups(groups) => Some(groups),
                _ => None,
            })
            .flatten()
            .find_map(|group| id_if_named(group, MGMT));
        let Some(id) = id else {
            return Ok(None);
        };
        let handle = connect(NETLINK_GENERIC)?;
        Ok(Some(Self { handle, id, mgmt }))
    }

    /// The multicast group in which the kernel tells of interfaces whose features changed.
    pub(super) fn notifications(&self) -> Option<u32> {
        self.mgmt
    }

    /// Indices of the interfaces that XDP can redirect frames to.
    pub(super) async fn redirect_targets(&self) -> Result<BTreeSet<u32>, NetlinkError> {
        let mut request = GenlMessage::from_payload(Device::default());
        request.set_resolved_family_id(self.id);
        let devices = dump(&self.handle, request)
            .await
            .map_err(NetlinkError::dump("XDP features"))?;
        Ok(devices
            .into_iter()
            .map(|device| device.payload)
            .filter(|device| device.xdp_features & NETDEV_XDP_ACT_NDO_XMIT != 0)
            .map(|device| device.ifindex)
            .collect())
    }
}

/// The attributes of an interface that matter here. As a request it asks for all interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Device {
    ifindex: u32,
    xdp_features: u64,
}

impl GenlFamily for Device {
    fn family_name() -> &'static str {
        NAME
    }

    fn command(&self) -> u8 {
        NETDEV_CMD_DEV_GET
    }

    fn version(&self) -> u8 {
        1
    }
}

impl Emitable for Device {
    fn buffer_len(&self) -> usize {
        0
    }

    fn emit(&self, _buffer: &mut [u8]) {}
}

impl ParseableParametrized<[u8], GenlHeader> for Device {
    fn parse_with_param(attributes: &[u8], _header: GenlHeader) -> Result<Self, DecodeError> {
        let mut device = Self::default();
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            match attribute.kind() {
                NETDEV_A_DEV_IFINDEX => device.ifindex = parse_u32(attribute.value())?,
                NETDEV_A_DEV_XDP_FEATURES => device.xdp_features = parse_u64(attribute.value())?,
                _ => {}
            }
        }
        Ok(device)
    }
}

fn id_if_named(group: &[McastGrpAttrs], wanted: &str) -> Option<u32> {
    let named = group
        .iter()
        .any(|attribute| matches!(attribute, McastGrpAttrs::Name(name) if name == wanted));
    let id = group.iter().find_map(|attribute| match attribute {
        McastGrpAttrs::Id(id) => Some(*id),
        McastGrpAttrs::Name(_) => None,
    });
    id.filter(|_| named)
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    // The layout is that of `struct nlattr`: length, type, value. NETDEV_A_DEV_PAD is type 2.
    const VETH_WITH_A_PEER_THAT_HAS_GRO: [u8; 36] = [
        8, 0, 1, 0, 7, 0, 0, 0, // ifindex 7
        4, 0, 2, 0, // padding
        12, 0, 3, 0, 0b110_0111, 0, 0, 0, 0, 0, 0, 0, // features
        12, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, // what metadata the driver has
    ];

    fn parse(attributes: &[u8]) -> Result<Device, DecodeError> {
        let header = GenlHeader { cmd: 1, version: 1 };
        Device::parse_with_param(attributes, header)
    }

    #[test]
    fn features_are_found_among_other_attributes() {
        let device = parse(&VETH_WITH_A_PEER_THAT_HAS_GRO).expect("a device");
        assert_eq!(device.ifindex, 7);
        assert_ne!(device.xdp_features & NETDEV_XDP_ACT_NDO_XMIT, 0);
    }

    #[test]
    fn what_is_cut_off_is_no_device() {
        parse(&VETH_WITH_A_PEER_THAT_HAS_GRO[..10]).expect_err("an attribute without its end");
        parse(&[8, 0, 3, 0, 4, 0, 0, 0]).expect_err("features have 64 bits");
    }

    #[test]
    fn a_multicast_group_is_found_by_its_name() {
        let group = [McastGrpAttrs::Id(9), McastGrpAttrs::Name("mgmt".to_owned())];
        assert_eq!(id_if_named(&group, MGMT), Some(9));
        assert_eq!(id_if_named(&group, "page-pool"), None);
    }
}
