//! A router of the lab: igmpd in its namespace, and igmpctl to ask it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use serde_json::Value;

use super::daemon::Daemon;
use super::interrupt;
use super::netns::Namespace;
use crate::command;

/// How long igmpd may take to answer igmpctl.
const ANSWER_LIMIT_SECONDS: &str = "5";

/// Timers short enough to watch. A version 1 host answers within 10 s of a query, whatever the query says, so the
/// Group Membership Interval, Robustness Variable × Query Interval at the least, must stay well above that.
const TIMERS: &str = "query-interval = 10\nquery-max-response-time = 2\nlast-member-query-interval = 1\n";

/// igmpd in its namespace; stopped when dropped.
pub(crate) struct Router {
    igmpd: Daemon,
    namespace: Namespace,
    directory: PathBuf,
    name: &'static str,
    igmpctl: PathBuf,
}

impl Router {
    /// Starts igmpd with these tables in its configuration. Its files and its socket are in `directory` and have this name.
    ///
    /// # Errors
    ///
    /// When a file cannot be written or igmpd cannot be started.
    pub(crate) fn start(
        namespace: Namespace,
        binaries: &Path,
        directory: &Path,
        name: &'static str,
        tables: &str,
    ) -> Result<Self> {
        write_configuration(directory, name, tables)?;
        let mut command = Command::new(binaries.join("igmpd"));
        command.arg("--config").arg(configuration_file(directory, name));
        Ok(Self {
            igmpd: Daemon::start(&namespace, directory, name, command)?,
            namespace,
            directory: directory.to_path_buf(),
            name,
            igmpctl: binaries.join("igmpctl"),
        })
    }

    /// Puts these tables into the place of those in the configuration, and has igmpd read it again.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or igmpd refuses it.
    pub(crate) fn reload(&self, tables: &str) -> Result<String> {
        write_configuration(&self.directory, self.name, tables)?;
        command::output(&mut self.igmpctl(&["reload"]))
    }

    /// The namespace of the router.
    pub(crate) fn namespace(&self) -> &str {
        self.namespace.name()
    }

    /// The command line of igmpctl for this router.
    pub(crate) fn igmpctl(&self, arguments: &[&str]) -> Command {
        let mut igmpctl = Command::new(&self.igmpctl);
        igmpctl
            .arg("-s")
            .arg(socket_file(&self.directory, self.name))
            .args(arguments);
        igmpctl
    }

    /// What `igmpctl -j show WHAT` answers.
    ///
    /// # Errors
    ///
    /// When igmpctl fails or answers no JSON.
    pub(crate) fn show(&self, what: &str) -> Result<Value> {
        let igmpctl = self.igmpctl(&["-j", "show", what]);
        // An igmpd that does not answer must not keep us from saying so.
        let mut limited = Command::new("timeout");
        limited
            .arg(ANSWER_LIMIT_SECONDS)
            .arg(igmpctl.get_program())
            .args(igmpctl.get_args());
        let answer = command::output(&mut limited)?;
        serde_json::from_str(&answer)
            .with_context(|| format!("`igmpctl -j show {what}` answered no JSON: {answer}"))
    }

    /// Waits until `condition` holds of what `igmpctl -j show WHAT` answers; `what_for` ends the sentence "igmpd did
    /// not …" of the error.
    ///
    /// # Errors
    ///
    /// When it does not hold within `limit`, when igmpd ends, or on Ctrl-C.
    pub(crate) fn wait_for(
        &mut self,
        what: &str,
        limit: Duration,
        what_for: &str,
        condition: impl Fn(&Value) -> bool,
    ) -> Result<Duration> {
        let started = Instant::now();
        loop {
            interrupt::check()?;
            self.check_alive()?;
            let answer = self.show(what);
            if let Ok(answer) = &answer
                && condition(answer)
            {
                return Ok(started.elapsed());
            }
            if limit < started.elapsed() {
                let answer = match answer {
                    Ok(answer) => format!("the last answer to `igmpctl -j show {what}` was {answer}"),
                    Err(error) => format!("{error:#}"),
                };
                bail!(
                    "igmpd did not {what_for} within {} s; {answer}{}",
                    limit.as_secs(),
                    self.log()
                );
            }
            thread::sleep(interrupt::POLL);
        }
    }

    /// Stops igmpd as an operator would, with SIGTERM.
    ///
    /// # Errors
    ///
    /// When it does not stop in time, or not cleanly.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.igmpd.stop()
    }

    /// # Errors
    ///
    /// When igmpd has ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        self.igmpd.check_alive()
    }

    /// The end of igmpd's log, for the end of an error message.
    pub(crate) fn log(&self) -> String {
        self.igmpd.log()
    }
}

/// Mounts a BPF file system of the lab's own, so that it goes with the lab and needs none of the machine.
///
/// # Errors
///
/// When the kernel refuses.
pub(crate) fn mount_pins(directory: &Path) -> Result<()> {
    let pins = pin_mount(directory);
    fs::create_dir(&pins).with_context(|| format!("cannot make {}", pins.display()))?;
    mount(Some("bpf"), &pins, Some("bpf"), MsFlags::empty(), None::<&str>)
        .with_context(|| format!("cannot mount a BPF file system on {}", pins.display()))
}

/// The tables of a router with the router side of IGMP on `interfaces` and none on `upstream`.
pub(crate) fn tables(interfaces: &[&str], upstream: &str) -> String {
    let mut text = format!("[igmp]\n{TIMERS}\n[interfaces.{upstream}]\nxdp-mode = \"native\"\n");
    for interface in interfaces {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n[interfaces.{interface}]\nxdp-mode = \"native\"\nigmp = {{}}\n"
        );
    }
    text
}

fn write_configuration(directory: &Path, name: &str, tables: &str) -> Result<()> {
    let file = configuration_file(directory, name);
    let text = format!(
        "control-socket = {:?}\nbpf-pin-path = {:?}\nforwarding = \"xdp\"\n\n{tables}",
        socket_file(directory, name),
        pin_mount(directory).join(name),
    );
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// The configuration of the igmpd of this name.
pub(crate) fn configuration_file(directory: &Path, name: &str) -> PathBuf {
    directory.join(name).with_extension("toml")
}

/// Where the BPF file system of the lab is mounted.
pub(crate) fn pin_mount(directory: &Path) -> PathBuf {
    directory.join("bpf")
}

fn socket_file(directory: &Path, name: &str) -> PathBuf {
    directory.join(name).with_extension("sock")
}
