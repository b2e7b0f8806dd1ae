//! What the engine asks of the kernel, and the socket that does it.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, ipproto, recv, socket_with, sockopt};

use super::{OpenError, Upcall, VifSet};
use crate::sys::mroute as sys;

/// Room for messages of the kernel, in bytes as it accounts for them. It bounds, too, how many flows wait for an entry,
/// which the kernel keeps in a list and searches for every packet that has none.
const RECEIVE_BUFFER: usize = 512 * 1024;

/// A source that sends to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// The group.
    pub group: Ipv4Addr,
    /// The source.
    pub source: Ipv4Addr,
}

/// Packets, and the bytes of their IP packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many packets.
    pub packets: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// What the kernel counted for an entry since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryCounters {
    /// All packets of the flow, wherever they arrived.
    pub all: Traffic,
    /// How many of the packets arrived on another virtual interface than they should have.
    pub wrong_vif: u64,
}

/// The kernel's multicast routing, as far as the engine needs it.
pub trait RoutingSocket {
    /// Makes an interface a virtual interface.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    fn add_vif(&mut self, vif: u16, ifindex: u32) -> io::Result<()>;

    /// Takes a virtual interface back.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    fn remove_vif(&mut self, vif: u16) -> io::Result<()>;

    /// What was forwarded out of a virtual interface since it was made.
    ///
    /// # Errors
    ///
    /// What the kernel answers; without such a virtual interface an error, too.
    fn vif_counters(&mut self, vif: u16) -> io::Result<Traffic>;

    /// Makes or replaces the entry of a flow, which must arrive on `parent`.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    fn set_entry(&mut self, flow: Flow, parent: u16, outgoing: VifSet) -> io::Result<()>;

    /// Removes the entry of a flow.
    ///
    /// # Errors
    ///
    /// What the kernel answers; without such an entry an error, too.
    fn remove_entry(&mut self, flow: Flow) -> io::Result<()>;

    /// What the entry of a flow counted.
    ///
    /// # Errors
    ///
    /// What the kernel answers; without such an entry an error, too.
    fn entry_counters(&mut self, flow: Flow) -> io::Result<EntryCounters>;

    /// Takes one message out of the queue. `None` where it is none that the engine knows.
    ///
    /// # Errors
    ///
    /// `WouldBlock` where the queue is empty.
    fn receive(&mut self) -> io::Result<Option<Upcall>>;

    /// How many messages found no room in the queue.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    fn lost(&mut self) -> io::Result<u64>;
}

/// The socket of the multicast routing daemon, of which a network namespace has one. Dropping it ends multicast routing.
#[derive(Debug)]
pub struct MrouteSocket(OwnedFd);

impl MrouteSocket {
    /// Takes over the multicast routing of this thread's network namespace. The socket is closed on `exec`, and does not
    /// block.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] while another daemon has it, and others that say what is missing.
    pub fn open() -> Result<Self, OpenError> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::INET, SocketType::RAW, flags, Some(ipproto::IGMP))
            .map_err(|error| OpenError::from(io::Error::from(error)))?;
        // First of all, since IGMP of the network comes from now on.
        sys::mroute_accept_upcalls_only(socket.as_fd())?;
        // The larger size needs CAP_NET_ADMIN in the first namespace. Without it the queue is merely shorter.
        if sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err() {
            sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER).map_err(io::Error::from)?;
        }
        sys::mroute_init(socket.as_fd())?;
        let socket = Self(socket);
        sys::mroute_report_wrong_vif(socket.as_fd())?;
        Ok(socket)
    }
}

impl AsFd for MrouteSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for MrouteSocket {
    fn drop(&mut self) {
        // Closing would do, were it not for copies of the descriptor that wait for messages.
        let _ = sys::mroute_done(self.as_fd());
    }
}

impl RoutingSocket for MrouteSocket {
    fn add_vif(&mut self, vif: u16, ifindex: u32) -> io::Result<()> {
        sys::mroute_add_vif(self.as_fd(), vif, ifindex)
    }

    fn remove_vif(&mut self, vif: u16) -> io::Result<()> {
        sys::mroute_remove_vif(self.as_fd(), vif)
    }

    fn vif_counters(&mut self, vif: u16) -> io::Result<Traffic> {
        let (packets, bytes) = sys::mroute_vif_counters(self.as_fd(), vif)?;
        Ok(Traffic { packets, bytes })
    }

    fn set_entry(&mut self, flow: Flow, parent: u16, outgoing: VifSet) -> io::Result<()> {
        // A packet leaves where its TTL is greater than the threshold: with 1, every packet that may be forwarded at all.
        let mut ttls = [0; sys::MAX_VIFS];
        for vif in outgoing.iter() {
            ttls[usize::from(vif)] = 1;
        }
        sys::mroute_set_entry(self.as_fd(), flow.source, flow.group, parent, ttls)
    }

    fn remove_entry(&mut self, flow: Flow) -> io::Result<()> {
        sys::mroute_remove_entry(self.as_fd(), flow.source, flow.group)
    }

    fn entry_counters(&mut self, flow: Flow) -> io::Result<EntryCounters> {
        let (packets, bytes, wrong_vif) = sys::mroute_entry_counters(self.as_fd(), flow.source, flow.group)?;
        Ok(EntryCounters {
            all: Traffic { packets, bytes },
            wrong_vif,
        })
    }

    fn receive(&mut self) -> io::Result<Option<Upcall>> {
        let mut buffer = [0; Upcall::LEN];
        let (len, _) = recv(self.as_fd(), buffer.as_mut_slice(), RecvFlags::DONTWAIT)?;
        Ok(buffer.get(..len).and_then(Upcall::parse))
    }

    fn lost(&mut self) -> io::Result<u64> {
        sys::socket_drops(self.as_fd()).map(u64::from)
    }
}
