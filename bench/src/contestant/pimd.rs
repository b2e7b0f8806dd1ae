//! The pimd of troglobit, the heir of the original one.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use ::tests::{PATIENCE, Packet, RawSocket, process::Process, wait_for};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::{
    Contestant, daemon,
    raw_queue::{Queued, RawQueue},
};
use crate::site::{GENERATOR, HOST, Site};

/// Its configuration.
const CONFIG: &str = include_str!("../../contestants/pimd.conf");
/// Where it writes what it knows when it is sent a signal.
const DUMP: &str = "/var/run/pimd/pimd.dump";
/// The first of the groups that it is tried out with.
const FIRST_PROBE: Ipv4Addr = Ipv4Addr::new(239, 255, 0, 0);
/// How long it has for each of them.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// How long it may take to write that.
const ANSWER: Duration = Duration::from_secs(10);

/// A running pimd.
#[derive(Debug)]
pub(crate) struct Pimd {
    process: Process,
    queue: RawQueue,
    before: Queued,
    /// Groups that it knew before it was measured.
    others: u64,
}

impl Pimd {
    /// Starts it on a site that has an upstream device, and waits until it learns groups. For 15 s it makes no routes, though it
    /// says nothing of it, so it is tried out with reports from the generator.
    ///
    /// # Errors
    ///
    /// When it is missing, or the sockets of the namespace are not shown.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub(crate) fn start(site: &Site, contestants: &Path) -> Result<Self> {
        let program = daemon::program(contestants, "pimd")?;
        let config = site.network.path("pimd.conf");
        fs::write(&config, CONFIG).context("cannot write the configuration of pimd")?;
        let mut command = Command::new(program);
        command.args(["-f", "-N", "-c"]).arg(config);
        let mut process = Process::start(&site.router, command, site.network.path("pimd.log"));
        daemon::wait_vifs(&site.router, &mut process);
        let queue = RawQueue::open(&site.router)?;
        let mut pimd = Self {
            process,
            queue,
            before: Queued::default(),
            others: 0,
        };
        let host = RawSocket::open(&site.generator, GENERATOR);
        let mut probes = (0..).map(|number| Ipv4Addr::from_bits(FIRST_PROBE.to_bits() + number));
        pimd.others = wait_for("pimd to learn a group", PATIENCE, || {
            host.send(&Packet::v2_report(HOST, probes.next().unwrap_or(FIRST_PROBE)));
            thread::sleep(PROBE_INTERVAL);
            match pimd.known() {
                Ok(0) => Err("no group".to_owned()),
                Ok(known) => Ok(known),
                Err(error) => Err(error.to_string()),
            }
        });
        pimd.before = pimd.queue.look()?;
        Ok(pimd)
    }
}

impl Contestant for Pimd {
    fn processes(&mut self) -> Vec<u32> {
        vec![self.process.pid()]
    }

    fn known(&mut self) -> Result<u64> {
        let path = PathBuf::from(DUMP);
        if path.exists() {
            fs::remove_file(&path).context("cannot remove what pimd wrote before")?;
        }
        self.process.signal(Signal::SIGUSR1);
        let number = wait_for("pimd to write what it knows", ANSWER, || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            groups(&text).ok_or_else(|| format!("{} bytes", text.len()))
        });
        let Some(number) = number else {
            bail!("pimd writes no number of groups");
        };
        Ok(number.saturating_sub(self.others))
    }

    fn is_busy(&mut self) -> Result<bool> {
        Ok(self.queue.look()?.bytes > 0)
    }

    fn losses(&mut self) -> Result<Vec<(&'static str, u64)>> {
        let now = self.queue.look()?;
        Ok(vec![("socket full", now.drops - self.before.drops)])
    }
}

/// The number of groups in what pimd writes, of which it is the end; `None` while the end is missing.
fn groups(text: &str) -> Option<Option<u64>> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Number of Groups:"))?;
    text.contains("Number of Cache MIRRORs:")
        .then(|| line.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_dump_has_the_number() {
        assert_eq!(
            groups("Number of Groups: 5\nNumber of Cache MIRRORs: 0\n"),
            Some(Some(5))
        );
        assert_eq!(groups("Number of Groups: 5\n"), None);
        assert_eq!(groups(""), None);
    }
}
