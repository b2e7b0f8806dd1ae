//! Sockets that join groups and keep what they get.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddrV4},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use super::{
    Arrivals, PORT, Payload,
    message::{self, MulticastAll},
};
use crate::{
    Host, Namespace, PATIENCE,
    filter::{self, Mode},
    wait_for,
};

type Log = BTreeMap<(Ipv4Addr, Ipv4Addr), BTreeMap<u32, Arrivals>>;

/// A UDP socket that has joined groups, and a thread that empties it. Dropping it leaves all groups.
///
/// What comes out of it has passed the kernel's own checks: IP header and UDP checksum, length, source filter.
#[derive(Debug)]
pub struct Receiver {
    socket: Arc<Socket>,
    interface: InterfaceIndexOrAddress,
    address: Ipv4Addr,
    log: Arc<Mutex<Log>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Opens a receiver on a host that has joined nothing yet.
    #[track_caller]
    pub fn new(host: &Host) -> Self {
        Self::on(host.namespace(), "eth0", host.address())
    }

    /// Opens a receiver for an interface of a namespace, with the interface's address.
    ///
    /// # Panics
    ///
    /// If there is no such interface.
    #[track_caller]
    pub fn on(namespace: &Namespace, interface: &str, address: Ipv4Addr) -> Self {
        let socket = namespace
            .enter(|| Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)))
            .expect("a UDP socket");
        socket
            .set_reuse_address(true)
            .expect("a socket that shares its port");
        message::prepare(&socket);
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true).expect("a socket tells destinations");
        setsockopt(&socket, MulticastAll, &false).expect("a socket keeps to its own groups");
        socket
            .bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT).into())
            .expect("the port should be free");
        let socket = Arc::new(socket);
        let log = Arc::new(Mutex::new(Log::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (socket, log, stop) = (Arc::clone(&socket), Arc::clone(&log), Arc::clone(&stop));
            move || keep(&socket, &log, &stop)
        });
        Self {
            socket,
            interface: InterfaceIndexOrAddress::Index(namespace.index(interface)),
            address,
            log,
            stop,
            thread: Some(thread),
        }
    }

    /// Joins a group, all sources.
    #[track_caller]
    pub fn join(&self, group: Ipv4Addr) {
        self.socket
            .join_multicast_v4_n(&group, &self.interface)
            .unwrap_or_else(|error| panic!("{group} should be joined: {error}"));
    }

    /// Leaves a group.
    #[track_caller]
    pub fn leave(&self, group: Ipv4Addr) {
        self.socket
            .leave_multicast_v4_n(&group, &self.interface)
            .unwrap_or_else(|error| panic!("{group} should be left: {error}"));
    }

    /// Joins a group for one source, or for one more.
    #[track_caller]
    pub fn join_source(&self, group: Ipv4Addr, source: Ipv4Addr) {
        self.socket
            .join_ssm_v4(&source, &group, &self.address)
            .unwrap_or_else(|error| panic!("{source} of {group} should be joined: {error}"));
    }

    /// Leaves a group for one source.
    #[track_caller]
    pub fn leave_source(&self, group: Ipv4Addr, source: Ipv4Addr) {
        self.socket
            .leave_ssm_v4(&source, &group, &self.address)
            .unwrap_or_else(|error| panic!("{source} of {group} should be left: {error}"));
    }

    /// Replaces filter mode and sources of a joined group in one step.
    #[track_caller]
    pub fn filter(&self, group: Ipv4Addr, mode: Mode, sources: &[Ipv4Addr]) {
        filter::set(&self.socket, group, self.address, mode, sources);
    }

    /// What came of a stream from `source` to `group`.
    pub fn arrivals(&self, stream: u32, source: Ipv4Addr, group: Ipv4Addr) -> Arrivals {
        let log = lock(&self.log);
        let streams = log.get(&(source, group));
        streams
            .and_then(|streams| streams.get(&stream))
            .cloned()
            .unwrap_or_default()
    }

    /// How many packets came, of all streams.
    pub fn count(&self) -> usize {
        let log = lock(&self.log);
        log.values().flat_map(BTreeMap::values).map(Arrivals::count).sum()
    }

    /// Waits until the packet with this number, or a later one, came.
    #[track_caller]
    pub fn wait_past(&self, stream: u32, source: Ipv4Addr, group: Ipv4Addr, sequence: u64) {
        wait_for(&format!("packet {sequence} to {group}"), PATIENCE, || match self
            .arrivals(stream, source, group)
            .span()
        {
            Some((_, highest)) if highest >= sequence => Ok(()),
            other => Err(format!("packets {other:?} and {} in all", self.count())),
        });
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            // What the thread found wrong with a packet is the test's failure, and not only a line on the terminal.
            if !thread::panicking() {
                ended.expect("nothing was wrong with what arrived");
            }
        }
    }
}

fn keep(socket: &Socket, log: &Mutex<Log>, stop: &AtomicBool) {
    let mut buffer = vec![0; 1 << 16];
    while !stop.load(Ordering::Relaxed) {
        let Some(received) = message::receive(socket, &mut buffer) else {
            continue;
        };
        assert_eq!(
            received.lost, 0,
            "packets arrived with wrong checksums, or the receiver's own buffer is full"
        );
        let payload = Payload::parse(&buffer[..received.len]).expect("data of a test on its port");
        let source = received.source.expect("UDP tells the source");
        let group = received.destination.expect("the destination was asked for");
        lock(log)
            .entry((source, group))
            .or_default()
            .entry(payload.stream)
            .or_default()
            .all
            .push((payload.sequence, received.at));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
