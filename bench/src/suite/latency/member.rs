//! The member: reports, and when data came.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use socket2::Socket;
use tests::{
    Packet, RawSocket,
    packet::{Record, TO_EX, TO_IN},
    raw::{keep_protocols, packet_socket},
    stream::message::{self, now},
};

use super::{
    generator::{Generator, PAYLOAD_AT, SPACING, group},
    scene::{MEMBER, Scene},
};
use crate::cpu::pin_this_thread;

/// How long data may take to come after a report, to come again before a leave, and to end after it.
const LIMIT: Duration = Duration::from_secs(1);
/// Data has ended when so many more packets of a group were sent and none came.
const SILENCE: u64 = 100;
/// The processor of the member's thread, which is not that of the generator.
const PROCESSOR: usize = 1;

/// What became of joins or of leaves.
#[derive(Clone, Debug, Default)]
pub(super) struct Trial {
    /// How long those took that were done, in seconds.
    pub(super) seconds: Vec<f64>,
    /// How many were tried.
    pub(super) tried: usize,
    /// How many were not done within [`LIMIT`].
    pub(super) not_done: usize,
    /// How many were done before they were asked for: data that came before the report.
    pub(super) early: usize,
    /// How many leaves could not be tried, since no data came within [`LIMIT`] that they could have ended.
    pub(super) dry: usize,
}

impl Trial {
    /// Adds what became of others.
    pub(super) fn extend(&mut self, other: Self) {
        let Self {
            seconds,
            tried,
            not_done,
            early,
            dry,
        } = other;
        self.seconds.extend(seconds);
        self.tried += tried;
        self.not_done += not_done;
        self.early += early;
        self.dry += dry;
    }
}

/// A host that joins and leaves with reports made by hand, and sees all data that comes.
#[derive(Debug)]
pub(super) struct Member<'a> {
    generator: &'a Generator,
    reports: RawSocket,
    socket: Socket,
    buffer: Vec<u8>,
    /// Seconds between packets that were sent one after the other, as they came.
    pub(super) gaps: Vec<f64>,
    /// The last packet that came.
    last: Option<Arrival>,
    /// The groups that were joined and whose data came.
    served: BTreeSet<Ipv4Addr>,
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    group: Ipv4Addr,
    number: u64,
    at: Duration,
}

impl<'a> Member<'a> {
    /// Puts the host there. The calling thread is bound to a processor.
    ///
    /// # Errors
    ///
    /// When the socket cannot be made ready.
    pub(super) fn new(scene: &Scene, generator: &'a Generator) -> Result<Self> {
        let ip = u16::try_from(nix::libc::ETH_P_IP).context("an EtherType")?;
        let socket = packet_socket(scene.member.namespace(), "eth0", ip);
        message::prepare(&socket);
        keep_protocols(&socket, &[17]);
        // Where there is one processor alone, it is this one.
        let _ = pin_this_thread(PROCESSOR);
        Ok(Self {
            generator,
            reports: RawSocket::open(scene.member.namespace(), "eth0"),
            socket,
            buffer: vec![0; 2048],
            gaps: Vec::new(),
            last: None,
            served: BTreeSet::new(),
        })
    }

    fn report(&self, kind: u8, group: Ipv4Addr) -> Packet {
        Packet::v3_report(MEMBER, &[Record::new(kind, group, &[])])
    }

    /// The next packet that comes within a short time.
    fn receive(&mut self) -> Option<Arrival> {
        let received = message::receive(&self.socket, &mut self.buffer)?;
        let bytes = self.buffer.get(..received.len)?;
        let arrival = Arrival {
            group: Ipv4Addr::from(*bytes.get(30..)?.first_chunk::<4>()?),
            number: u64::from_be_bytes(*bytes.get(PAYLOAD_AT..)?.first_chunk()?),
            at: received.at,
        };
        if let Some(last) = self.last.replace(arrival)
            && arrival.number == last.number + 1
        {
            self.gaps.push(arrival.at.saturating_sub(last.at).as_secs_f64());
        }
        Some(arrival)
    }

    /// Everything that has come.
    fn drain(&mut self, mut each: impl FnMut(Arrival)) -> Result<()> {
        self.socket.set_nonblocking(true)?;
        while let Some(arrival) = self.receive() {
            each(arrival);
        }
        self.socket.set_nonblocking(false)?;
        Ok(())
    }

    /// Joins groups, one after the other, and takes the time until data of each comes. Stays a member.
    ///
    /// # Errors
    ///
    /// When the socket fails.
    pub(super) fn join_each(&mut self, groups: Range<u32>, until: Instant) -> Result<Trial> {
        let mut trial = Trial::default();
        for number in groups {
            if Instant::now() >= until {
                break;
            }
            self.generator.play(number, 1);
            // The phase of the packets is another each time.
            thread::sleep(SPACING * 20 + Duration::from_micros(u64::from(number) * 7 % 50));
            trial.extend(self.join(number)?);
            // Some more packets show how far apart they come.
            thread::sleep(SPACING * 20);
        }
        Ok(trial)
    }

    fn join(&mut self, number: u32) -> Result<Trial> {
        let group = group(number);
        let report = self.report(TO_EX, group).frame();
        let mut trial = Trial {
            tried: 1,
            ..Trial::default()
        };
        self.drain(|arrival| trial.early = trial.early.max(usize::from(arrival.group == group)))?;
        let asked = now();
        let began = Instant::now();
        self.reports.send_frame(&report);
        while began.elapsed() < LIMIT {
            if let Some(arrival) = self.receive().filter(|arrival| arrival.group == group) {
                if arrival.at < asked {
                    trial.early = 1;
                }
                let took = arrival.at.saturating_sub(asked);
                trial.seconds.push(took.as_secs_f64());
                self.served.insert(group);
                return Ok(trial);
            }
        }
        trial.not_done = 1;
        Ok(trial)
    }

    /// Joins groups one after the other and leaves each again, and takes the time from the leave to the last packet.
    ///
    /// # Errors
    ///
    /// When the socket fails.
    pub(super) fn leave_each(&mut self, groups: Range<u32>, until: Instant) -> Result<Trial> {
        let mut trial = Trial::default();
        for number in groups {
            if Instant::now() >= until {
                break;
            }
            self.generator.play(number, 1);
            let joined = self.join(number)?;
            trial.dry += joined.not_done;
            thread::sleep(SPACING * 20 + Duration::from_micros(u64::from(number) * 7 % 50));
            trial.extend(self.leave_together(number..number + 1)?);
        }
        Ok(trial)
    }

    /// Leaves groups that were joined, so many at a time, and takes the time until the last packet of each. A group
    /// whose data never came is left alone: it is among the joins that were not done.
    ///
    /// # Errors
    ///
    /// When the socket fails.
    pub(super) fn leave_in_parts(&mut self, groups: Range<u32>, part: u32, until: Instant) -> Result<Trial> {
        let mut trial = Trial::default();
        let mut first = groups.start;
        while first < groups.end && Instant::now() < until {
            let end = groups.end.min(first + part);
            trial.extend(self.leave_together(first..end)?);
            first = end;
        }
        Ok(trial)
    }

    fn leave_together(&mut self, groups: Range<u32>) -> Result<Trial> {
        let count = groups.end - groups.start;
        let silence = SILENCE * u64::from(count);
        let first = self.generator.next();
        self.generator.play(groups.start, count);
        self.generator.wait_more(silence / 4);
        let mut wanted = groups.map(group).collect::<BTreeSet<_>>();
        wanted.retain(|group| self.served.remove(group));
        let mut flowing = self.wait_flow(&wanted, first)?;
        let mut left = BTreeMap::new();
        for group in wanted.iter().filter(|group| flowing.contains_key(group)).copied() {
            let leave = self.report(TO_IN, group).frame();
            left.insert(group, now());
            self.reports.send_frame(&leave);
        }
        let began = Instant::now();
        let mut next;
        loop {
            next = self.generator.next();
            self.drain(|arrival| {
                flowing.insert(arrival.group, arrival);
            })?;
            let latest = left
                .keys()
                .filter_map(|group| flowing.get(group))
                .map(|arrival| arrival.number)
                .max();
            let is_silent = latest.is_none_or(|latest| next > latest + silence);
            if is_silent || began.elapsed() >= LIMIT {
                break;
            }
            thread::sleep(SPACING * 20);
        }
        let mut trial = Trial {
            tried: left.len(),
            dry: wanted.len() - left.len(),
            ..Trial::default()
        };
        for (group, asked) in left {
            match flowing.get(&group) {
                Some(arrival) if next <= arrival.number + silence => trial.not_done += 1,
                Some(arrival) => trial.seconds.push(arrival.at.saturating_sub(asked).as_secs_f64()),
                None => {}
            }
        }
        Ok(trial)
    }

    /// Waits until each of these groups has got a packet from this one on, and returns the last of each that has got
    /// one. A packet may be on its way for longer than some others take to be sent, where the kernel has no time to
    /// pass it on.
    fn wait_flow(&mut self, wanted: &BTreeSet<Ipv4Addr>, first: u64) -> Result<BTreeMap<Ipv4Addr, Arrival>> {
        let began = Instant::now();
        let mut flowing = BTreeMap::new();
        loop {
            self.drain(|arrival| {
                if arrival.number >= first && wanted.contains(&arrival.group) {
                    flowing.insert(arrival.group, arrival);
                }
            })?;
            if flowing.len() == wanted.len() || began.elapsed() >= LIMIT {
                return Ok(flowing);
            }
            thread::sleep(SPACING * 4);
        }
    }

    /// Takes a group for one whose data came.
    #[cfg(test)]
    pub(super) fn take_for_served(&mut self, group: Ipv4Addr) {
        self.served.insert(group);
    }
}
