//! smcroute: static routes for the kernel's multicast routing.

use std::{
    fmt::Write,
    fs,
    net::Ipv4Addr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use ::tests::{Namespace, Network, process::Process};
use anyhow::{Context, Result, bail};

/// What the configuration begins with.
const TEMPLATE: &str = include_str!("../../contestants/smcroute.conf");
/// How long it may take until the kernel has all routes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running `smcrouted`. The routes go with it.
#[derive(Debug)]
pub(crate) struct Smcroute {
    process: Process,
}

/// A source, the interface that it is on, and groups that follow one another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Routes<'a> {
    /// The incoming interface.
    pub(crate) from: &'a str,
    /// The source of all packets.
    pub(crate) source: Ipv4Addr,
    /// The first group.
    pub(crate) first: Ipv4Addr,
    /// How many groups.
    pub(crate) count: u32,
    /// The outgoing interfaces of each.
    pub(crate) to: &'a [String],
}

impl Smcroute {
    /// Starts `smcrouted` with these routes, and waits until the kernel has them.
    ///
    /// # Errors
    ///
    /// When the package is not unpacked there, or the kernel does not get all routes in time.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    pub(crate) fn start(
        network: &Network,
        namespace: &Namespace,
        contestants: &Path,
        routes: &Routes<'_>,
    ) -> Result<Self> {
        let program = contestants.join("smcroute/usr/sbin/smcrouted");
        if !program.is_file() {
            bail!("smcroute is missing: there is no {}", program.display());
        }
        let file = |kind: &str| network.path(&format!("smcroute.{kind}"));
        let config = file("conf");
        fs::write(&config, configuration(routes)).context("cannot write the configuration of smcroute")?;
        let mut command = Command::new(program);
        command.args(["-n", "-N", "-l", "notice", "-f"]).arg(config);
        command.arg("-P").arg(file("pid")).arg("-u").arg(file("sock"));
        let mut smcroute = Self {
            process: Process::start(namespace, command, file("log")),
        };
        smcroute.wait(namespace, routes.count as usize)?;
        Ok(smcroute)
    }

    fn wait(&mut self, namespace: &Namespace, count: usize) -> Result<()> {
        let begun = Instant::now();
        loop {
            let known = namespace
                .enter(|| fs::read_to_string("/proc/thread-self/net/ip_mr_cache"))
                .context("the kernel has no multicast routing")?
                .lines()
                .skip(1)
                .count();
            if known == count {
                return Ok(());
            }
            if let Some(status) = self.process.exited() {
                bail!("smcrouted ended with {status}: {}", self.process.log());
            }
            if begun.elapsed() > PATIENCE {
                bail!("smcrouted has set {known} of {count} routes within {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

fn configuration(routes: &Routes<'_>) -> String {
    let Routes {
        from,
        source,
        first,
        count,
        to,
    } = routes;
    let mut text = TEMPLATE.to_owned();
    for interface in std::iter::once(*from).chain(to.iter().map(String::as_str)) {
        let _ = writeln!(text, "phyint {interface} enable");
    }
    let to = to.join(" ");
    for index in 0..*count {
        let group = Ipv4Addr::from_bits(first.to_bits() + index);
        let _ = writeln!(text, "mroute from {from} source {source} group {group} to {to}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_interface_and_group() {
        let to = ["lan1", "lan2"].map(str::to_owned);
        let text = configuration(&Routes {
            from: "wan0",
            source: Ipv4Addr::new(10, 0, 0, 2),
            first: Ipv4Addr::new(239, 1, 0, 255),
            count: 2,
            to: &to,
        });
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        // As smcroute.conf(5) has it.
        let wanted = [
            "phyint wan0 enable",
            "phyint lan1 enable",
            "phyint lan2 enable",
            "mroute from wan0 source 10.0.0.2 group 239.1.0.255 to lan1 lan2",
            "mroute from wan0 source 10.0.0.2 group 239.1.1.0 to lan1 lan2",
        ];
        assert_eq!(lines, wanted);
    }
}
