//! Sockets that send numbered packets.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::socket::{setsockopt, sockopt},
    unistd::Pid,
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{PORT, Payload, payload};
use crate::{Host, Namespace, PATIENCE, wait_for};

/// TTL of data unless something else is said: enough for every network here.
pub const TTL: u32 = 16;
/// Bytes of payload unless something else is said.
pub const SIZE: usize = 200;
/// Most packets that are sent at once to make up for a time in which the machine was busy elsewhere. The queue of a
/// virtual Ethernet interface has 256 places; more packets at once than that may be lost there, and by nobody's fault.
const CATCH_UP: u32 = 32;

/// A UDP socket that sends one stream to one group.
#[derive(Debug)]
pub struct Sender {
    socket: Socket,
    source: Ipv4Addr,
    group: Ipv4Addr,
    stream: u32,
    size: usize,
    next: u64,
}

impl Sender {
    /// Opens a sender on a host.
    #[track_caller]
    pub fn new(host: &Host, group: Ipv4Addr) -> Self {
        Self::on(host.namespace(), host.address(), group)
    }

    /// Opens a sender with this source address, which one of the namespace's interfaces must have.
    ///
    /// # Panics
    ///
    /// If none has it.
    #[track_caller]
    pub fn on(namespace: &Namespace, source: Ipv4Addr, group: Ipv4Addr) -> Self {
        let socket = namespace
            .enter(|| Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)))
            .expect("a UDP socket");
        socket
            .bind(&SocketAddrV4::new(source, 0).into())
            .unwrap_or_else(|error| panic!("{source} should be an address of the host: {error}"));
        socket
            .set_multicast_if_v4(&source)
            .expect("the interface of the source can send multicast");
        socket
            .set_multicast_loop_v4(false)
            .expect("a socket need not hear itself");
        Self {
            socket,
            source,
            group,
            stream: payload::new_stream(),
            size: SIZE,
            next: 0,
        }
        .ttl(TTL)
    }

    /// Sets the TTL of what is sent from now on.
    #[must_use]
    #[track_caller]
    pub fn ttl(self, ttl: u32) -> Self {
        self.socket.set_multicast_ttl_v4(ttl).expect("a TTL");
        self
    }

    /// Sets the bytes of payload of what is sent from now on, at least [`Payload::MIN_LEN`].
    #[must_use]
    pub fn size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// The stream's number.
    pub fn stream(&self) -> u32 {
        self.stream
    }

    /// The source address.
    pub fn source(&self) -> Ipv4Addr {
        self.source
    }

    /// The group.
    pub fn group(&self) -> Ipv4Addr {
        self.group
    }

    /// What was sent so far.
    pub fn sent(&self) -> Range<u64> {
        0..self.next
    }

    /// Sends one packet, and returns its number.
    #[track_caller]
    pub fn send(&mut self) -> u64 {
        let sequence = self.next;
        let payload = Payload {
            stream: self.stream,
            sequence,
        };
        self.socket
            .send_to(
                &payload.bytes(self.size),
                &SocketAddrV4::new(self.group, PORT).into(),
            )
            .unwrap_or_else(|error| panic!("data to {} should be sent: {error}", self.group));
        self.next += 1;
        sequence
    }

    /// Sends some packets, and returns their numbers. They go out as fast as a receiver at the other end of a few queues
    /// can be expected to follow.
    #[track_caller]
    pub fn send_many(&mut self, count: u64) -> Range<u64> {
        let first = self.next;
        for index in 0..count {
            self.send();
            if index % 16 == 15 {
                thread::sleep(Duration::from_millis(2));
            }
        }
        first..self.next
    }

    /// Sends some packets in one system call, as one large packet that the kernel or the interface cuts into pieces (UDP
    /// segmentation offload), and returns their numbers.
    #[track_caller]
    pub fn send_segments(&mut self, count: u64) -> Range<u64> {
        let first = self.next;
        self.next += count;
        let payload = |sequence| Payload {
            stream: self.stream,
            sequence,
        };
        let bytes: Vec<u8> = (first..self.next)
            .flat_map(|sequence| payload(sequence).bytes(self.size))
            .collect();
        let segment = |size: usize| {
            let size = i32::try_from(size).expect("a packet");
            setsockopt(&self.socket, sockopt::UdpGsoSegment, &size).expect("a socket that segments");
        };
        segment(self.size);
        self.socket
            .send_to(&bytes, &SocketAddrV4::new(self.group, PORT).into())
            .unwrap_or_else(|error| panic!("{count} packets should be sent: {error}"));
        segment(0);
        first..self.next
    }

    /// Sends packets on a thread of its own, `rate` of them a second, until [`Stream::stop`].
    #[track_caller]
    pub fn start(mut self, rate: u32) -> Stream {
        let sent = Arc::new(AtomicU64::new(self.next));
        let stop = Arc::new(AtomicBool::new(false));
        let (stream, source, group) = (self.stream, self.source, self.group);
        let thread = thread::spawn({
            let (sent, stop) = (Arc::clone(&sent), Arc::clone(&stop));
            move || {
                stay_on_one_processor(stream);
                let pause = Duration::from_secs(1) / rate;
                let mut due = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    let now = Instant::now();
                    if now < due {
                        thread::sleep(due - now);
                        continue;
                    }
                    due = due.max(now.checked_sub(pause * CATCH_UP).unwrap_or(due)) + pause;
                    let sequence = self.send();
                    sent.store(sequence + 1, Ordering::Relaxed);
                }
                self
            }
        });
        Stream {
            stream,
            source,
            group,
            sent,
            stop,
            thread: Some(thread),
        }
    }
}

/// Keeps this thread on one processor, chosen by a number.
///
/// A virtual interface receives on the processor of whoever sends, and hands on what it has redirected after it has said that it
/// is done (`veth_poll`): a packet that is sent from another processor right then may overtake. Links with a wire have one queue
/// for a flow and no such moment.
fn stay_on_one_processor(number: u32) {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this).expect("the processors of this thread");
    let all: Vec<usize> = (0..CpuSet::count())
        .filter(|&processor| allowed.is_set(processor).unwrap_or(false))
        .collect();
    let mut one = CpuSet::new();
    one.set(all[number as usize % all.len()]).expect("a processor");
    sched_setaffinity(this, &one).expect("a thread may choose among its processors");
}

/// A sender that is sending.
#[derive(Debug)]
pub struct Stream {
    stream: u32,
    source: Ipv4Addr,
    group: Ipv4Addr,
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Sender>>,
}

impl Stream {
    /// The stream's number.
    pub fn stream(&self) -> u32 {
        self.stream
    }

    /// The source address.
    pub fn source(&self) -> Ipv4Addr {
        self.source
    }

    /// The group.
    pub fn group(&self) -> Ipv4Addr {
        self.group
    }

    /// How many packets have been sent.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits until this many more packets have been sent, and returns the number of the next.
    #[track_caller]
    pub fn wait_more(&self, count: u64) -> u64 {
        let target = self.sent() + count;
        wait_for(&format!("{count} more packets to be sent"), PATIENCE, || {
            let sent = self.sent();
            if sent >= target {
                Ok(sent)
            } else {
                Err(format!("{sent} sent, {target} wanted"))
            }
        })
    }

    /// Stops sending, and returns the sender, which knows what was sent.
    #[track_caller]
    pub fn stop(mut self) -> Sender {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("a stream stops once");
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there was printed already.
            let _ = thread.join();
        }
    }
}
