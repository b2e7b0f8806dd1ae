//! What is sent all the time: data of the groups in question, and reports of others that join.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use nix::sys::prctl::set_timerslack;
use tests::{
    Packet, RawSocket,
    packet::{Record, TO_EX},
    stream::{Datagram, Payload},
};

use super::scene::{MEMBER, SOURCE, Scene};
use crate::cpu::pin_this_thread;

/// Time from one packet of data to the next.
pub(super) const SPACING: Duration = Duration::from_micros(50);
/// Most packets that are sent at once to make up for a time in which the thread did not run: fewer than a queue holds.
const CATCH_UP: u32 = 32;
/// Where the payload begins in a frame: behind Ethernet, IPv4 without options, and UDP.
pub(super) const PAYLOAD_AT: usize = 14 + 20 + 8;
/// Nanoseconds of a second.
const BILLION: u64 = 1_000_000_000;
/// The processor of the thread. Packets that it sends are forwarded there as well, by the kernel or by XDP.
const PROCESSOR: usize = 0;

/// A thread that sends a packet of data every [`SPACING`], its groups in turn, and with it reports of new groups while a
/// storm is on. It sleeps in between, so that it takes a part of one processor only.
#[derive(Debug)]
pub(super) struct Generator {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The number of the first group that data is sent to, and how many there are from it on in the lower half.
    groups: AtomicU64,
    /// The number of the next packet.
    next: AtomicU64,
    /// New groups a second that others join.
    storm: AtomicU64,
    /// How many groups the storm has joined.
    stormed: AtomicU64,
    stop: AtomicBool,
}

/// A group that is joined and left, by its number.
pub(super) fn group(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(239, 1, 0, 0).to_bits() + number)
}

/// A group of the storm, by its number.
fn stormy_group(number: u64) -> Ipv4Addr {
    let number = u32::try_from(number % (1 << 23)).unwrap_or(0);
    Ipv4Addr::from_bits(Ipv4Addr::new(239, 128, 0, 0).to_bits() | number)
}

impl Generator {
    /// Begins to send to the first group.
    ///
    /// # Errors
    ///
    /// When there is no thread to be had.
    pub(super) fn start(scene: &Scene) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let data = RawSocket::open(scene.source.namespace(), "eth0");
        let reports = RawSocket::open(scene.member.namespace(), "eth0");
        let thread = thread::Builder::new()
            .name("generator".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || send(&shared, &data, &reports)
            })
            .context("cannot start a thread")?;
        let generator = Self {
            shared,
            thread: Some(thread),
        };
        generator.play(0, 1);
        Ok(generator)
    }

    /// Sends to these groups from now on.
    pub(super) fn play(&self, first: u32, count: u32) {
        let packed = u64::from(first) << 32 | u64::from(count);
        self.shared.groups.store(packed, Ordering::Relaxed);
    }

    /// Has others join so many groups a second; 0 for none.
    pub(super) fn storm(&self, a_second: u32) {
        self.shared.storm.store(a_second.into(), Ordering::Relaxed);
    }

    /// How many groups others have joined.
    pub(super) fn stormed(&self) -> u64 {
        self.shared.stormed.load(Ordering::Relaxed)
    }

    /// The number of the next packet.
    pub(super) fn next(&self) -> u64 {
        self.shared.next.load(Ordering::Relaxed)
    }

    /// Waits until so many more packets were sent.
    pub(super) fn wait_more(&self, count: u64) {
        let target = self.next() + count;
        while self.next() < target && self.is_alive() {
            thread::sleep(SPACING * 4);
        }
    }

    fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there was printed already.
            let _ = thread.join();
        }
    }
}

fn send(shared: &Shared, data: &RawSocket, reports: &RawSocket) {
    // A sleep may otherwise last 50 µs longer, as long as the spacing; on a machine with one processor it does not matter
    // where the thread runs.
    let _ = set_timerslack(1);
    let _ = pin_this_thread(PROCESSOR);
    let mut frames: Vec<Vec<u8>> = Vec::new();
    let mut due = Instant::now();
    let (mut next, mut owed) = (0_u64, 0_u64);
    while !shared.stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now < due {
            thread::sleep(due - now);
            continue;
        }
        due = due.max(now.checked_sub(SPACING * CATCH_UP).unwrap_or(due)) + SPACING;
        let packed = shared.groups.load(Ordering::Relaxed);
        let (first, count) = ((packed >> 32) as u32, (packed as u32).max(1));
        let number = first + (next % u64::from(count)) as u32;
        while frames.len() <= number as usize {
            frames.push(frame(group(frames.len() as u32)));
        }
        if let Some(frame) = frames.get_mut(number as usize) {
            set_number(frame, next);
            data.send_frame(frame);
        }
        next += 1;
        shared.next.store(next, Ordering::Relaxed);
        // Each packet lets so many billionths of a report go with it.
        owed += shared.storm.load(Ordering::Relaxed) * SPACING.as_nanos() as u64;
        while owed >= BILLION {
            owed -= BILLION;
            let number = shared.stormed.fetch_add(1, Ordering::Relaxed);
            let record = Record::new(TO_EX, stormy_group(number), &[]);
            reports.send(&Packet::v3_report(MEMBER, &[record]));
        }
    }
}

/// Writes the number of a packet into its frame.
pub(super) fn set_number(frame: &mut [u8], number: u64) {
    if let Some(place) = frame.get_mut(PAYLOAD_AT..PAYLOAD_AT + 8) {
        place.copy_from_slice(&number.to_be_bytes());
    }
}

/// A packet of data with room for its number, and without a UDP checksum, which would change with it (RFC 768).
pub(super) fn frame(group: Ipv4Addr) -> Vec<u8> {
    let payload = Payload {
        stream: 0,
        sequence: 0,
    };
    let mut frame = Datagram::new(SOURCE, group, payload).frame();
    if let Some(checksum) = frame.get_mut(PAYLOAD_AT - 2..PAYLOAD_AT) {
        checksum.fill(0);
    }
    frame
}
