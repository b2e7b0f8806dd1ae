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
use rustix::net::{RecvFlags, recv, sockopt};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::mpsc,
    task::{AbortHandle, yield_now},
    time::sleep,
};
use tracing::warn;

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
    /// Index of the interface.
    pub(super) ifindex: u32,
    /// Its IP source.
    pub(super) sender: Ipv4Addr,
    /// The message.
    pub(super) message: Message,
}

/// A socket that is read. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Listener {
    ifindex: u32,
    reader: AbortHandle,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.reader.abort();
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
        ifindex: u32,
        counters: Arc<Counters>,
        messages: mpsc::Sender<Received>,
    ) -> io::Result<Self> {
        let socket = readiness::of(open(name, ifindex)?, Interest::READABLE)?;
        let reader = tokio::spawn(read(socket, name.to_owned(), ifindex, counters, messages));
        Ok(Self {
            ifindex,
            reader: reader.abort_handle(),
        })
    }

    /// Index of the interface.
    pub(super) const fn ifindex(&self) -> u32 {
        self.ifindex
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

/// Reads a socket until nobody wants its messages any more.
async fn read(
    socket: AsyncFd<OwnedFd>,
    name: String,
    ifindex: u32,
    counters: Arc<Counters>,
    messages: mpsc::Sender<Received>,
) {
    // What an IPv4 packet can hold.
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let mut ready = match socket.readable().await {
            Ok(ready) => ready,
            Err(error) => {
                warn!(interface = name, "PIM messages cannot be waited for any more: {error}");
                return;
            }
        };
        let mut is_full = true;
        for _ in 0..BATCH {
            match recv(socket.get_ref(), buffer.as_mut_slice(), RecvFlags::DONTWAIT) {
                Ok((len, _)) => {
                    let Some(received) = take(buffer.get(..len).unwrap_or_default(), ifindex, &counters) else {
                        continue;
                    };
                    if messages.send(received).await.is_err() {
                        return;
                    }
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    ready.clear_ready();
                    is_full = false;
                    break;
                }
                Err(error) => {
                    warn!(interface = name, "cannot receive PIM messages for now: {error}");
                    sleep(RETRY).await;
                    break;
                }
            }
        }
        if let Ok(lost) = socket_drops(socket.get_ref().as_fd()) {
            counters.set_lost(lost.into());
        }
        if is_full {
            sleep(PAUSE).await;
        } else {
            yield_now().await;
        }
    }
}

/// Counts a packet, and makes a message of it if it is one.
fn take(packet: &[u8], ifindex: u32, counters: &Counters) -> Option<Received> {
    match pim::open(packet) {
        Ok(received) => {
            counters.count_received(&received.message);
            Some(Received {
                ifindex,
                sender: received.source,
                message: message::from_wire(&received.message),
            })
        }
        Err(refusal) => {
            counters.count_refused(refusal);
            None
        }
    }
}
