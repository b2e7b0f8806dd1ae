//! CPU time: who took how much, and whether the machine had enough of it to give.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_getcpuclockid},
    unistd::Pid,
};
use rustix::process::setpriority_process;

/// The nicest of all.
const LEAST_PRIORITY: i32 = 19;
/// The most of the time that the hypervisor may have taken away during a measurement, in hundredths.
const MOST_STOLEN: f64 = 5.0;
/// What may have been taken away before it counts, in seconds: during a short measurement a tick or two prove nothing.
const TICKS_OF_CHANCE: f64 = 0.025;

/// CPU time of the whole machine since it started, by what it went to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// Programs, in seconds.
    pub(crate) user: f64,
    /// The kernel on their behalf.
    pub(crate) system: f64,
    /// Interrupts, hard and soft; sampled once a tick.
    pub(crate) softirq: f64,
    /// Nothing.
    pub(crate) idle: f64,
    /// Taken away by the hypervisor.
    pub(crate) steal: f64,
}

impl Usage {
    /// What was used until now.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell.
    pub(crate) fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        Self::parse(&text).context("/proc/stat has no line for all processors")
    }

    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // Ticks of 10 ms, whatever the kernel's own are.
        let fields: Vec<f64> = line
            .split_whitespace()
            .map_while(|field| field.parse::<f64>().ok())
            .map(|ticks| ticks / 100.0)
            .collect();
        let [user, nice, system, idle, waiting, hard, soft, steal, ..] = fields[..] else {
            return None;
        };
        Some(Self {
            user: user + nice,
            system,
            softirq: hard + soft,
            idle: idle + waiting,
            steal,
        })
    }

    /// What was used since an earlier moment.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user - earlier.user,
            system: self.system - earlier.system,
            softirq: self.softirq - earlier.softirq,
            idle: self.idle - earlier.idle,
            steal: self.steal - earlier.steal,
        }
    }

    /// The same as an error.
    ///
    /// # Errors
    ///
    /// [`Starved`].
    pub(crate) fn ensure_enough(self) -> Result<(), Starved> {
        self.starved().map_or(Ok(()), |reason| Err(Starved(reason)))
    }

    /// Why a measurement during which this was used is worth nothing, if it is not.
    pub(crate) fn starved(self) -> Option<String> {
        let all = self.user + self.system + self.softirq + self.idle + self.steal;
        let stolen = if all > 0.0 { self.steal / all * 100.0 } else { 0.0 };
        let is_more_than_chance = self.steal > TICKS_OF_CHANCE;
        (stolen > MOST_STOLEN && is_more_than_chance)
            .then(|| format!("starved: the hypervisor took {stolen:.1} % of the CPU time"))
    }
}

/// The machine had too little CPU time, whoever was measured.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Starved(String);

/// CPU time that a process has used, all its threads together, to the nanosecond. Also good for a kernel thread.
///
/// # Errors
///
/// When there is no such process.
pub(crate) fn of_process(pid: u32) -> Result<Duration> {
    let clock = clock_getcpuclockid(self::pid(pid)?)
        .and_then(ClockId::now)
        .with_context(|| format!("the CPU clock of process {pid}"))?;
    Ok(clock.into())
}

/// CPU time that the calling thread has used.
///
/// # Errors
///
/// When the kernel does not tell.
pub(crate) fn of_this_thread() -> Result<Duration> {
    let clock = ClockId::CLOCK_THREAD_CPUTIME_ID
        .now()
        .context("the CPU clock of a thread")?;
    Ok(clock.into())
}

/// The part of the CPU time of a process that the kernel took on its behalf, in seconds. The whole is exact, its division by
/// the ticks that hit it.
///
/// # Errors
///
/// When there is no such process.
pub(crate) fn system_time(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The name in parentheses may have blanks in it. The state follows, then 11 numbers, then user and system time.
    text.rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().nth(12)?.parse::<f64>().ok())
        .map(|ticks| ticks / 100.0)
        .with_context(|| format!("{path} does not tell the system time"))
}

/// Has the calling thread run on one processor alone.
///
/// # Errors
///
/// When there is no such processor.
pub(crate) fn pin_this_thread(processor: usize) -> Result<()> {
    pin(Pid::from_raw(0), processor)
}

/// Has a thread run on one processor alone, such as the one that polls a device.
///
/// # Errors
///
/// When there is no such thread or processor.
pub(crate) fn pin_thread(thread: u32, processor: usize) -> Result<()> {
    pin(pid(thread)?, processor)
}

/// Has the calling thread run only while nobody else wants its processor, or nearly so.
///
/// # Errors
///
/// When the kernel refuses, which it never should.
pub(crate) fn give_way() -> Result<()> {
    // The calling thread, as Linux has it.
    setpriority_process(None, LEAST_PRIORITY).context("a thread can lower its own priority")
}

fn pin(thread: Pid, processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor)
        .and_then(|()| sched_setaffinity(thread, &set))
        .with_context(|| format!("cannot run thread {thread} on processor {processor}"))
}

fn pid(number: u32) -> Result<Pid> {
    Ok(Pid::from_raw(
        i32::try_from(number).context("process IDs are small")?,
    ))
}

/// The kernel threads that poll a device with threaded NAPI, by the names that the kernel gives them: `napi/DEVICE-ID`.
///
/// # Errors
///
/// When processes cannot be listed.
pub(crate) fn napi_threads(device: &str) -> Result<Vec<u32>> {
    // The kernel cuts names after 15 bytes.
    let prefix: String = format!("napi/{device}-").chars().take(15).collect();
    let all = kernel_threads("napi/")?.into_iter();
    Ok(all
        .filter(|(_, name)| name.starts_with(&prefix))
        .map(|(thread, _)| thread)
        .collect())
}

/// The kernel threads whose names begin like this, and their names.
///
/// # Errors
///
/// When processes cannot be listed.
pub(crate) fn kernel_threads(prefix: &str) -> Result<Vec<(u32, String)>> {
    let mut threads = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // It may have ended meanwhile.
        let name =
            fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("comm")).unwrap_or_default();
        if name.starts_with(prefix) {
            threads.push((pid, name.trim_end().to_owned()));
        }
    }
    Ok(threads)
}

/// Memory of a process that is its own or shared with few, in bytes: what it has resident.
///
/// # Errors
///
/// When there is no such process.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map(|kilobytes| kilobytes * 1024)
        .with_context(|| format!("{path} does not tell the resident memory"))
}

#[cfg(test)]
mod tests {
    use std::{hint::black_box, process, time::Instant};

    use super::*;

    #[test]
    fn the_line_for_all_processors() {
        let text = "cpu  100 20 300 4000 50 6 70 8 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        let usage = Usage::parse(text).expect("a line");
        let wanted = Usage {
            user: 1.2,
            system: 3.0,
            softirq: 0.76,
            idle: 40.5,
            steal: 0.08,
        };
        assert_eq!(usage, wanted);
        assert_eq!(usage.starved(), None);
        let stolen = Usage { steal: 20.0, ..usage };
        assert!(stolen.starved().expect("starved").contains("30."));
    }

    #[test]
    fn a_busy_process_uses_cpu_time() {
        let before = of_process(process::id()).expect("our own clock");
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(20) {
            black_box(started);
        }
        let used = of_process(process::id()).expect("our own clock") - before;
        assert!(used >= Duration::from_millis(2), "{used:?}");
        assert!(resident(process::id()).expect("our own memory") > 100_000);
    }
}
