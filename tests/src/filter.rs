//! Source filters of sockets, in full (RFC 3678 §4.1.2): the one socket option of multicast hosts that sets a whole list
//! at once, and with it any change of mode.

use std::net::Ipv4Addr;

use nix::{setsockopt_impl, sockopt_impl, sys::socket::setsockopt};
use socket2::Socket;

/// Most sources that a filter can list here.
pub const MAX_SOURCES: usize = 64;

/// A socket's filter mode for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only these sources.
    Include,
    /// All but these sources.
    Exclude,
}

/// `struct ip_mreq_source` with a list, which the C libraries call `struct ip_msfilter`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Filter {
    group: u32,
    interface: u32,
    mode: u32,
    count: u32,
    sources: [u32; MAX_SOURCES],
}

/// `IP_MSFILTER`, which libc lacks.
const IP_MSFILTER: libc::c_int = 41;
/// `MCAST_EXCLUDE` and `MCAST_INCLUDE` of `<linux/in.h>`.
const MCAST_EXCLUDE: u32 = 0;
const MCAST_INCLUDE: u32 = 1;

sockopt_impl!(
    /// Sets the source filter of a group that the socket has joined.
    SourceFilter,
    SetOnly,
    libc::IPPROTO_IP,
    IP_MSFILTER,
    Filter
);

/// Replaces the filter of `group` on the interface with the address `interface`. The socket must have joined the group
/// there.
///
/// # Panics
///
/// If there are more sources than [`MAX_SOURCES`] or the kernel refuses.
#[track_caller]
pub fn set(socket: &Socket, group: Ipv4Addr, interface: Ipv4Addr, mode: Mode, sources: &[Ipv4Addr]) {
    let mut list = [0; MAX_SOURCES];
    assert!(
        sources.len() <= MAX_SOURCES,
        "a filter has room for {MAX_SOURCES} sources"
    );
    for (slot, source) in list.iter_mut().zip(sources) {
        *slot = network_order(*source);
    }
    let filter = Filter {
        group: network_order(group),
        interface: network_order(interface),
        mode: match mode {
            Mode::Include => MCAST_INCLUDE,
            Mode::Exclude => MCAST_EXCLUDE,
        },
        count: u32::try_from(sources.len()).expect("at most 64"),
        sources: list,
    };
    setsockopt(socket, SourceFilter, &filter)
        .unwrap_or_else(|error| panic!("{mode:?} {sources:?} of {group}: {error}"));
}

fn network_order(address: Ipv4Addr) -> u32 {
    u32::from_ne_bytes(address.octets())
}
