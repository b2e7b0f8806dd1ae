//! Seeing what goes over a link.

use std::{
    io::Read,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{Namespace, raw::packet_socket};

/// All IGMP packets on an interface in both directions, from when it was opened on.
///
/// Open it on the host's end of a link: on the router's end, XDP takes reports before a capture sees them. VLAN tags are
/// not seen, since the kernel takes them off before.
#[derive(Debug)]
pub struct Capture {
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A captured packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When it was read.
    pub at: Instant,
    /// IP type of service.
    pub tos: u8,
    /// IP time to live.
    pub ttl: u8,
    /// IP source.
    pub source: Ipv4Addr,
    /// IP destination.
    pub destination: Ipv4Addr,
    /// IP options.
    pub options: Vec<u8>,
    /// The IGMP message.
    pub message: Vec<u8>,
}

impl Seen {
    /// The message type.
    pub fn kind(&self) -> u8 {
        self.message.first().copied().unwrap_or(0)
    }

    /// The group in bytes 4 to 7, which all messages but version 3 reports have.
    pub fn group(&self) -> Ipv4Addr {
        self.message.get(4..8).map_or(Ipv4Addr::UNSPECIFIED, address)
    }

    fn parse(frame: &[u8]) -> Option<Self> {
        let ip = frame.get(14..)?;
        if frame.get(12..14)? != [0x08, 0x00] || *ip.get(9)? != 2 {
            return None;
        }
        let header = usize::from(ip.first()? & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?]));
        Some(Self {
            at: Instant::now(),
            tos: *ip.get(1)?,
            ttl: *ip.get(8)?,
            source: address(ip.get(12..16)?),
            destination: address(ip.get(16..20)?),
            options: ip.get(20..header)?.to_vec(),
            message: ip.get(header..total)?.to_vec(),
        })
    }
}

fn address(bytes: &[u8]) -> Ipv4Addr {
    bytes
        .first_chunk::<4>()
        .copied()
        .map_or(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from)
}

impl Capture {
    /// Begins to capture on an interface of a namespace.
    #[track_caller]
    pub fn open(namespace: &Namespace, interface: &str) -> Self {
        let all = u16::try_from(libc::ETH_P_ALL).expect("an EtherType");
        let mut socket = packet_socket(namespace, interface, all);
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("a socket takes a timeout");
        socket
            .set_recv_buffer_size(4 << 20)
            .expect("a socket takes a buffer size");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (seen, stop) = (Arc::clone(&seen), Arc::clone(&stop));
            move || {
                let mut buffer = vec![0; 1 << 16];
                while !stop.load(Ordering::Relaxed) {
                    // A timeout, or the interface going down, is no end of the capture.
                    let Ok(len) = socket.read(&mut buffer) else {
                        continue;
                    };
                    if let Some(packet) = buffer.get(..len).and_then(Seen::parse) {
                        lock(&seen).push(packet);
                    }
                }
            }
        });
        Self {
            seen,
            stop,
            thread: Some(thread),
        }
    }

    /// Everything captured so far.
    pub fn all(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }

    /// What was captured so far and `wanted` accepts.
    pub fn matching(&self, wanted: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        lock(&self.seen)
            .iter()
            .filter(|packet| wanted(packet))
            .cloned()
            .collect()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there was printed already.
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
