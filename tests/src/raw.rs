//! Sending any frame.

use std::{io, os::fd::AsRawFd};

use nix::{ifaddrs::getifaddrs, sys::socket::bind};
use socket2::{Domain, SockFilter, Socket, Type};

use crate::{Namespace, Packet};

/// A packet socket that sends frames out of one interface.
#[derive(Debug)]
pub struct RawSocket(Socket);

impl RawSocket {
    /// Opens a socket for an interface of a namespace.
    ///
    /// # Panics
    ///
    /// If there is no such interface.
    #[track_caller]
    pub fn open(namespace: &Namespace, interface: &str) -> Self {
        // Protocol 0 receives nothing.
        Self(packet_socket(namespace, interface, 0))
    }

    /// Sends a packet.
    #[track_caller]
    pub fn send(&self, packet: &Packet) {
        self.send_frame(&packet.frame());
    }

    /// Sends a frame, from its Ethernet header on. Waits where the interface's queue is full.
    #[track_caller]
    pub fn send_frame(&self, frame: &[u8]) {
        loop {
            match self.0.send(frame) {
                Ok(_) => return,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => std::thread::yield_now(),
                Err(error) => panic!("a frame of {} bytes should be sent: {error}", frame.len()),
            }
        }
    }
}

/// Opens a packet socket of this protocol (in host order) that is bound to one interface.
///
/// # Panics
///
/// If there is no such interface.
#[track_caller]
pub fn packet_socket(namespace: &Namespace, interface: &str, protocol: u16) -> Socket {
    let open = || -> io::Result<Socket> {
        let kind = Some(i32::from(protocol.to_be()).into());
        let socket = Socket::new(Domain::PACKET, Type::RAW, kind)?;
        // The list of interface addresses is the one place where the link-level address of an interface can be had
        // ready for use.
        let address = getifaddrs()?
            .filter(|entry| entry.interface_name == interface)
            .find_map(|entry| entry.address?.as_link_addr().copied())
            .ok_or(io::ErrorKind::NotFound)?;
        bind(socket.as_raw_fd(), &address)?;
        Ok(socket)
    };
    namespace
        .enter(open)
        .unwrap_or_else(|error| panic!("{interface} in {}: {error}", namespace.name()))
}

/// Opens a packet socket of this protocol (in host order) for all interfaces of a namespace.
#[track_caller]
pub fn packet_socket_on_all(namespace: &Namespace, protocol: u16) -> Socket {
    let kind = Some(i32::from(protocol.to_be()).into());
    namespace
        .enter(|| Socket::new(Domain::PACKET, Type::RAW, kind))
        .expect("a packet socket")
}

/// Has a packet socket keep untagged IPv4 packets of some IP protocols alone, so that no others take its room.
#[track_caller]
pub fn keep_protocols(socket: &Socket, protocols: &[u8]) {
    // Operations of classic BPF, as in <linux/filter.h>: load 16 or 8 bits of the frame, jump if equal, return.
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let count = u8::try_from(protocols.len()).expect("a few protocols");
    let mut program = vec![
        SockFilter::new(LOAD_HALF, 0, 0, 12),
        SockFilter::new(JUMP_EQUAL, 0, count + 1, 0x0800),
        SockFilter::new(LOAD_BYTE, 0, 0, 14 + 9),
    ];
    program.extend(
        (1..=count)
            .rev()
            .zip(protocols)
            .map(|(left, protocol)| SockFilter::new(JUMP_EQUAL, left, 0, u32::from(*protocol))),
    );
    program.push(SockFilter::new(RETURN, 0, 0, 0));
    program.push(SockFilter::new(RETURN, 0, 0, u32::MAX));
    socket.attach_filter(&program).expect("a socket takes a filter");
}
