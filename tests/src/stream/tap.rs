//! Every UDP packet that arrives on a link, joined or not.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::sys::socket::setsockopt;
use socket2::Socket;

use super::{
    Arrivals, Payload,
    datagram::{sum, udp_sum},
    message::{self, Auxiliary, PacketAuxdata, PacketIgnoreOutgoing},
};
use crate::{
    Namespace, PATIENCE,
    raw::{keep_protocols, packet_socket},
    wait_for,
};

/// Bytes of an Ethernet header without a tag.
const ETHERNET_LEN: usize = 14;

/// The UDP packets that arrive on an interface, from when it was opened on. What the namespace itself sends is seen by a tap
/// of both directions alone.
#[derive(Debug)]
pub struct Tap {
    frames: Arc<Mutex<Vec<Frame>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// An IPv4 packet with UDP, or a fragment of one, in its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When the kernel got it, since 1970.
    pub at: Duration,
    /// The VLAN tag's 16 bits, where it came with one.
    pub tag: Option<u16>,
    /// Whether its UDP checksum is still to be computed, as between virtual interfaces of one machine.
    pub checksum_pending: bool,
    /// The bytes without the tag.
    pub bytes: Vec<u8>,
}

impl Frame {
    fn new(at: Duration, auxiliary: Auxiliary, bytes: &[u8]) -> Option<Self> {
        let Auxiliary {
            tag,
            checksum_pending,
        } = auxiliary;
        let is_udp = bytes.get(12..14)? == [0x08, 0x00] && *bytes.get(ETHERNET_LEN + 9)? == 17;
        is_udp.then(|| Self {
            at,
            tag,
            checksum_pending,
            bytes: bytes.to_vec(),
        })
    }

    /// Ethernet destination.
    pub fn destination_mac(&self) -> [u8; 6] {
        self.array(0)
    }

    /// Ethernet source.
    pub fn source_mac(&self) -> [u8; 6] {
        self.array(6)
    }

    /// IP time to live.
    pub fn ttl(&self) -> u8 {
        self.bytes[ETHERNET_LEN + 8]
    }

    /// IP type of service.
    pub fn tos(&self) -> u8 {
        self.bytes[ETHERNET_LEN + 1]
    }

    /// IP identification.
    pub fn id(&self) -> u16 {
        u16::from_be_bytes(self.array(ETHERNET_LEN + 4))
    }

    /// The 16 bits with the fragment flags and offset.
    pub fn fragment(&self) -> u16 {
        u16::from_be_bytes(self.array(ETHERNET_LEN + 6))
    }

    /// IP source.
    pub fn source(&self) -> Ipv4Addr {
        self.array::<4>(ETHERNET_LEN + 12).into()
    }

    /// IP destination.
    pub fn destination(&self) -> Ipv4Addr {
        self.array::<4>(ETHERNET_LEN + 16).into()
    }

    /// IP options.
    pub fn options(&self) -> &[u8] {
        &self.header()[20..]
    }

    /// Whether the checksum of the IP header is right.
    pub fn is_header_checksum_right(&self) -> bool {
        sum(self.header()) == 0xffff
    }

    /// Whether the UDP checksum is there and right. It must not be pending, nor the packet a fragment.
    pub fn is_checksum_right(&self) -> bool {
        let udp = self.udp();
        udp[6..8] != [0, 0] && udp_sum(self.source(), self.destination(), udp) == 0xffff
    }

    /// The numbered payload, where the packet has one and is no later part of another.
    pub fn payload(&self) -> Option<Payload> {
        if self.fragment() & 0x3fff != 0 {
            return None;
        }
        Payload::parse(self.udp().get(8..)?)
    }

    /// What IP carries, without padding.
    pub fn udp(&self) -> &[u8] {
        let total = usize::from(u16::from_be_bytes(self.array(ETHERNET_LEN + 2)));
        let header = self.header().len();
        self.bytes
            .get(ETHERNET_LEN + header..ETHERNET_LEN + total)
            .expect("the packet fits into its frame")
    }

    fn header(&self) -> &[u8] {
        let len = usize::from(self.bytes[ETHERNET_LEN] & 0x0f) * 4;
        self.bytes
            .get(ETHERNET_LEN..ETHERNET_LEN + len)
            .expect("the header fits into its frame")
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.bytes
            .get(at..)
            .and_then(<[u8]>::first_chunk)
            .copied()
            .expect("a frame with an IPv4 header")
    }
}

impl Tap {
    /// Begins to look at an interface of a namespace.
    #[track_caller]
    pub fn open(namespace: &Namespace, interface: &str) -> Self {
        Self::new(namespace, interface, true)
    }

    /// Begins to look at what goes over an interface of a namespace in both directions.
    #[track_caller]
    pub fn open_both(namespace: &Namespace, interface: &str) -> Self {
        Self::new(namespace, interface, false)
    }

    #[track_caller]
    fn new(namespace: &Namespace, interface: &str, ignores_outgoing: bool) -> Self {
        let all = u16::try_from(libc::ETH_P_ALL).expect("an EtherType");
        let socket = packet_socket(namespace, interface, all);
        message::prepare(&socket);
        keep_protocols(&socket, &[17]);
        setsockopt(&socket, PacketAuxdata, &true).expect("a packet socket tells tags");
        setsockopt(&socket, PacketIgnoreOutgoing, &ignores_outgoing)
            .expect("a packet socket that listens only");
        let frames = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (frames, stop) = (Arc::clone(&frames), Arc::clone(&stop));
            move || keep(&socket, &frames, &stop)
        });
        Self {
            frames,
            stop,
            thread: Some(thread),
        }
    }

    /// Everything so far.
    pub fn all(&self) -> Vec<Frame> {
        lock(&self.frames).clone()
    }

    /// What came for a group so far, whoever sent it.
    pub fn to(&self, group: Ipv4Addr) -> Vec<Frame> {
        let frames = lock(&self.frames);
        frames
            .iter()
            .filter(|frame| frame.destination() == group)
            .cloned()
            .collect()
    }

    /// When the last frame for a group came.
    pub fn latest(&self, group: Ipv4Addr) -> Option<Duration> {
        let frames = lock(&self.frames);
        let mut backwards = frames.iter().rev();
        backwards
            .find(|frame| frame.destination() == group)
            .map(|frame| frame.at)
    }

    /// How many frames came that `wanted` accepts.
    pub fn count(&self, wanted: impl Fn(&Frame) -> bool) -> usize {
        lock(&self.frames).iter().filter(|frame| wanted(frame)).count()
    }

    /// What came of a stream from `source` to `group`.
    pub fn arrivals(&self, stream: u32, source: Ipv4Addr, group: Ipv4Addr) -> Arrivals {
        let frames = lock(&self.frames);
        let of_stream = frames
            .iter()
            .filter(|frame| (frame.source(), frame.destination()) == (source, group))
            .filter_map(|frame| Some((frame.payload()?, frame.at)))
            .filter(|(payload, _)| payload.stream == stream);
        Arrivals {
            all: of_stream.map(|(payload, at)| (payload.sequence, at)).collect(),
        }
    }

    /// Waits until a frame came that `wanted` accepts, and returns the first.
    #[track_caller]
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        wait_for(what, PATIENCE, || {
            let frames = lock(&self.frames);
            let found = frames.iter().find(|frame| wanted(frame)).cloned();
            found.ok_or_else(|| format!("{} frames, the last {:02x?}", frames.len(), frames.last()))
        })
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !thread::panicking() {
                ended.expect("the tap saw everything");
            }
        }
    }
}

fn keep(socket: &Socket, frames: &Mutex<Vec<Frame>>, stop: &AtomicBool) {
    let mut buffer = vec![0; 1 << 16];
    while !stop.load(Ordering::Relaxed) {
        let Some(received) = message::receive(socket, &mut buffer) else {
            continue;
        };
        assert_eq!(received.lost, 0, "the tap's own buffer is full");
        if let Some(frame) = Frame::new(received.at, received.auxiliary, &buffer[..received.len]) {
            lock(frames).push(frame);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
