//! Seeing what reaches a host's interface, whether or not a socket of the host has asked for it.

use std::io::{self, Read};
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBufForce;
use socket2::{Domain, Protocol, Socket, Type};

use super::sender::{PORT, Stream};

/// Room for what arrives while this program does not get to run.
pub(crate) const BUFFER: usize = 8 << 20;

const PROTOCOL_UDP: u8 = 17;
const UDP_HEADER: usize = 8;

/// A packet socket, which receives a copy of every IPv4 packet of its namespace's interfaces.
pub(crate) struct Tap {
    socket: Socket,
}

impl Tap {
    /// Opens it in the namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub(crate) fn open() -> Result<Self> {
        let protocol = Protocol::from(i32::from((libc::ETH_P_IP as u16).to_be()));
        // Of the type `DGRAM` packets come without their link-layer header.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))
            .context("cannot open a packet socket")?;
        setsockopt(&socket, RcvBufForce, &BUFFER).context("cannot enlarge a packet socket's buffer")?;
        socket
            .set_nonblocking(true)
            .context("cannot make a packet socket nonblocking")?;
        Ok(Self { socket })
    }

    /// Hands over the payload of all packets of streams that have come since the last time.
    ///
    /// # Errors
    ///
    /// When the kernel refuses to tell.
    pub(crate) fn drain(&self, mut each: impl FnMut(Stream, &[u8])) -> Result<()> {
        let mut buffer = [0; 1 << 11];
        loop {
            match (&self.socket).read(&mut buffer) {
                Ok(len) => {
                    if let Some((stream, payload)) = parse(&buffer[..len]) {
                        each(stream, payload);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("cannot read from a packet socket"),
            }
        }
    }
}

/// The stream and payload of an IPv4 packet, `None` where it is of no stream.
fn parse(packet: &[u8]) -> Option<(Stream, &[u8])> {
    let address = |at| packet.get(at..)?.first_chunk().copied().map(Ipv4Addr::from);
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let udp = packet.get(header..)?;
    let port = udp.get(2..)?.first_chunk().copied().map(u16::from_be_bytes)?;
    let stream = Stream {
        source: address(12)?,
        group: address(16)?,
    };
    (packet[9] == PROTOCOL_UDP && port == PORT && stream.group.is_multicast())
        .then_some((stream, udp.get(UDP_HEADER..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From 192.0.2.1 port 9 to 239.1.1.1 port 5001, with four bytes of options and the payload `ab`.
    const PACKET: [u8; 34] = [
        0x46, 0, 0, 34, 0, 0, 0, 0, 8, 17, 0, 0, 192, 0, 2, 1, 239, 1, 1, 1, 1, 1, 1, 0, // IP
        0, 9, 0x13, 0x89, 0, 10, 0, 0, // UDP
        b'a', b'b',
    ];

    #[test]
    fn finds_the_stream_and_the_payload() {
        let stream = Stream {
            source: Ipv4Addr::new(192, 0, 2, 1),
            group: Ipv4Addr::new(239, 1, 1, 1),
        };
        assert_eq!(parse(&PACKET), Some((stream, &b"ab"[..])));
    }

    #[test]
    fn other_packets_are_of_no_stream() {
        for (at, byte) in [(9, 2), (16, 10), (27, 0x8a)] {
            let mut packet = PACKET;
            packet[at] = byte;
            assert_eq!(parse(&packet), None, "byte {at}");
        }
        for len in 0..32 {
            assert_eq!(parse(&PACKET[..len]), None, "{len} bytes");
        }
    }
}
