//! The router of the lab: igmpd in its namespace, and igmpctl to ask it.

use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::interrupt;
use super::netns::Namespace;
use crate::command;

/// How long igmpd may take to stop cleanly.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How long igmpd may take to answer igmpctl.
const ANSWER_LIMIT_SECONDS: &str = "5";

/// How many lines of igmpd's log an error shows.
const LINES_OF_LOG: usize = 30;

/// Timers short enough to watch. A version 1 host answers within 10 s of a query, whatever the query says, so the
/// Group Membership Interval, Robustness Variable × Query Interval at the least, must stay well above that.
const TIMERS: &str = "query-interval = 10\nquery-max-response-time = 2\nlast-member-query-interval = 1\n";

/// igmpd in its namespace; stopped when dropped.
pub(crate) struct Router {
    igmpd: Option<Child>,
    namespace: Namespace,
    directory: PathBuf,
    igmpctl: PathBuf,
}

impl Router {
    /// Starts igmpd with the router side of IGMP on `interfaces` and none on `upstream`, its files and its socket in
    /// `directory`.
    ///
    /// # Errors
    ///
    /// When a file cannot be written or igmpd cannot be started.
    pub(crate) fn start(
        namespace: Namespace,
        binaries: &Path,
        directory: &Path,
        interfaces: &[&str],
        upstream: &str,
    ) -> Result<Self> {
        // A BPF file system of the lab's own, so that it goes with the lab and needs none of the machine.
        let pins = pin_mount(directory);
        fs::create_dir(&pins).with_context(|| format!("cannot make {}", pins.display()))?;
        mount(Some("bpf"), &pins, Some("bpf"), MsFlags::empty(), None::<&str>)
            .with_context(|| format!("cannot mount a BPF file system on {}", pins.display()))?;

        let configuration = configuration_file(directory);
        fs::write(&configuration, configure(directory, interfaces, upstream))
            .with_context(|| format!("cannot write {}", configuration.display()))?;
        let log = log_file(directory);
        let log = File::create(&log).with_context(|| format!("cannot make {}", log.display()))?;
        let program = binaries.join("igmpd");
        let igmpd = namespace.enter(|| {
            Command::new(&program)
                .arg("--config")
                .arg(&configuration)
                .stdin(Stdio::null())
                .stdout(log.try_clone().context("cannot share the log")?)
                .stderr(log)
                // Ctrl-C in the terminal is for us: igmpd is stopped when its turn comes.
                .process_group(0)
                .spawn()
                .with_context(|| format!("cannot start {}", program.display()))
        })?;
        let process = igmpd.id();
        let router = Self {
            igmpd: Some(igmpd),
            namespace,
            directory: directory.to_path_buf(),
            igmpctl: binaries.join("igmpctl"),
        };
        let file = process_file(directory);
        fs::write(&file, process.to_string()).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(router)
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
            .arg(socket_file(&self.directory))
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
        let Some(mut igmpd) = self.igmpd.take() else {
            return Ok(());
        };
        match terminate(&mut igmpd)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("igmpd stopped with {status}{}", self.log()),
            None => bail!(
                "igmpd did not stop within {} s of SIGTERM and was killed{}",
                STOP_LIMIT.as_secs(),
                self.log()
            ),
        }
    }

    /// # Errors
    ///
    /// When igmpd has ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        let Some(igmpd) = &mut self.igmpd else {
            bail!("igmpd is not running")
        };
        if let Some(status) = igmpd.try_wait().context("cannot ask for the state of igmpd")? {
            self.igmpd = None;
            bail!("igmpd ended by itself: {status}{}", self.log());
        }
        Ok(())
    }

    /// The end of igmpd's log, for the end of an error message.
    pub(crate) fn log(&self) -> String {
        let log = fs::read_to_string(log_file(&self.directory)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = &lines[lines.len().saturating_sub(LINES_OF_LOG)..];
        if end.is_empty() {
            "\nigmpd logged nothing".to_owned()
        } else {
            format!("\nthe end of igmpd's log:\n    {}", end.join("\n    "))
        }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if let Some(mut igmpd) = self.igmpd.take()
            && let Err(error) = terminate(&mut igmpd)
        {
            eprintln!("warning: {error:#}");
        }
    }
}

/// Ends the process, by force if it has to be; `None` when it had to be.
fn terminate(child: &mut Child) -> Result<Option<ExitStatus>> {
    let process = i32::try_from(child.id()).context("a process id")?;
    kill(Pid::from_raw(process), Signal::SIGTERM).context("cannot send SIGTERM to igmpd")?;
    let started = Instant::now();
    while started.elapsed() < STOP_LIMIT {
        if let Some(status) = child.try_wait().context("cannot wait for igmpd")? {
            return Ok(Some(status));
        }
        thread::sleep(interrupt::POLL);
    }
    child.kill().context("cannot kill igmpd")?;
    child.wait().context("cannot wait for igmpd")?;
    Ok(None)
}

fn configure(directory: &Path, interfaces: &[&str], upstream: &str) -> String {
    let mut text = format!(
        "control-socket = {:?}\nbpf-pin-path = {:?}\nforwarding = \"xdp\"\n\n[igmp]\n{TIMERS}\n\
         [interfaces.{upstream}]\nxdp-mode = \"native\"\n",
        socket_file(directory),
        pin_mount(directory).join("igmpd"),
    );
    for interface in interfaces {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n[interfaces.{interface}]\nxdp-mode = \"native\"\nigmp = {{}}\n"
        );
    }
    text
}

/// The configuration of the igmpd of the lab with this directory.
pub(crate) fn configuration_file(directory: &Path) -> PathBuf {
    directory.join("igmpd.toml")
}

/// The file that names the process of igmpd.
pub(crate) fn process_file(directory: &Path) -> PathBuf {
    directory.join("igmpd.pid")
}

/// Where the BPF file system of the lab is mounted.
pub(crate) fn pin_mount(directory: &Path) -> PathBuf {
    directory.join("bpf")
}

/// What igmpd logs.
pub(crate) fn log_file(directory: &Path) -> PathBuf {
    directory.join("igmpd.log")
}

fn socket_file(directory: &Path) -> PathBuf {
    directory.join("igmpd.sock")
}
