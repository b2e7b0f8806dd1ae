//! igmpproxy.
//!
//! It tells nobody what it knows, but it joins upstream whatever its hosts have joined, and the kernel shows that. What
//! the kernel lets one socket join is raised for it; yet it checks a new one against all that it has.

use std::{fs, path::Path, process::Command};

use ::tests::{Namespace, Network, process::Process};
use anyhow::{Context, Result};

use super::{
    Contestant, daemon,
    raw_queue::{Queued, RawQueue},
};
use crate::site::{NetFile, UPSTREAM};

/// Its configuration.
const CONFIG: &str = include_str!("../../contestants/igmpproxy.conf");

/// A running igmpproxy.
#[derive(Debug)]
pub(crate) struct Igmpproxy {
    process: Process,
    queue: RawQueue,
    before: Queued,
    joined: NetFile,
    others: u64,
}

impl Igmpproxy {
    /// Starts it in a namespace that has an upstream device, and waits until it has its vifs.
    ///
    /// # Errors
    ///
    /// When it is missing, or the sockets of the namespace are not shown.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub(crate) fn start(network: &Network, namespace: &Namespace, contestants: &Path) -> Result<Self> {
        let program = daemon::program(contestants, "igmpproxy")?;
        let config = network.path("igmpproxy.conf");
        fs::write(&config, CONFIG).context("cannot write the configuration of igmpproxy")?;
        namespace.sysctl("net/ipv4/igmp_max_memberships", "10000000");
        let mut command = Command::new(program);
        command.arg("-n").arg(config);
        let mut process = Process::start(namespace, command, network.path("igmpproxy.log"));
        daemon::wait_vifs(namespace, &mut process);
        let mut queue = RawQueue::open(namespace)?;
        let before = queue.look()?;
        let mut joined = NetFile::open(namespace, "igmp")?;
        let others = memberships(&joined.read()?, UPSTREAM);
        Ok(Self {
            process,
            queue,
            before,
            joined,
            others,
        })
    }
}

impl Contestant for Igmpproxy {
    fn processes(&mut self) -> Vec<u32> {
        vec![self.process.pid()]
    }

    fn known(&mut self) -> Result<u64> {
        Ok(memberships(&self.joined.read()?, UPSTREAM).saturating_sub(self.others))
    }

    fn is_busy(&mut self) -> Result<bool> {
        Ok(self.queue.look()?.bytes > 0)
    }

    fn losses(&mut self) -> Result<Vec<(&'static str, u64)>> {
        let now = self.queue.look()?;
        Ok(vec![("socket full", now.drops - self.before.drops)])
    }
}

/// How many groups a device has joined, by `/proc/net/igmp`: a line for the device, and an indented one for each group.
fn memberships(text: &str, device: &str) -> u64 {
    let mut is_device = false;
    let mut count = 0;
    for line in text.lines().skip(1) {
        if line.starts_with(['\t', ' ']) {
            count += u64::from(is_device);
        } else {
            is_device = line.split_whitespace().nth(1) == Some(device);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memberships_of_one_device() {
        let text = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n1\tlo        :     1      V3\n\t\t\t\t\
                    010000E0     1 0:00000000\t\t0\n7\twan0      :     3      V3\n\t\t\t\t050000EF     1 0:00000000\t\t0\n\
                    \t\t\t\t010000E0     1 0:00000000\t\t0\n";
        assert_eq!(memberships(text, "wan0"), 2);
        assert_eq!(memberships(text, "lo"), 1);
        assert_eq!(memberships(text, "eth0"), 0);
    }
}
