//! The socket options and `ioctl`s of the kernel's IPv4 multicast routing (linux/mroute.h, net/ipv4/ipmr.c).
//!
//! Rules are those of [`crate::mroute`]; here are only the calls, one function each. All of them want a raw IGMP socket
//! and act in the network namespace that it was made in.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd, BorrowedFd},
};

/// `MAXVIFS` of linux/mroute.h: how many virtual interfaces the kernel's multicast routing has.
pub const MAX_VIFS: usize = 32;

/// `MRT_INIT` of linux/mroute.h, and what follows it there.
const MRT_INIT: libc::c_int = 200;
const MRT_DONE: libc::c_int = 201;
const MRT_ADD_VIF: libc::c_int = 202;
const MRT_DEL_VIF: libc::c_int = 203;
const MRT_ADD_MFC: libc::c_int = 204;
const MRT_DEL_MFC: libc::c_int = 205;
const MRT_ASSERT: libc::c_int = 207;
const MRT_PIM: libc::c_int = 208;

/// `SIOCGETVIFCNT` and `SIOCGETSGCNT` of linux/mroute.h: the first two of `SIOCPROTOPRIVATE`.
const SIOCGETVIFCNT: libc::c_ulong = 0x89e0;
const SIOCGETSGCNT: libc::c_ulong = 0x89e1;

/// `VIFF_USE_IFINDEX` of linux/mroute.h.
const VIFF_USE_IFINDEX: u8 = 0x8;

/// `struct vifctl` of linux/mroute.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct VifControl {
    vif: u16,
    flags: u8,
    threshold: u8,
    rate_limit: u32,
    ifindex: i32,
    remote: u32,
}

/// `struct mfcctl` of linux/mroute.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct MfcControl {
    origin: u32,
    group: u32,
    parent: u16,
    ttls: [u8; MAX_VIFS],
    padding: u16,
    packets: u32,
    bytes: u32,
    wrong_if: u32,
    expire: i32,
}

/// `struct sioc_sg_req` of linux/mroute.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct EntryRequest {
    source: u32,
    group: u32,
    packets: libc::c_ulong,
    bytes: libc::c_ulong,
    wrong_if: libc::c_ulong,
}

/// `struct sioc_vif_req` of linux/mroute.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct VifRequest {
    vif: u16,
    padding: [u8; size_of::<libc::c_ulong>() - 2],
    packets_in: libc::c_ulong,
    packets_out: libc::c_ulong,
    bytes_in: libc::c_ulong,
    bytes_out: libc::c_ulong,
}

/// A structure that an `ioctl` reads and writes.
///
/// # Safety
///
/// `CODE` is the code of the `ioctl` that takes the structure, and any bytes are a valid value of it.
unsafe trait Request {
    const CODE: libc::c_ulong;
}

// SAFETY: the kernel takes this structure for this code, and all members are integers.
unsafe impl Request for EntryRequest {
    const CODE: libc::c_ulong = SIOCGETSGCNT;
}

// SAFETY: the kernel takes this structure for this code, and all members are integers.
unsafe impl Request for VifRequest {
    const CODE: libc::c_ulong = SIOCGETVIFCNT;
}

const _: () = {
    assert!(size_of::<VifControl>() == 16);
    assert!(size_of::<MfcControl>() == 60);
    assert!(size_of::<EntryRequest>() == 8 + 3 * size_of::<libc::c_ulong>());
    assert!(size_of::<VifRequest>() == 5 * size_of::<libc::c_ulong>());
};

/// Makes the socket the multicast routing daemon of its network namespace.
///
/// # Errors
///
/// `EADDRINUSE` while another socket is, `ENOPROTOOPT` of a kernel without `CONFIG_IP_MROUTE`.
pub fn mroute_init(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, MRT_INIT, &1)
}

/// Ends multicast routing: the kernel forgets all virtual interfaces and entries of this socket.
///
/// # Errors
///
/// `EACCES` where the socket is not the daemon's.
pub fn mroute_done(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, MRT_DONE, &1)
}

/// Asks for an `IGMPMSG_WRONGVIF` for packets of an entry that arrive on another virtual interface, one in three seconds
/// for each entry.
///
/// # Errors
///
/// What the kernel answers.
pub fn mroute_report_wrong_vif(socket: BorrowedFd<'_>) -> io::Result<()> {
    // PIM mode tells of every virtual interface. Kernels without PIM have the older mode, which tells only of those that
    // the entry forwards to.
    set(socket, MRT_PIM, &1).or_else(|_| set(socket, MRT_ASSERT, &1))
}

/// Makes an interface the virtual interface `vif`.
///
/// # Errors
///
/// `EADDRNOTAVAIL` without such an interface, `EADDRINUSE` where `vif` is taken, `ENFILE` from [`MAX_VIFS`] on.
pub fn mroute_add_vif(socket: BorrowedFd<'_>, vif: u16, ifindex: u32) -> io::Result<()> {
    let control = VifControl {
        vif,
        flags: VIFF_USE_IFINDEX,
        threshold: 1,
        ifindex: i32::try_from(ifindex).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?,
        ..VifControl::default()
    };
    set(socket, MRT_ADD_VIF, &control)
}

/// Takes a virtual interface back.
///
/// # Errors
///
/// `EADDRNOTAVAIL` where there is none: the kernel takes it back by itself when the interface vanishes.
pub fn mroute_remove_vif(socket: BorrowedFd<'_>, vif: u16) -> io::Result<()> {
    let control = VifControl {
        vif,
        ..VifControl::default()
    };
    set(socket, MRT_DEL_VIF, &control)
}

/// Makes or replaces the entry of a source and group: packets must arrive on `parent`, and leave on each virtual interface
/// whose threshold in `ttls` is not 0 and less than their TTL.
///
/// # Errors
///
/// `ENFILE` for a `parent` from [`MAX_VIFS`] on, `EINVAL` for a group that is none, `ENOMEM`.
pub fn mroute_set_entry(
    socket: BorrowedFd<'_>,
    source: Ipv4Addr,
    group: Ipv4Addr,
    parent: u16,
    ttls: [u8; MAX_VIFS],
) -> io::Result<()> {
    let control = MfcControl {
        origin: network_order(source),
        group: network_order(group),
        parent,
        ttls,
        ..MfcControl::default()
    };
    set(socket, MRT_ADD_MFC, &control)
}

/// Removes the entry of a source and group.
///
/// # Errors
///
/// `ENOENT` where there is none.
pub fn mroute_remove_entry(socket: BorrowedFd<'_>, source: Ipv4Addr, group: Ipv4Addr) -> io::Result<()> {
    let control = MfcControl {
        origin: network_order(source),
        group: network_order(group),
        ..MfcControl::default()
    };
    set(socket, MRT_DEL_MFC, &control)
}

/// Packets and bytes that met the entry of a source and group, and how many of these packets arrived on another virtual
/// interface than its parent. The kernel counts in words of the machine.
///
/// # Errors
///
/// `EADDRNOTAVAIL` where there is no such entry.
pub fn mroute_entry_counters(
    socket: BorrowedFd<'_>,
    source: Ipv4Addr,
    group: Ipv4Addr,
) -> io::Result<(u64, u64, u64)> {
    let mut request = EntryRequest {
        source: network_order(source),
        group: network_order(group),
        ..EntryRequest::default()
    };
    exchange(socket, &mut request)?;
    Ok((word(request.packets), word(request.bytes), word(request.wrong_if)))
}

/// Packets and bytes that were forwarded out of a virtual interface. The kernel counts in words of the machine.
///
/// # Errors
///
/// `EADDRNOTAVAIL` or `EINVAL` where there is no such virtual interface.
pub fn mroute_vif_counters(socket: BorrowedFd<'_>, vif: u16) -> io::Result<(u64, u64)> {
    let mut request = VifRequest {
        vif,
        ..VifRequest::default()
    };
    exchange(socket, &mut request)?;
    Ok((word(request.packets_out), word(request.bytes_out)))
}

/// Lets only those messages into the socket's queue that the kernel's multicast routing wrote: their IP protocol is 0. All
/// IGMP of the network would come, too, for any raw socket gets a copy.
///
/// # Errors
///
/// What the kernel answers.
pub fn mroute_accept_upcalls_only(socket: BorrowedFd<'_>) -> io::Result<()> {
    /// `BPF_LD | BPF_B | BPF_ABS`, `BPF_JMP | BPF_JEQ | BPF_K` and `BPF_RET | BPF_K` of linux/bpf_common.h.
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    /// Where the protocol stands in an IP header.
    const PROTOCOL: u32 = 9;

    let instruction = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = [
        instruction(LOAD_BYTE, 0, 0, PROTOCOL),
        instruction(JUMP_IF_EQUAL, 0, 1, 0),
        instruction(RETURN, 0, 0, u32::MAX),
        instruction(RETURN, 0, 0, 0),
    ];
    let filter = libc::sock_fprog {
        len: program.len() as libc::c_ushort,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the filter is readable for the length given, it points to as many instructions as it says, and the kernel
    // copies both during the call.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const filter).cast(),
            size_of_val(&filter) as libc::socklen_t,
        )
    };
    check(outcome)
}

/// How many messages found no room in the socket's queue.
///
/// # Errors
///
/// What the kernel answers.
pub fn socket_drops(socket: BorrowedFd<'_>) -> io::Result<u32> {
    /// `SO_MEMINFO` of asm-generic/socket.h.
    const SO_MEMINFO: libc::c_int = 55;
    /// `SK_MEMINFO_VARS` and `SK_MEMINFO_DROPS` of linux/sock_diag.h.
    const VARIABLES: usize = 9;
    const DROPS: usize = 8;

    let mut values = [0_u32; VARIABLES];
    let mut len = size_of_val(&values) as libc::socklen_t;
    // SAFETY: the values and their length are writable, and the length is that of the values.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            values.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    check(outcome)?;
    Ok(values[DROPS])
}

/// Sets an option of the IP level. `T` is one of the structures above or an integer.
fn set<T>(socket: BorrowedFd<'_>, option: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the value is readable for the length given, and the kernel does not keep it. None of the types has bytes
    // that were never written, because padding between their members is a member of its own.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            option,
            (&raw const *value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    check(outcome)
}

/// Has the kernel answer a request in place.
fn exchange<T: Request>(socket: BorrowedFd<'_>, request: &mut T) -> io::Result<()> {
    // SAFETY: the request is writable, and by the promise of `Request` what the kernel reads and writes for this code.
    let outcome = unsafe { libc::ioctl(socket.as_raw_fd(), T::CODE as _, &raw mut *request) };
    check(outcome)
}

/// The error of a call that answers less than 0.
fn check(outcome: libc::c_int) -> io::Result<()> {
    if outcome < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// A member of type `struct in_addr`.
fn network_order(address: Ipv4Addr) -> u32 {
    u32::from_ne_bytes(address.octets())
}

/// A word of the machine, which is shorter on some.
#[expect(clippy::unnecessary_cast, reason = "the word has 32 bits on some machines")]
fn word(value: libc::c_ulong) -> u64 {
    value as u64
}
