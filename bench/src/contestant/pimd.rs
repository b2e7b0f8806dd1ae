//! The pimd of troglobit, the heir of the original one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use ::tests::{Namespace, Network, process::Process};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::{
    Contestant, daemon,
    raw_queue::{Queued, RawQueue},
};
use crate::site::{LAN, UPSTREAM};

/// Its configuration.
const CONFIG: &str = include_str!("../../contestants/pimd.conf");
/// Where it writes what it knows when it is sent a signal.
const DUMP: &str = "/var/run/pimd/pimd.dump";
/// How long it may take to write that.
const ANSWER: Duration = Duration::from_secs(10);

/// A running pimd.
#[derive(Debug)]
pub(crate) struct Pimd {
    process: Process,
    queue: RawQueue,
    before: Queued,
}

impl Pimd {
    /// Starts it in a namespace that has [`LAN`] and [`UPSTREAM`], and waits until it has its vifs.
    ///
    /// # Errors
    ///
    /// When it is missing, or the sockets of the namespace are not shown.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub(crate) fn start(network: &Network, namespace: &Namespace, contestants: &Path) -> Result<Self> {
        let program = daemon::program(contestants, "pimd")?;
        let config = network.path("pimd.conf");
        fs::write(&config, CONFIG).context("cannot write the configuration of pimd")?;
        let mut command = Command::new(program);
        command.args(["-f", "-N", "-c"]).arg(config);
        let mut process = Process::start(namespace, command, network.path("pimd.log"));
        let mut vifs = crate::site::NetFile::open(namespace, "ip_mr_vif")?;
        ::tests::wait_for("pimd to have its vifs", ::tests::PATIENCE, || {
            assert!(process.exited().is_none(), "pimd ended: {}", process.log());
            let text = vifs.read().map_err(|error| error.to_string())?;
            let has = |device| text.contains(device);
            if has(LAN) && has(UPSTREAM) {
                Ok(())
            } else {
                Err(text)
            }
        });
        let mut queue = RawQueue::open(namespace)?;
        let before = queue.look()?;
        Ok(Self {
            process,
            queue,
            before,
        })
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
        let number = ::tests::wait_for("pimd to write what it knows", ANSWER, || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            groups(&text).ok_or_else(|| format!("{} bytes", text.len()))
        });
        let Some(number) = number else {
            bail!("pimd writes no number of groups");
        };
        Ok(number)
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
