//! The two ways in which reports come to a contestant's device.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::load::{FIRST_GROUP, RECORDS, Storm, Version};
use crate::{
    cpu,
    load::{
        live::{Content, Live, Plan},
        packet_socket::{Frames, PacketSocket, Sent},
    },
    site::{Counters, GENERATOR, GENERATOR_CPU, LAN, Site},
};

/// Live frames that are handed over before the receiver is waited for. The ring of a veth device has 256 places.
const CHUNK: u64 = 192;
/// How long a chunk may take on its way.
const LIMIT: Duration = Duration::from_secs(5);
/// Time between two looks at whether it has arrived.
const PAUSE: Duration = Duration::from_micros(20);

/// What makes the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    /// A packet socket: socket buffers, which XDP has copied.
    PacketSocket,
    /// A program in the kernel: frames as the driver of a NIC hands them over.
    LiveFrames,
}

impl Feed {
    pub(crate) const ALL: [Self; 2] = [Self::PacketSocket, Self::LiveFrames];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PacketSocket => "packet socket",
            Self::LiveFrames => "live frames",
        }
    }

    /// What it adds to IDs of goals and names of files.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::PacketSocket => "",
            Self::LiveFrames => "-live",
        }
    }

    /// Makes a storm ready to be sent, so many times one after the other. `object` has the generators of live frames.
    ///
    /// # Errors
    ///
    /// When the generator's device takes no frames, or the object has no generators.
    pub(crate) fn prepare(
        self,
        site: &Site,
        object: &Path,
        (version, storm, groups): (Version, Storm, u32),
        rounds: u32,
    ) -> Result<Source> {
        if self == Self::PacketSocket {
            let frames = version.frames(storm, groups);
            let socket = PacketSocket::open(&site.generator, GENERATOR)?;
            return Ok(Source::PacketSocket(socket, frames, rounds));
        }
        let first = version.frames(storm, groups.min(RECORDS as u32));
        let frame = first.iter().next().context("a storm of some groups")?.to_vec();
        let content = match version {
            Version::V2 => Content::Report,
            Version::V3 => Content::Records(RECORDS as u32),
        };
        let plan = Plan {
            content,
            frame,
            first_group: FIRST_GROUP,
            groups,
            window: None,
            interval: Duration::ZERO,
        };
        let live = Live::load(object, &site.generator, GENERATOR, &plan, None)?;
        let each = match version {
            Version::V2 => 1,
            Version::V3 => RECORDS as u64,
        };
        ensure!(
            u64::from(groups).is_multiple_of(each),
            "live reports have {each} records"
        );
        Ok(Source::Live(
            Box::new(live),
            u64::from(groups) / each * u64::from(rounds),
        ))
    }
}

/// A storm that is ready to be sent.
#[derive(Debug)]
pub(crate) enum Source {
    /// The frames of a round, and how many rounds there are.
    PacketSocket(PacketSocket, Frames, u32),
    /// How many frames there are in all rounds, which follow one another.
    Live(Box<Live>, u64),
}

impl Source {
    /// How many frames it has.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::PacketSocket(_, frames, rounds) => frames.len() as u64 * u64::from(*rounds),
            Self::Live(_, frames) => *frames,
        }
    }

    /// Sends them all as fast as the receiver takes them.
    ///
    /// # Errors
    ///
    /// When frames cannot be sent, or do not arrive.
    pub(crate) fn send(&mut self, site: &Site, counters: &mut Counters) -> Result<Sent> {
        match self {
            Self::PacketSocket(socket, frames, rounds) => {
                let mut all = Sent::default();
                for _ in 0..*rounds {
                    all += socket.send(frames)?;
                }
                Ok(all)
            }
            Self::Live(live, frames) => in_chunks(live, *frames, site, counters),
        }
    }
}

/// Live frames that find no room in the ring are lost, and nothing makes their generator wait. So it is held back here, until
/// the receiver has taken what was sent before.
fn in_chunks(live: &mut Live, frames: u64, site: &Site, counters: &mut Counters) -> Result<Sent> {
    let before = counters.read()?;
    let cpu_before = cpu::of_process(std::process::id())?;
    let started = Instant::now();
    let mut sent = 0;
    while sent < frames {
        let chunk = CHUNK.min(frames - sent);
        live.send(&site.generator, GENERATOR_CPU, chunk, LIMIT)?;
        sent += chunk;
        let since = Instant::now();
        while counters.read()?.since(before).received < sent {
            ensure!(
                since.elapsed() < LIMIT,
                "of {sent} live frames some did not arrive at {LAN}: {:?}",
                counters.read()?.since(before)
            );
            thread::sleep(PAUSE);
        }
    }
    Ok(Sent {
        frames: usize::try_from(sent)?,
        refused: 0,
        duration: started.elapsed(),
        cpu: cpu::of_process(std::process::id())? - cpu_before,
    })
}
