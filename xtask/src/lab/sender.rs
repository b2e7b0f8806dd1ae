//! A sender of the lab: real UDP sockets, in a namespace of its own, on a link to a router.

use std::cell::Cell;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use anyhow::{Context, Result};
use socket2::{Domain, Socket, Type};

use super::HOST_INTERFACE;
use super::netns::Namespace;

/// The router's end of a sender's link, in the network of the sender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RouterSide {
    /// The interface.
    pub(crate) interface: &'static str,
    /// Its address.
    pub(crate) address: Ipv4Addr,
}

/// The UDP port of every stream.
pub(crate) const PORT: u16 = 5001;

/// How many routers the packets may pass. More than one is enough: with a TTL of 1 they would end at the router.
const TTL: u32 = 8;

/// The length of a packet's payload, that of video over UDP: seven MPEG transport stream packets.
const PAYLOAD: usize = 7 * 188;

/// What a receiver may ask for: packets of one source to one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stream {
    /// The sender's address.
    pub(crate) source: Ipv4Addr,
    /// The group.
    pub(crate) group: Ipv4Addr,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.source, self.group)
    }
}

/// A host with several addresses, each of which sends what it is told to.
pub(crate) struct Sender {
    namespace: Namespace,
    router_side: RouterSide,
    sockets: Vec<(Ipv4Addr, UdpSocket)>,
    sequence: Cell<u32>,
}

impl Sender {
    /// Makes a sender with these addresses, linked to `router`.
    ///
    /// # Errors
    ///
    /// When a namespace, link, address or socket cannot be made.
    pub(crate) fn create(
        name: &str,
        router: &Namespace,
        router_side: RouterSide,
        addresses: &[Ipv4Addr],
    ) -> Result<Self> {
        let namespace = Namespace::create(name)?;
        let RouterSide { interface, address } = router_side;
        router.link(interface, &namespace, HOST_INTERFACE)?;
        router.address(interface, address)?;
        for address in addresses {
            namespace.address(HOST_INTERFACE, *address)?;
        }
        namespace.ip(&["link", "set", HOST_INTERFACE, "up"])?;
        router.ip(&["link", "set", interface, "up"])?;
        let sockets = namespace.enter(|| {
            addresses
                .iter()
                .map(|address| Ok((*address, socket(*address)?)))
                .collect()
        })?;
        Ok(Self {
            namespace,
            router_side,
            sockets,
            sequence: Cell::new(0),
        })
    }

    /// The namespace of the sender.
    pub(crate) fn namespace(&self) -> &str {
        self.namespace.name()
    }

    /// The router's end of its link.
    pub(crate) fn router_side(&self) -> RouterSide {
        self.router_side
    }

    /// The number that the next round carries. Numbers only grow.
    pub(crate) fn next_number(&self) -> u32 {
        self.sequence.get()
    }

    /// Sends one packet of each stream, with the same number in each.
    ///
    /// # Errors
    ///
    /// When a stream is of no address of this sender, or a packet cannot be sent.
    pub(crate) fn send(&self, streams: &[Stream]) -> Result<()> {
        let number = self.sequence.get();
        self.sequence.set(number + 1);
        let mut payload = [0; PAYLOAD];
        payload[..4].copy_from_slice(&number.to_be_bytes());
        for stream in streams {
            let (_, socket) = self
                .sockets
                .iter()
                .find(|(address, _)| *address == stream.source)
                .with_context(|| format!("{} has no address {}", self.namespace(), stream.source))?;
            socket
                .send_to(&payload, (stream.group, PORT))
                .with_context(|| format!("cannot send {stream}"))?;
        }
        Ok(())
    }
}

/// The number in a packet's payload; `None` where it is not one of a [`Sender`].
pub(crate) fn number(payload: &[u8]) -> Option<u32> {
    let number = payload.first_chunk().copied().map(u32::from_be_bytes)?;
    (payload.len() == PAYLOAD && payload[4..].iter().all(|byte| *byte == 0)).then_some(number)
}

fn socket(address: Ipv4Addr) -> Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).context("cannot open a UDP socket")?;
    socket
        .bind(&SocketAddrV4::new(address, PORT).into())
        .with_context(|| format!("cannot send from {address}"))?;
    socket
        .set_multicast_if_v4(&address)
        .and_then(|()| socket.set_multicast_ttl_v4(TTL))
        .context("cannot make a socket for multicast")?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_packets_have_a_number() {
        let mut payload = [0; PAYLOAD];
        payload[..4].copy_from_slice(&[0, 0, 1, 2]);
        assert_eq!(number(&payload), Some(258));
        assert_eq!(number(&payload[..PAYLOAD - 1]), None);
        payload[PAYLOAD - 1] = 1;
        assert_eq!(number(&payload), None);
    }
}
