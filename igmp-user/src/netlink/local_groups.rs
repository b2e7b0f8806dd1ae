//! The IPv4 multicast groups that sockets of this network namespace have joined.

use std::{collections::BTreeSet, fs, io, net::Ipv4Addr, sync::Arc, time::Duration};

use ipnet::Ipv4Net;
use rtnetlink::{
    MulticastGroup,
    packet_core::{
        DecodeError, NetlinkDeserializable, NetlinkHeader, NetlinkSerializable, NlasIterator, parse_u32,
    },
    proto::ConnectionHandle,
    sys::protocols::NETLINK_ROUTE,
};
use tokio::sync::watch as channel;

use super::{
    NetlinkError,
    error::errno,
    follow::follow,
    hints::Hints,
    request::{connect, dump},
};

/// Groups with the index of the interface on which they are joined.
pub type LocalGroups = BTreeSet<(u32, Ipv4Addr)>;

/// Groups that never leave their link, and of which the kernel has joined some by itself (RFC 5771 §4).
const LOCAL_NETWORK_CONTROL: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 24);
/// How long a change may go unnoticed where the kernel does not notify of it.
const POLL: Duration = Duration::from_secs(1);

/// Constants of `<linux/rtnetlink.h>` and `<linux/if_addr.h>`.
const RTM_GETMULTICAST: u16 = 58;
const IFA_MULTICAST: u16 = 7;
const AF_INET: u8 = 2;

/// Reads which groups are joined on which interfaces, 224.0.0.0/24 left out, and follows the changes from now on, in a
/// task of its own. A kernel that does not notify of them is asked once a second.
///
/// # Errors
///
/// [`NetlinkError`] where the first reading fails. Later failures are logged and tried again.
pub async fn watch_local_groups() -> Result<channel::Receiver<Arc<LocalGroups>>, NetlinkError> {
    let mut hints = Hints::default();
    // Groups go with their interface.
    hints.listen(NETLINK_ROUTE, &[MulticastGroup::Link as u32])?;
    let notifies = hints
        .listen(NETLINK_ROUTE, &[MulticastGroup::Ipv4Mcaddr as u32])
        .is_ok();
    let handle = connect(NETLINK_ROUTE)?;
    if notifies && dumped(&handle).await?.is_some() {
        follow("joined groups", hints, move || {
            let handle = handle.clone();
            async move { Ok(dumped(&handle).await?.unwrap_or_default()) }
        })
        .await
    } else {
        hints.every(POLL);
        follow("joined groups", hints, async || Ok(listed()?)).await
    }
}

/// What the kernel dumps, or `None` where it cannot.
async fn dumped(handle: &ConnectionHandle<Joined>) -> Result<Option<LocalGroups>, NetlinkError> {
    match dump(handle, Joined::default()).await {
        Ok(joined) => Ok(Some(
            joined
                .into_iter()
                .map(|joined| (joined.ifindex, joined.group))
                .filter(|(_, group)| !LOCAL_NETWORK_CONTROL.contains(group))
                .collect(),
        )),
        Err(error) if errno(&error) == Some(libc::EOPNOTSUPP) => Ok(None),
        Err(error) => Err(NetlinkError::dump("joined groups")(error)),
    }
}

/// `struct ifaddrmsg` and the attribute that matters here. As a request it asks for all groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Joined {
    ifindex: u32,
    group: Ipv4Addr,
}

impl Default for Joined {
    fn default() -> Self {
        Self {
            ifindex: 0,
            group: Ipv4Addr::UNSPECIFIED,
        }
    }
}

impl Joined {
    /// Length of `struct ifaddrmsg`: family, prefix length, flags and scope of one byte each, and the index.
    const HEADER_LEN: usize = 8;
}

impl NetlinkSerializable for Joined {
    fn message_type(&self) -> u16 {
        RTM_GETMULTICAST
    }

    fn buffer_len(&self) -> usize {
        Self::HEADER_LEN
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.fill(0);
        if let Some(family) = buffer.first_mut() {
            *family = AF_INET;
        }
    }
}

impl NetlinkDeserializable for Joined {
    type Error = DecodeError;

    fn deserialize(_header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        let too_short = || DecodeError::buffer_too_small(payload.len(), Self::HEADER_LEN);
        let (header, attributes) = payload.split_at_checked(Self::HEADER_LEN).ok_or_else(too_short)?;
        let index = header.get(4..).ok_or_else(too_short)?;
        let mut joined = Self {
            ifindex: parse_u32(index)?,
            ..Self::default()
        };
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            if attribute.kind() == IFA_MULTICAST {
                let octets: [u8; 4] = attribute
                    .value()
                    .try_into()
                    .map_err(|_| DecodeError::invalid_ip_address(attribute.value().len()))?;
                joined.group = octets.into();
            }
        }
        Ok(joined)
    }
}

/// What `/proc` lists. The thread's own directory, because threads may be in different namespaces.
fn listed() -> io::Result<LocalGroups> {
    Ok(parse_list(&fs::read_to_string("/proc/thread-self/net/igmp")?))
}

/// Reads the file: a line for each interface that begins with its index, and under it an indented one for each group.
/// What is not like that, as the heading, is passed over (`igmp_mc_seq_show`).
fn parse_list(text: &str) -> LocalGroups {
    let mut ifindex = None;
    let mut groups = LocalGroups::new();
    for line in text.lines() {
        let first = line.split_ascii_whitespace().next().unwrap_or_default();
        if !line.starts_with(char::is_whitespace) {
            ifindex = first.parse().ok();
            continue;
        }
        // The kernel prints the four bytes as one number of the machine's own byte order.
        let group = u32::from_str_radix(first, 16).map(|group| Ipv4Addr::from(group.to_ne_bytes()));
        if let (Some(ifindex), Ok(group)) = (ifindex, group)
            && !LOCAL_NETWORK_CONTROL.contains(&group)
        {
            groups.insert((ifindex, group));
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    /// The loopback interface, which every network namespace has.
    const LOOPBACK: u32 = 1;

    #[cfg(target_endian = "little")]
    #[test]
    fn a_group_is_read_from_its_message() {
        let bytes = [
            2, 32, 0x80, 0, 3, 0, 0, 0, // AF_INET, 32 bits, permanent, universe, interface 3
            8, 0, 7, 0, 239, 1, 2, 3, // IFA_MULTICAST
            20, 0, 6, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ];
        let parse = |bytes: &[u8]| Joined::deserialize(&NetlinkHeader::default(), bytes);
        assert_eq!(
            parse(&bytes).expect("a group"),
            Joined {
                ifindex: 3,
                group: Ipv4Addr::new(239, 1, 2, 3),
            }
        );
        parse(&bytes[..7]).expect_err("half a header");
        parse(&bytes[..14]).expect_err("half an address");
    }

    // Printed by Linux 6.18 on a little-endian machine with a socket in 239.1.2.3 on eth0.
    #[cfg(target_endian = "little")]
    #[test]
    fn the_list_of_proc_is_read() {
        let text = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n\
            1\tlo        :     1      V3\n\
            \t\t\t\t010000E0     1 0:00000000\t\t0\n\
            12\teth0      :     2      V3\n\
            \t\t\t\t030201EF     1 0:00000000\t\t0\n\
            \t\t\t\t010000E0     1 0:00000000\t\t0\n";
        let expected = LocalGroups::from([(12, Ipv4Addr::new(239, 1, 2, 3))]);
        assert_eq!(parse_list(text), expected);
        assert_eq!(parse_list(""), LocalGroups::new());
    }

    #[tokio::test]
    async fn both_ways_to_look_see_the_same() {
        let group = Ipv4Addr::new(239, 255, 77, 1);
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket
            .join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)
            .expect("to join");
        let listed = listed().expect("a list");
        assert!(listed.contains(&(LOOPBACK, group)), "{listed:?}");
        let handle = connect(NETLINK_ROUTE).expect("a socket");
        // An older kernel has only the list.
        if let Some(dumped) = dumped(&handle).await.expect("an answer") {
            assert_eq!(dumped, listed);
        }
    }
}
