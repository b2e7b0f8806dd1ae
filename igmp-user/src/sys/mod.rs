//! Everything that needs `unsafe` in user space: the packet socket, multicast routing, reading many entries of a map, a map as
//! memory, and the promise that types of the boundary with the kernel are plain bytes.

#![expect(unsafe_code, reason = "this is the one module that holds it")]

mod entries;
pub mod mroute;
mod shared;

use std::{
    io, mem,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use igmp_wire::abi::{
    FlowEntry, ForwardingState, GroupEntry, GroupKey, InterfaceConfig, InterfaceCounters, InterfaceKey,
    InterfaceUsage, Port, PortSet, RefreshEntry, RouteEntry, RouteKey, SourceEntry, SourceKey,
};
use rustix::net::sockopt;

pub use self::{
    entries::Entries,
    shared::{SharedRefresh, SharedRefreshes},
};

/// Room for frames that the interfaces have not sent yet, in bytes as the kernel accounts for them: 3,500 of full length, which
/// join a quarter of a million groups. What finds no room is lost until the protocol repeats it.
const SEND_BUFFER: usize = 4 * 1024 * 1024;

/// A key or value of a BPF map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Plain<T>(pub T);

macro_rules! plain {
    ($($type:ty),+ $(,)?) => {
        $(
            // SAFETY: the type is `repr(C)`, consists of integers only, and has no padding: its definition in
            // `igmp_wire::abi` names every byte and asserts the size. So any bytes are a valid value, and it may be
            // copied as bytes. `Plain` is transparent.
            unsafe impl aya::Pod for Plain<$type> {}
        )+
    };
}

plain!(
    FlowEntry,
    ForwardingState,
    GroupEntry,
    GroupKey,
    InterfaceConfig,
    InterfaceCounters,
    InterfaceKey,
    InterfaceUsage,
    Port,
    PortSet,
    RefreshEntry,
    RouteEntry,
    RouteKey,
    SourceEntry,
    SourceKey,
);

/// An `AF_PACKET` socket that sends whole frames and receives none.
#[derive(Debug)]
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// Opens the socket. It is closed on `exec`, and does not block.
    ///
    /// # Errors
    ///
    /// What the kernel answers; `EPERM` without `CAP_NET_RAW`.
    pub fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointers. Protocol 0 means that nothing is received.
        let fd = unsafe {
            libc::socket(
                libc::AF_PACKET,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
                0,
            )
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was opened just now, and nothing else owns it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        // The larger size needs CAP_NET_ADMIN in the first namespace. Without it there is less room for a burst.
        if sockopt::set_socket_send_buffer_size_force(&socket, SEND_BUFFER).is_err() {
            sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER)?;
        }
        Ok(Self(socket))
    }

    /// Sends a frame, from its Ethernet header on, out of an interface.
    ///
    /// # Errors
    ///
    /// What the kernel answers: `ENXIO` without such an interface, `ENETDOWN` while it is down, `EMSGSIZE` for a frame
    /// longer than its MTU, `ENOBUFS` and `EAGAIN` where its queue is full.
    pub fn send(&self, ifindex: u32, frame: &[u8]) -> io::Result<()> {
        // SAFETY: all fields of the structure are integers, for which zero is valid.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex =
            i32::try_from(ifindex).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: the frame and the address are readable for the lengths given, and the kernel keeps neither.
        let sent = unsafe {
            libc::sendto(
                self.0.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                libc::MSG_DONTWAIT,
                (&raw const address).cast(),
                size_of_val(&address) as libc::socklen_t,
            )
        };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// Lets an interface receive frames for all multicast groups, or takes that back. The kernel counts such requests
    /// and takes them back when the socket is closed.
    ///
    /// # Errors
    ///
    /// What the kernel answers: `ENODEV` without such an interface.
    pub fn set_allmulti(&self, ifindex: u32, on: bool) -> io::Result<()> {
        // SAFETY: all fields of the structure are integers, for which zero is valid.
        let mut request: libc::packet_mreq = unsafe { mem::zeroed() };
        request.mr_ifindex =
            i32::try_from(ifindex).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        request.mr_type = libc::PACKET_MR_ALLMULTI as u16;
        let option = if on {
            libc::PACKET_ADD_MEMBERSHIP
        } else {
            libc::PACKET_DROP_MEMBERSHIP
        };
        // SAFETY: the request is readable for the length given, and the kernel does not keep it.
        let outcome = unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                libc::SOL_PACKET,
                option,
                (&raw const request).cast(),
                size_of_val(&request) as libc::socklen_t,
            )
        };
        if outcome < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

/// Whether an interface may take VLAN tags out of frames before XDP sees them (`rx-vlan-offload` of `ethtool -k`).
///
/// # Errors
///
/// What the kernel answers: `ENODEV` without such an interface, `EOPNOTSUPP` where its driver does not tell.
pub fn rx_vlan_offload(interface: &str) -> io::Result<bool> {
    /// `SIOCETHTOOL` of linux/sockios.h.
    const SIOCETHTOOL: libc::c_ulong = 0x8946;
    /// `ETHTOOL_GFLAGS` of linux/ethtool.h.
    const ETHTOOL_GFLAGS: u32 = 0x25;
    /// `ETH_FLAG_RXVLAN` of linux/ethtool.h.
    const ETH_FLAG_RXVLAN: u32 = 1 << 8;

    /// `struct ethtool_value` of linux/ethtool.h.
    #[repr(C)]
    struct Value {
        command: u32,
        data: u32,
    }

    // SAFETY: the call takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was opened just now, and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut value = Value {
        command: ETHTOOL_GFLAGS,
        data: 0,
    };
    // SAFETY: all members of the structure are integers or pointers, for which zero is valid.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    if interface.len() >= request.ifr_name.len() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: the request and the value that it points to are writable and outlive the call.
    let outcome = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(value.data & ETH_FLAG_RXVLAN != 0)
}

/// The cookie of this thread's network namespace: a number that the kernel never gives to another one, unlike inode
/// numbers, as long as it runs.
///
/// # Errors
///
/// What the kernel answers.
pub fn network_namespace_cookie() -> io::Result<u64> {
    /// `SO_NETNS_COOKIE` of asm-generic/socket.h.
    const SO_NETNS_COOKIE: libc::c_int = 71;

    // SAFETY: the call takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was opened just now, and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut cookie = 0_u64;
    let mut len = size_of_val(&cookie) as libc::socklen_t;
    // SAFETY: the value and its length are writable, and the length is that of the value.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut len,
        )
    };
    if outcome < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(cookie)
    }
}
