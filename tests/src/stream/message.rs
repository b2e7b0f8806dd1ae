//! Receiving from a socket with what the kernel tells beside the data.

use std::{
    io::IoSliceMut,
    net::Ipv4Addr,
    os::fd::AsRawFd,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::{
    cmsg_space,
    errno::Errno,
    libc::in_pktinfo,
    setsockopt_impl, sockopt_impl,
    sys::{
        socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt},
        time::TimeSpec,
    },
};
use socket2::Socket;

/// How long a thread sleeps in a receive before it looks whether it should end.
const TIMEOUT: Duration = Duration::from_millis(50);
/// Room for what arrives while the machine is busy elsewhere.
const BUFFER: usize = 64 << 20;

sockopt_impl!(
    /// Asks for a [`Auxiliary`] with each frame of a packet socket.
    PacketAuxdata,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_AUXDATA,
    bool
);

sockopt_impl!(
    /// Keeps what this machine sends from a packet socket.
    PacketIgnoreOutgoing,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_IGNORE_OUTGOING,
    bool
);

sockopt_impl!(
    /// Whether a socket gets what other sockets of the machine joined, too.
    MulticastAll,
    SetOnly,
    libc::IPPROTO_IP,
    libc::IP_MULTICAST_ALL,
    bool
);

/// What the kernel tells beside a packet.
#[derive(Clone, Debug)]
pub struct Received {
    /// Bytes in the buffer.
    pub len: usize,
    /// When the kernel got the packet, since 1970.
    pub at: Duration,
    /// Where it was sent to, of UDP sockets.
    pub destination: Option<Ipv4Addr>,
    /// Where it came from, of UDP sockets.
    pub source: Option<Ipv4Addr>,
    /// The index of the interface that it came in on, of packet sockets.
    pub interface: Option<usize>,
    /// What the socket has lost until now: for want of room, and, of UDP sockets, for wrong checksums (`sk_drops`).
    pub lost: u32,
    /// Of packet sockets.
    pub auxiliary: Auxiliary,
}

/// What packet(7) tells of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Auxiliary {
    /// The VLAN tag's 16 bits, which the kernel has taken off the frame.
    pub tag: Option<u16>,
    /// The checksum of the packet's payload is not computed yet: an interface's hardware would do so.
    pub checksum_pending: bool,
}

/// Gives a socket much room, a timeout, and kernel times.
#[track_caller]
pub fn prepare(socket: &Socket) {
    socket
        .set_read_timeout(Some(TIMEOUT))
        .expect("a socket takes a timeout");
    setsockopt(socket, sockopt::RcvBufForce, &BUFFER).expect("root may have large buffers");
    setsockopt(socket, sockopt::ReceiveTimestampns, &true).expect("a socket takes times");
    setsockopt(socket, sockopt::RxqOvfl, &1).expect("a socket counts what it loses");
}

/// Receives one packet, or nothing in the time that [`prepare`] gave.
pub fn receive(socket: &Socket, buffer: &mut [u8]) -> Option<Received> {
    let mut slices = [IoSliceMut::new(buffer)];
    let mut control = cmsg_space!(TimeSpec, in_pktinfo, u32, [u8; 20]);
    let received = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut slices,
        Some(&mut control),
        MsgFlags::empty(),
    );
    let message = match received {
        Ok(message) => message,
        // Nothing came, or the interface went down, which a packet socket outlives.
        Err(Errno::EAGAIN | Errno::ENETDOWN | Errno::EINTR) => return None,
        Err(error) => panic!("a packet should be received: {error}"),
    };
    let address = message.address.as_ref();
    let mut found = Received {
        len: message.bytes,
        at: now(),
        destination: None,
        source: address.and_then(|address| Some(address.as_sockaddr_in()?.ip())),
        interface: address.and_then(|address| Some(address.as_link_addr()?.ifindex())),
        lost: 0,
        auxiliary: Auxiliary::default(),
    };
    for part in message.cmsgs().expect("the control buffer has room") {
        match part {
            ControlMessageOwned::ScmTimestampns(at) => found.at = at.into(),
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                found.destination = Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()));
            }
            ControlMessageOwned::RxqOvfl(lost) => found.lost = lost,
            ControlMessageOwned::Unknown(part)
                if (part.cmsg_header.cmsg_level, part.cmsg_header.cmsg_type)
                    == (libc::SOL_PACKET, libc::PACKET_AUXDATA) =>
            {
                found.auxiliary = Auxiliary::parse(&part.data_bytes).expect("a struct tpacket_auxdata");
            }
            _ => {}
        }
    }
    Some(found)
}

/// The time since 1970, as the kernel stamps packets.
pub fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock that was set")
}

impl Auxiliary {
    /// Reads `struct tpacket_auxdata`: three numbers of 32 bits and four of 16.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let status = u32::from_ne_bytes(*bytes.first_chunk()?);
        let tag = u16::from_ne_bytes(*bytes.get(16..)?.first_chunk()?);
        Some(Self {
            tag: (status & libc::TP_STATUS_VLAN_VALID != 0).then_some(tag),
            checksum_pending: status & libc::TP_STATUS_CSUMNOTREADY != 0,
        })
    }
}
