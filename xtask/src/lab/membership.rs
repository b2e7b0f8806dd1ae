//! A real membership of a real socket: what makes the kernel send IGMP reports.

use std::io;
use std::mem::size_of;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use nix::setsockopt_impl;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{RcvBufForce, SetStruct};
use socket2::{Domain, InterfaceIndexOrAddress, SockRef, Socket, Type};

use super::sender::Stream;
use super::tap::BUFFER;

/// A membership of one group; the kernel leaves the group when it is dropped.
pub(crate) struct Membership {
    socket: UdpSocket,
    group: Ipv4Addr,
    interface: u32,
}

impl Membership {
    /// Joins `group` on the interface with this index: from any source when `sources` is empty, else from these alone.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, for instance for an address that is not multicast.
    pub(crate) fn join(group: Ipv4Addr, sources: &[Ipv4Addr], interface: u32) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).context("cannot open a UDP socket")?;
        let membership = Self {
            socket: socket.into(),
            group,
            interface,
        };
        if sources.is_empty() {
            SockRef::from(&membership.socket)
                .join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(interface))
                .with_context(|| format!("cannot join {group}"))?;
        }
        for source in sources {
            membership.add_source(*source)?;
        }
        Ok(membership)
    }

    /// From now on the socket receives what comes to the group and this port.
    ///
    /// # Errors
    ///
    /// When the port is taken.
    pub(crate) fn listen(&self, port: u16) -> Result<()> {
        setsockopt(&self.socket, RcvBufForce, &BUFFER).context("cannot enlarge a UDP socket's buffer")?;
        self.socket
            .set_nonblocking(true)
            .context("cannot make a UDP socket nonblocking")?;
        let address = SocketAddrV4::new(self.group, port);
        SockRef::from(&self.socket)
            .bind(&address.into())
            .with_context(|| format!("cannot listen on {address}"))
    }

    /// Hands over the payload of all that the socket has received since the last time.
    ///
    /// # Errors
    ///
    /// When the kernel refuses to tell.
    pub(crate) fn drain(&self, mut each: impl FnMut(Stream, &[u8])) -> Result<()> {
        let mut buffer = [0; 1 << 11];
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((len, SocketAddr::V4(sender))) => {
                    let stream = Stream {
                        source: *sender.ip(),
                        group: self.group,
                    };
                    each(stream, &buffer[..len]);
                }
                // An IPv4 socket has no other senders.
                Ok((_, SocketAddr::V6(_))) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).with_context(|| format!("cannot receive {}", self.group)),
            }
        }
    }

    /// Asks for one more source (`MCAST_JOIN_SOURCE_GROUP`).
    ///
    /// # Errors
    ///
    /// When the kernel refuses, for instance because the socket has joined the group for any source.
    pub(crate) fn add_source(&self, source: Ipv4Addr) -> Result<()> {
        setsockopt(&self.descriptor(), JoinSourceGroup, &self.request(source))
            .with_context(|| format!("cannot join {} from {source}", self.group))
    }

    /// Does without a source asked for before (`MCAST_LEAVE_SOURCE_GROUP`).
    ///
    /// # Errors
    ///
    /// When the source was not asked for.
    pub(crate) fn drop_source(&self, source: Ipv4Addr) -> Result<()> {
        setsockopt(&self.descriptor(), LeaveSourceGroup, &self.request(source))
            .with_context(|| format!("cannot leave {source} of {}", self.group))
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn request(&self, source: Ipv4Addr) -> GroupSourceRequest {
        GroupSourceRequest {
            interface: self.interface,
            group: Storage::from(self.group),
            source: Storage::from(source),
        }
    }
}

/// The kernel's `struct group_source_req`.
#[repr(C)]
#[derive(Clone, Copy)]
struct GroupSourceRequest {
    interface: u32,
    group: Storage,
    source: Storage,
}

/// The kernel's `struct sockaddr_storage`, holding an IPv4 address.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Storage {
    family: u16,
    port: u16,
    address: [u8; 4],
    rest: [u8; 120],
}

const _: () = {
    assert!(size_of::<Storage>() == size_of::<libc::sockaddr_storage>());
    assert!(size_of::<GroupSourceRequest>() == 8 + 2 * size_of::<libc::sockaddr_storage>());
};

impl From<Ipv4Addr> for Storage {
    fn from(address: Ipv4Addr) -> Self {
        Self {
            family: libc::AF_INET as u16,
            port: 0,
            address: address.octets(),
            rest: [0; 120],
        }
    }
}

// nix has no names for these two.
#[derive(Clone, Copy)]
struct JoinSourceGroup;
setsockopt_impl!(
    JoinSourceGroup,
    libc::IPPROTO_IP,
    libc::MCAST_JOIN_SOURCE_GROUP,
    GroupSourceRequest,
    SetStruct<GroupSourceRequest>
);

#[derive(Clone, Copy)]
struct LeaveSourceGroup;
setsockopt_impl!(
    LeaveSourceGroup,
    libc::IPPROTO_IP,
    libc::MCAST_LEAVE_SOURCE_GROUP,
    GroupSourceRequest,
    SetStruct<GroupSourceRequest>
);
