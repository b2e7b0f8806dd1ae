//! One storm over one contestant: what it took, and what came of it.

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{
    feed::{Feed, Source},
    load::{Storm, Version},
};
use crate::{
    contestant::Contestant,
    cpu::{self, Usage},
    interrupt,
    load::packet_socket::Sent,
    site::{Counters, LAN, Site, Traffic},
};

/// How long a contestant has to know nothing new, and to rest, until it is believed to have done what it could.
const REST: Duration = Duration::from_millis(400);
/// The share of a processor below which it rests.
const RESTING: f64 = 0.05;
/// The shortest and the longest time between two looks.
const PAUSE: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(100));
/// Groups from which on times and memory say something. In smaller storms only what was learned is looked at.
const TIMED: u32 = 10_000;
/// How long the kernel's memory has to settle at most.
const SETTLING: Duration = Duration::from_secs(5);
/// By how much the kernel's memory may change between two looks while it counts as still, in bytes, and after how many such
/// looks it is.
const STILL: f64 = 300_000.0;
const CALM: u32 = 3;

/// How many times the time that an answer takes passes between two of them at least, where answers take time.
const COST: u32 = 5;

/// What is sent, and how long it may take.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) feed: Feed,
    /// The generators of live frames.
    pub(crate) object: PathBuf,
    pub(crate) version: Version,
    pub(crate) storm: Storm,
    pub(crate) groups: u32,
    /// How often the storm is sent, one time after the other.
    pub(crate) rounds: u32,
    pub(crate) limit: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// How many memberships the reports named, each group in each round.
    pub(crate) reported: u64,
    /// Groups that it knew at the end.
    pub(crate) known: u64,
    /// From the first frame until all groups were known, or until nothing more happened.
    pub(crate) elapsed: Duration,
    /// Whether the time limit ended it.
    pub(crate) is_cut_short: bool,
    /// Reports or records that it counted as repetitions, where it counts them.
    pub(crate) refreshed: Option<u64>,
    /// What its processes and the thread that polls its device used.
    pub(crate) used: Used,
    /// Growth of its processes' resident memory, in bytes.
    pub(crate) process_memory: f64,
    /// Memory of its own objects in the kernel at the end, where the kernel tells.
    pub(crate) kernel_objects: Option<u64>,
    /// Growth of the kernel's memory of all kinds.
    pub(crate) kernel_memory: f64,
    /// What the generator did.
    pub(crate) sent: Sent,
    /// What its device counted.
    pub(crate) traffic: Traffic,
    /// What it noticed to have lost.
    pub(crate) losses: Vec<(&'static str, u64)>,
}

/// CPU time in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// Of its processes, exactly.
    pub(crate) process: f64,
    /// The share of it that the kernel took on their behalf, by the ticks that hit it.
    pub(crate) system: f64,
    /// Of the thread that polls its device, exactly.
    pub(crate) receive: f64,
}

impl Used {
    /// All together.
    pub(crate) fn all(self) -> f64 {
        self.process + self.receive
    }
}

impl Outcome {
    /// How many of the groups it does not know.
    pub(crate) fn lost(&self, groups: u32) -> u64 {
        u64::from(groups).saturating_sub(self.known)
    }
}

/// Sends a storm at a contestant on a site, and watches until all is known or nothing more happens.
///
/// # Errors
///
/// When the generator fell short, the machine was starved, or the contestant does not tell what it knows.
pub(crate) fn measure(site: &Site, contestant: &mut dyn Contestant, load: &Load) -> Result<Outcome> {
    let mut source = load.feed.prepare(
        site,
        &load.object,
        (load.version, load.storm, load.groups),
        load.rounds,
    )?;
    let mut counters = Counters::open(&site.router, LAN)?;
    let processes = contestant.processes();
    let threads = site.poll_threads()?;
    let refreshed_before = contestant.refreshed()?;
    let is_timed = load.groups >= TIMED;
    if is_timed && load.storm == Storm::Joins {
        settle()?;
    }
    let before = Snapshot::take(&processes, &threads)?;
    let traffic_before = counters.read()?;

    let started = Instant::now();
    let sent = source.send(site, &mut counters)?;
    let mut watch = Watch {
        started,
        load,
        frames: source.len(),
        processes: &processes,
    };
    let end = watch.until_done(contestant, || Ok(counters.read()?.since(traffic_before)))?;

    let after = Snapshot::take(&processes, &threads)?;
    let traffic = counters.read()?.since(traffic_before);
    ensure_load(&source, &sent, traffic)?;
    if is_timed {
        after.machine.since(before.machine).ensure_enough()?;
    }
    let refreshed = match (contestant.refreshed()?, refreshed_before) {
        (Some(now), Some(before)) => Some(now - before),
        _ => None,
    };
    Ok(Outcome {
        reported: u64::from(load.groups) * u64::from(load.rounds),
        known: end.known,
        elapsed: end.elapsed,
        is_cut_short: end.is_cut_short,
        refreshed,
        used: Used {
            process: after.process - before.process,
            system: after.system - before.system,
            receive: after.receive - before.receive,
        },
        process_memory: after.resident - before.resident,
        kernel_objects: contestant.kernel_memory()?,
        kernel_memory: after.kernel - before.kernel,
        sent,
        traffic,
        losses: contestant.losses()?,
    })
}

/// A storm of which the generator sent only a part, or of which a part never came to the contestant's device, is none.
fn ensure_load(source: &Source, sent: &Sent, traffic: Traffic) -> Result<()> {
    let wanted = source.len();
    ensure!(
        sent.frames as u64 == wanted,
        "the generator sent {} of {wanted} frames",
        sent.frames
    );
    ensure!(
        traffic.received >= wanted,
        "{} of {wanted} frames arrived at {LAN}, which dropped {}",
        traffic.received,
        traffic.receive_drops
    );
    Ok(())
}

/// How it ended.
struct End {
    known: u64,
    elapsed: Duration,
    is_cut_short: bool,
}

/// Watches a contestant without being in its way: the longer it takes, the longer the pauses.
struct Watch<'a> {
    started: Instant,
    load: &'a Load,
    frames: u64,
    processes: &'a [u32],
}

impl Watch<'_> {
    fn until_done(
        &mut self,
        contestant: &mut dyn Contestant,
        mut traffic: impl FnMut() -> Result<Traffic>,
    ) -> Result<End> {
        let wanted = u64::from(self.load.groups);
        // When something happened last, and how much was known then.
        let mut last = (Duration::ZERO, 0);
        let mut cost = Duration::ZERO;
        loop {
            interrupt::check()?;
            let elapsed = self.started.elapsed();
            let is_over = elapsed > self.load.limit;
            let is_received = traffic()?.received >= self.frames;
            if is_over || (is_received && !contestant.is_busy()?) {
                // A contestant that is too busy to answer is asked again while there is time.
                let answer = contestant.known();
                let answered = self.started.elapsed();
                cost = if contestant.answers_at_once() {
                    Duration::ZERO
                } else {
                    answered - elapsed
                };
                let known = match answer {
                    Ok(known) => known,
                    Err(error) if is_over => return Err(error),
                    Err(_) => {
                        thread::sleep(PAUSE.1);
                        continue;
                    }
                };
                if known != last.1 || last.0 == Duration::ZERO {
                    last = (elapsed, known);
                }
                let is_done = known >= wanted;
                if is_done || is_over || self.rests(last.0)? {
                    // The answer may have waited for work that came before the question. What it takes by itself is told by
                    // a second one, when there is nothing else to do.
                    let elapsed = if is_done {
                        contestant.known()?;
                        let alone = self.started.elapsed() - answered;
                        answered.saturating_sub(alone).max(elapsed)
                    } else if is_over {
                        elapsed
                    } else {
                        last.0
                    };
                    return Ok(End {
                        known,
                        elapsed,
                        is_cut_short: is_over && !is_done,
                    });
                }
            }
            thread::sleep((elapsed / 50).clamp(PAUSE.0, PAUSE.1).max(cost * COST));
        }
    }

    /// Whether nothing has changed for a while, and the processes rest. They are looked at for a while.
    fn rests(&self, last_change: Duration) -> Result<bool> {
        if self.started.elapsed() < last_change + REST {
            return Ok(false);
        }
        let before = process_time(self.processes)?;
        thread::sleep(REST);
        let used = process_time(self.processes)? - before;
        Ok(used < RESTING * REST.as_secs_f64())
    }
}

/// What was used until a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Snapshot {
    machine: Usage,
    process: f64,
    system: f64,
    receive: f64,
    resident: f64,
    kernel: f64,
}

impl Snapshot {
    fn take(processes: &[u32], threads: &[u32]) -> Result<Self> {
        let mut snapshot = Self {
            machine: Usage::now()?,
            process: process_time(processes)?,
            receive: process_time(threads)?,
            kernel: kernel_memory()?,
            ..Self::default()
        };
        for process in processes {
            snapshot.system += cpu::system_time(*process)?;
            snapshot.resident += cpu::resident(*process)? as f64;
        }
        Ok(snapshot)
    }
}

fn process_time(processes: &[u32]) -> Result<f64> {
    let mut seconds = 0.0;
    for process in processes {
        seconds += cpu::of_process(*process)?.as_secs_f64();
    }
    Ok(seconds)
}

/// Waits until the kernel has given back what earlier contestants had, which it does after they are gone.
fn settle() -> Result<()> {
    let started = Instant::now();
    let mut before = kernel_memory()?;
    let mut calm = 0;
    while calm < CALM && started.elapsed() < SETTLING {
        thread::sleep(PAUSE.1);
        let now = kernel_memory()?;
        calm = if (now - before).abs() < STILL { calm + 1 } else { 0 };
        before = now;
    }
    Ok(())
}

/// Memory of the whole kernel for objects, tables and BPF maps, in bytes.
fn kernel_memory() -> Result<f64> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let kilobytes = |name: &str| {
        text.lines()
            .find_map(|line| {
                line.strip_prefix(name)?
                    .split_whitespace()
                    .next()?
                    .parse::<f64>()
                    .ok()
            })
            .with_context(|| format!("/proc/meminfo has no {name}"))
    };
    Ok((kilobytes("Slab:")? + kilobytes("VmallocUsed:")? + kilobytes("Percpu:")?) * 1024.0)
}
