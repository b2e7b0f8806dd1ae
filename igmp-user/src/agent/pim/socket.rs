//! Where PIM messages are received: one socket for each interface, and a task that reads it.
//!
//! The kernel puts fragments together and checks the IP header. It is asked for protocol 103 on one device, and for those
//! groups alone that the socket itself has joined there, which is 224.0.0.13. Own messages are sent as frames and never come
//! back.
//!
//! A neighbour that floods is slowed down: after a full batch its socket is left alone for a moment, and what finds no room in
//! its queue meanwhile is lost and counted. The agent takes messages of all interfaces from one short queue, in which each
//! interface waits for its turn.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use igmp_core::pim::Message;
use igmp_wire::{address::ALL_PIM_ROUTERS, ipv4::PROTOCOL_PIM, pim};
use rustix::{
    io::Errno,
    net::{RecvFlags, recv, sockopt},
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::mpsc,
    task::AbortHandle,
    time::sleep,
};
use tracing::{error, warn};

use super::{counters::Counters, message};
use crate::{readiness, sys::mroute::socket_drops};

/// How many messages of one interface are read before others get their turn.
const BATCH: usize = 32;
/// How long a socket is left alone after a full batch: no neighbour is listened to more than 3,200 times a second.
const PAUSE: Duration = Duration::from_millis(10);
/// How long to wait after a socket that failed.
const RETRY: Duration = Duration::from_secs(1);
/// Room for messages in the kernel, in bytes as it accounts for them: a thousand of full length, which join 70,000 groups.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// A message that arrived.
#[derive(Debug)]
pub(in crate::agent) struct Received {
    /// The slot of the interface.
    pub(super) slot: u32,
    /// Its index.
    pub(super) ifindex: u32,
    /// Its IP source.
    pub(super) sender: Ipv4Addr,
    /// The message.
    pub(super) message: Message,
}

impl Received {
    /// How much work it makes: one for the message, and one for each entry of a Join/Prune.
    pub(super) fn work(&self) -> usize {
        let entries = match &self.message {
            Message::JoinPrune(message) => message
                .groups
                .iter()
                .map(|group| group.joins.len() + group.prunes.len())
                .sum(),
            Message::Hello(_) | Message::Assert(_) => 0,
        };
        1 + entries
    }
}

/// A socket that is read. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Listener(AbortHandle);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Listener {
    /// Opens a socket on an interface and passes on what arrives there.
    ///
    /// # Errors
    ///
    /// What the kernel answers: `ENODEV` without such an interface, `EPERM` without `CAP_NET_RAW`.
    pub(super) fn start(
        name: &str,
        slot: u32,
        ifindex: u32,
        counters: Arc<Counters>,
        messages: mpsc::Sender<Received>,
    ) -> io::Result<Self> {
        let socket = readiness::of(open(name, ifindex)?, Interest::READABLE)?;
        counters.begin_socket();
        let reader = Reader {
            socket,
            name: name.to_owned(),
            slot,
            ifindex,
            counters,
            messages,
        };
        Ok(Self(tokio::spawn(reader.run()).abort_handle()))
    }
}

fn open(name: &str, ifindex: u32) -> io::Result<OwnedFd> {
    let protocol = Protocol::from(i32::from(PROTOCOL_PIM));
    let socket = Socket::new(Domain::IPV4, Type::RAW.nonblocking().cloexec(), Some(protocol))?;
    socket.bind_device(Some(name.as_bytes()))?;
    // The name may be another interface's by now; on that nothing is joined then, and this turns off what others joined.
    socket.set_multicast_all_v4(false)?;
    socket.join_multicast_v4_n(&ALL_PIM_ROUTERS, &InterfaceIndexOrAddress::Index(ifindex))?;
    socket.set_multicast_loop_v4(false)?;
    // The larger size needs CAP_NET_ADMIN in the first namespace. Without it the queue is merely shorter.
    if sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err() {
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    }
    Ok(socket.into())
}

/// What reads a socket.
struct Reader {
    socket: AsyncFd<OwnedFd>,
    name: String,
    slot: u32,
    ifindex: u32,
    counters: Arc<Counters>,
    messages: mpsc::Sender<Received>,
}

/// What reading a batch came to.
enum Batch {
    /// There may be more.
    Full,
    /// There is no more for now.
    Done,
    /// The socket cannot be read for now.
    Failed,
    /// Nobody wants messages any more.
    Over,
}

impl Reader {
    /// Reads until nobody wants messages any more.
    async fn run(self) {
        // What an IPv4 packet can hold.
        let mut buffer = vec![0; usize::from(u16::MAX)];
        let mut said = false;
        loop {
            let mut ready = match self.socket.readable().await {
                Ok(ready) => ready,
                Err(error) => {
                    error!(
                        interface = self.name,
                        "PIM messages cannot be waited for any more: {error}"
                    );
                    return;
                }
            };
            let batch = self.read(&mut buffer, &mut said).await;
            if let Ok(lost) = socket_drops(self.socket.get_ref().as_fd()) {
                self.counters.set_lost(lost.into());
            }
            match batch {
                Batch::Full => sleep(PAUSE).await,
                Batch::Done => ready.clear_ready(),
                Batch::Failed => sleep(RETRY).await,
                Batch::Over => return,
            }
        }
    }

    async fn read(&self, buffer: &mut [u8], said: &mut bool) -> Batch {
        for _ in 0..BATCH {
            match recv(self.socket.get_ref(), &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((len, _)) => {
                    if let Some(received) = self.take(buffer.get(..len).unwrap_or_default())
                        && self.messages.send(received).await.is_err()
                    {
                        return Batch::Over;
                    }
                }
                Err(Errno::WOULDBLOCK) => return Batch::Done,
                Err(Errno::INTR) => {}
                Err(error) => {
                    if !std::mem::replace(said, true) {
                        warn!(
                            interface = self.name,
                            "cannot receive PIM messages for now: {error}"
                        );
                    }
                    return Batch::Failed;
                }
            }
        }
        Batch::Full
    }

    /// Counts a packet, and makes a message of it if it is one.
    fn take(&self, packet: &[u8]) -> Option<Received> {
        match pim::open(packet) {
            Ok(received) => {
                self.counters.count_received(&received.message);
                Some(Received {
                    slot: self.slot,
                    ifindex: self.ifindex,
                    sender: received.source,
                    message: message::from_wire(&received.message),
                })
            }
            Err(refusal) => {
                self.counters.count_refused(refusal);
                None
            }
        }
    }
}
