//! Sending any frame.

use std::{io, os::fd::AsRawFd};

use nix::{ifaddrs::getifaddrs, sys::socket::bind};
use socket2::{Domain, Socket, Type};

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
#[track_caller]
pub(crate) fn packet_socket(namespace: &Namespace, interface: &str, protocol: u16) -> Socket {
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
