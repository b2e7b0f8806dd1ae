//! A program that runs in the background of the lab; stopped when dropped.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::interrupt;
use super::netns::Namespace;
use crate::command;

/// How long a program may take to stop cleanly.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How many lines of a log an error shows.
const LINES_OF_LOG: usize = 30;

/// How the names of the files end that name processes.
pub(crate) const PROCESS_FILE: &str = "pid";

/// A running program.
pub(crate) struct Daemon {
    child: Option<Child>,
    program: String,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command` in the namespace. `directory` gets a file NAME.log with what it says and a file NAME.pid with its
    /// process.
    ///
    /// # Errors
    ///
    /// When a file cannot be made or the program cannot be started.
    pub(crate) fn start(
        namespace: &Namespace,
        directory: &Path,
        name: &str,
        mut command: Command,
    ) -> Result<Self> {
        let path = log_file(directory, name);
        let log = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let program = Path::new(command.get_program())
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let child = namespace.enter(move || {
            command
                .stdin(Stdio::null())
                .stdout(log.try_clone().context("cannot share the log")?)
                .stderr(log)
                // Ctrl-C in the terminal is for us: the program is stopped when its turn comes.
                .process_group(0)
                .spawn()
                .with_context(|| format!("cannot start `{}`", command::display(&command)))
        })?;
        let process = child.id();
        let daemon = Self {
            child: Some(child),
            program,
            log: path,
        };
        let file = directory.join(name).with_extension(PROCESS_FILE);
        fs::write(&file, process.to_string()).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(daemon)
    }

    /// Stops the program as an operator would, with SIGTERM.
    ///
    /// # Errors
    ///
    /// When it does not stop in time, or not cleanly.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let program = &self.program;
        match terminate(&mut child, program)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("{program} stopped with {status}{}", self.log()),
            None => bail!(
                "{program} did not stop within {} s of SIGTERM and was killed{}",
                STOP_LIMIT.as_secs(),
                self.log()
            ),
        }
    }

    /// # Errors
    ///
    /// When the program has ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        let program = &self.program;
        let Some(child) = &mut self.child else {
            bail!("{program} is not running")
        };
        let state = child.try_wait();
        if let Some(status) = state.with_context(|| format!("cannot ask for the state of {program}"))? {
            self.child = None;
            bail!("{} ended by itself: {status}{}", self.program, self.log());
        }
        Ok(())
    }

    /// The end of the program's log, for the end of an error message.
    pub(crate) fn log(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = &lines[lines.len().saturating_sub(LINES_OF_LOG)..];
        if end.is_empty() {
            format!("\n{} logged nothing", self.program)
        } else {
            format!("\nthe end of {}'s log:\n    {}", self.program, end.join("\n    "))
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take()
            && let Err(error) = terminate(&mut child, &self.program)
        {
            eprintln!("warning: {error:#}");
        }
    }
}

/// Ends the process, by force if it has to be; `None` when it had to be.
fn terminate(child: &mut Child, program: &str) -> Result<Option<ExitStatus>> {
    let process = i32::try_from(child.id()).context("a process id")?;
    kill(Pid::from_raw(process), Signal::SIGTERM)
        .with_context(|| format!("cannot send SIGTERM to {program}"))?;
    let started = Instant::now();
    while started.elapsed() < STOP_LIMIT {
        let state = child.try_wait();
        if let Some(status) = state.with_context(|| format!("cannot wait for {program}"))? {
            return Ok(Some(status));
        }
        thread::sleep(interrupt::POLL);
    }
    child.kill().with_context(|| format!("cannot kill {program}"))?;
    child
        .wait()
        .with_context(|| format!("cannot wait for {program}"))?;
    Ok(None)
}

/// What the program of this name says.
pub(crate) fn log_file(directory: &Path, name: &str) -> PathBuf {
    directory.join(name).with_extension("log")
}
