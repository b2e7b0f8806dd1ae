//! Live frames: made by a program in the kernel and handed to a virtual Ethernet pair as frames, as a NIC's driver hands
//! them to XDP.
//!
//! `BPF_PROG_TEST_RUN` with live frames takes pages, has the generator's program write a frame into each, and does what
//! the program says, which is to redirect it. The other end of the pair gets it in its ring, provided that it polls: with
//! an XDP program attached or with receive offload on.

use std::{
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use aya::{
    Ebpf, EbpfLoader, TestRun,
    maps::{Array, MapData},
    programs::{TestRunAttrs, TestRunOptions, Xdp, xdp::XdpMode},
};
use igmp_wire::checksum;
use tests::Namespace;

use super::sinks::{self, Arrived, Sinks};
use crate::cpu;

/// Frames that the kernel makes and hands over together.
const BATCH: u32 = 64;
/// Runs of the program in one system call. Those that find nothing to do take about 20 ns.
const RUNS: u32 = 1 << 17;
/// Runs at least, so that a frame or two do not take a system call each.
const FEWEST_RUNS: u32 = 1 << 10;
/// After so long without an arrival, what is under way is given up.
const SILENCE: Duration = Duration::from_millis(100);
/// The kernel's index of the loopback device, in each namespace.
const LOOPBACK: u32 = 1;
/// Where the IPv4 header is.
const IP: usize = 14;

/// What varies from frame to frame. The groups take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Data: a datagram of UDP to a group.
    Data,
    /// A report of version 1 or 2 for a group.
    Report,
    /// A report of version 3 with so many records without sources, one for each of as many groups that follow one another.
    Records(u32),
}

impl Content {
    fn program(self) -> &'static str {
        match self {
            Self::Data => "generate_data",
            Self::Report => "generate_report",
            Self::Records(_) => "generate_records",
        }
    }

    fn is_to_group(self) -> bool {
        matches!(self, Self::Data | Self::Report)
    }

    /// Where in a frame the groups are that its checksum covers. The header has no options in data, and Router Alert
    /// elsewhere.
    fn groups(self) -> Vec<usize> {
        match self {
            Self::Data => vec![IP + 16],
            Self::Report => vec![IP + 24 + 4],
            Self::Records(count) => (0..count as usize)
                .map(|index| IP + 24 + 12 + index * 8)
                .collect(),
        }
    }
}

/// What is to be sent, and how.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What varies.
    pub(crate) content: Content,
    /// The first frame, with everything in it that does not vary. It has no VLAN tag.
    pub(crate) frame: Vec<u8>,
    /// The first group.
    pub(crate) first_group: Ipv4Addr,
    /// How many groups take turns.
    pub(crate) groups: u32,
    /// The most packets that may be under way to the sinks, if there are sinks.
    pub(crate) window: Option<u32>,
    /// The least time from one frame to the next; zero for full speed.
    pub(crate) interval: Duration,
}

/// The words of the map `GENERATED`: sent, wanted, allowed, turn, next, groups, sum.
type Progress = [u64; 7];

/// A generator of live frames, ready to send.
#[derive(Debug)]
pub(crate) struct Live {
    ebpf: Ebpf,
    content: Content,
    frame: Vec<u8>,
    sinks: usize,
}

/// What came of sending.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    /// Frames that were sent.
    pub(crate) frames: u64,
    /// From the first one until all had been sent, and had arrived at all sinks or were given up.
    pub(crate) elapsed: Duration,
    /// What arrived meanwhile, by sink.
    pub(crate) arrived: Vec<Arrived>,
}

impl Live {
    /// Loads a generator that sends out of a device of a namespace, and attaches the sinks.
    ///
    /// # Errors
    ///
    /// When the programs cannot be loaded, or a sink's device takes none.
    pub(crate) fn load(
        object: &Path,
        namespace: &Namespace,
        device: &str,
        plan: &Plan,
        sinks: Option<&Sinks<'_>>,
    ) -> Result<Self> {
        let records = match plan.content {
            Content::Records(count) => count,
            _ => 1,
        };
        let mac = mac(plan.frame.get(6..12).context("a frame has an Ethernet header")?);
        let ttl = plan.frame.get(IP + 8).context("a frame has an IPv4 header")?;
        let interval = u32::try_from(plan.interval.as_nanos()).context("frames are at most 4 s apart")?;
        let settings = [
            ("GENERATE_IFINDEX", namespace.index(device)),
            ("GENERATE_FIRST_GROUP", plan.first_group.to_bits()),
            ("GENERATE_RECORDS", records),
            ("GENERATE_TO_GROUP", u32::from(plan.content.is_to_group())),
            ("GENERATE_TTL", u32::from(*ttl)),
            ("GENERATE_WINDOW", plan.window.unwrap_or(0)),
            ("GENERATE_INTERVAL", interval),
            ("SINK_FIRST", sinks.map_or(0, Sinks::first_index)),
            ("SINK_COUNT", u32::try_from(sinks.map_or(0, Sinks::len))?),
            (
                "SINK_TTL",
                u32::from(*ttl) - sinks.map_or(0, |sinks| u32::from(sinks.is_routed)),
            ),
            (
                "SINK_SAME_MAC",
                u32::from(sinks.is_some_and(|sinks| !sinks.is_routed)),
            ),
        ];
        let mut loader = EbpfLoader::new();
        for (name, value) in &settings {
            loader.override_global(name, value, true);
        }
        for name in ["GENERATE_MAC", "SINK_MAC"] {
            loader.override_global(name, &mac, true);
        }
        let mut ebpf = loader
            .load_file(object)
            .with_context(|| format!("cannot load {}", object.display()))?;
        let generator = program(&mut ebpf, plan.content.program())?;
        generator.load()?;
        // A program that is attached nowhere is made known to the kernel's dispatcher of XDP programs with each call, and taken
        // out again after it, which takes 12 ms. The loopback device is down here and receives nothing.
        namespace
            .enter(|| generator.attach_to_if_index(LOOPBACK, XdpMode::Skb))
            .context("cannot attach the generator to the loopback device")?;
        if let Some(sinks) = sinks {
            sinks.attach(program(&mut ebpf, "sink_count")?)?;
        }
        let mut live = Self {
            ebpf,
            content: plan.content,
            frame: Vec::new(),
            sinks: sinks.map_or(0, Sinks::len),
        };
        live.change(&plan.frame, plan.groups)?;
        Ok(live)
    }

    /// Sends other frames from now on, which differ from those before in their length at most, with so many groups that
    /// take turns. The sinks stay as they are.
    ///
    /// # Errors
    ///
    /// When the frame is not what the program makes frames of.
    pub(crate) fn change(&mut self, frame: &[u8], groups: u32) -> Result<()> {
        let [sent, wanted, allowed, _, next, ..] = self.progress()?;
        let sum = sum_without_groups(self.content, frame)?;
        let progress = [sent, wanted, allowed, 0, next, groups.into(), sum.into()];
        self.generated()?.set(0, progress, 0)?;
        frame.clone_into(&mut self.frame);
        Ok(())
    }

    /// Sends so many frames from a thread on a processor, and waits until they have arrived at all sinks. What does not
    /// arrive is given up after a while in which nothing arrived, and is missing in the answer.
    ///
    /// # Errors
    ///
    /// When the kernel does not run the program, or not everything was sent within the limit.
    pub(crate) fn send(
        &mut self,
        namespace: &Namespace,
        processor: usize,
        frames: u64,
        limit: Duration,
    ) -> Result<Sent> {
        namespace.enter(|| {
            cpu::pin_this_thread(processor)?;
            // Whoever else is on this processor goes first, as there is nothing more to send before the sinks are done.
            cpu::give_way()?;
            let begun = Instant::now();
            let before = self.arrived()?;
            let [sent, ..] = self.progress()?;
            self.set_goal(sent, sent + frames)?;
            self.finish(limit)?;
            let elapsed = begun.elapsed();
            let arrived = self.arrived()?;
            let arrived = arrived.iter().zip(&before);
            Ok(Sent {
                frames,
                elapsed,
                arrived: arrived.map(|(now, before)| now.since(before)).collect(),
            })
        })
    }

    /// Waits until so many frames have arrived that somebody else has sent, as [`Self::send`] does.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell.
    pub(crate) fn wait_for_others(&mut self, frames: u64, limit: Duration) -> Result<()> {
        let [sent, ..] = self.progress()?;
        self.set_goal(sent + frames, sent + frames)?;
        self.finish(limit)
    }

    fn set_goal(&mut self, now_sent: u64, now_wanted: u64) -> Result<()> {
        let mut progress = self.progress()?;
        let [sent, wanted, ..] = &mut progress;
        (*sent, *wanted) = (now_sent, now_wanted);
        Ok(self.generated()?.set(0, progress, 0)?)
    }

    /// Sends what is missing, and waits.
    fn finish(&mut self, limit: Duration) -> Result<()> {
        let begun = Instant::now();
        let mut moved = (begun, 0, 0);
        loop {
            let [sent, wanted, ..] = self.progress()?;
            let arrived = self.arrived()?;
            if sent >= wanted && arrived.iter().all(|one| one.packets + one.lost >= wanted) {
                return Ok(());
            }
            let seen: u64 = arrived.iter().map(Arrived::all).sum();
            let now = Instant::now();
            ensure!(
                now - begun < limit,
                "{} frames had not been sent after {limit:?}",
                wanted - sent
            );
            if (sent, seen) != (moved.1, moved.2) {
                moved = (now, sent, seen);
            } else if now - moved.0 > SILENCE {
                self.give_up(sent)?;
            }
            // What is left of the runs when the last frame is gone is wasted.
            let runs = u32::try_from(wanted - sent)
                .unwrap_or(RUNS)
                .clamp(FEWEST_RUNS, RUNS);
            self.run(runs)?;
        }
    }

    /// Lets the program run. It does nothing where nothing is to be sent, or nothing more at the moment.
    fn run(&mut self, runs: u32) -> Result<()> {
        let options = TestRunOptions {
            data_in: Some(&self.frame),
            repeat: runs,
            attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
            ..TestRunOptions::default()
        };
        program(&mut self.ebpf, self.content.program())?
            .test_run(options)
            .context("the kernel runs the generator")?;
        Ok(())
    }

    /// Takes what has not arrived for lost.
    fn give_up(&mut self, sent: u64) -> Result<()> {
        let all = self.arrived()?;
        let mut map = sinks::arrived_mut(&mut self.ebpf)?;
        for (index, arrived) in (0..).zip(all) {
            let lost = sent.saturating_sub(arrived.packets);
            map.set(index, Arrived { lost, ..arrived }.words(), 0)?;
        }
        Ok(())
    }

    fn generated(&mut self) -> Result<Array<&mut MapData, Progress>> {
        let map = self
            .ebpf
            .map_mut("GENERATED")
            .context("the object has no map GENERATED")?;
        Ok(Array::try_from(map)?)
    }

    fn progress(&mut self) -> Result<Progress> {
        Ok(self.generated()?.get(&0, 0)?)
    }

    /// What has arrived so far, by sink.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell.
    pub(crate) fn arrived(&mut self) -> Result<Vec<Arrived>> {
        let map = sinks::arrived_mut(&mut self.ebpf)?;
        (0..self.sinks)
            .map(|index| Ok(Arrived::from_words(map.get(&u32::try_from(index)?, 0)?)))
            .collect()
    }
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    let program = ebpf
        .program_mut(name)
        .with_context(|| format!("the object has no program {name}"))?;
    Ok(program.try_into()?)
}

/// An Ethernet address in the upper six bytes of a number.
fn mac(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
        << 16
}

/// The sum over what the checksum of UDP or IGMP covers, but for the groups, which vary, and the checksum itself.
fn sum_without_groups(content: Content, frame: &[u8]) -> Result<u16> {
    let mut frame = frame.to_vec();
    let place = |from: usize| from..from + 4;
    for group in content.groups() {
        frame
            .get_mut(place(group))
            .context("the frame is too short for its groups")?
            .fill(0);
    }
    let options = if content == Content::Data { 0 } else { 4 };
    let header = frame.get(IP..IP + 20).context("a frame has an IPv4 header")?;
    let [version_and_length, _, high, low, ..] = *header else {
        bail!("a frame has an IPv4 header");
    };
    let first = 0x45 + options / 4;
    ensure!(
        usize::from(version_and_length) == first,
        "the IPv4 header has {} bytes of options",
        options
    );
    let end = IP + usize::from(u16::from_be_bytes([high, low]));
    let start = IP + 20 + options;
    let mut covered = Vec::new();
    let field = if content == Content::Data {
        covered.extend(frame.get(IP + 12..IP + 20).unwrap_or_default());
        covered.extend([0, header.get(9).copied().unwrap_or(0)]);
        covered.extend(
            u16::try_from(end.saturating_sub(start))
                .unwrap_or(0)
                .to_be_bytes(),
        );
        start + 6
    } else {
        start + 2
    };
    frame
        .get_mut(field..field + 2)
        .context("the frame is too short for a checksum")?
        .fill(0);
    covered.extend(
        frame
            .get(start..end)
            .context("the frame is shorter than its packet")?,
    );
    Ok(checksum::sum(&covered))
}
