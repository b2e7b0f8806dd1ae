//! Child processes that end with the test.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{Namespace, wait_for};

/// Lines of a log that are worth reading after a failure.
const LAST_LINES: usize = 100;

/// A process in a namespace whose output goes to a file. It is killed when this is dropped, and what it wrote is printed
/// if the test is failing.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` in `namespace`, its standard output and error going to the file `log`.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[track_caller]
    pub fn start(namespace: &Namespace, mut command: Command, log: PathBuf) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("the log file should be writable");
        let also = file.try_clone().expect("a file can be shared");
        command.stdin(Stdio::null()).stdout(file).stderr(also);
        let child = namespace
            .enter(|| command.spawn())
            .unwrap_or_else(|error| panic!("{name} should start: {error}"));
        Self { name, child, log }
    }

    /// Everything that the process wrote so far.
    pub fn log(&self) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(&self.log) {
            // What was read before an error is still worth showing.
            let _ = file.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The process ID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// If the process is gone already.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("process IDs are small"));
        kill(pid, signal).unwrap_or_else(|error| panic!("{signal} to {}: {error}", self.name));
    }

    /// The exit status, or `None` while the process runs.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits until the process ends by itself.
    ///
    /// # Panics
    ///
    /// If it has not ended after `timeout`.
    #[track_caller]
    pub fn wait(&mut self, timeout: Duration) -> ExitStatus {
        let what = format!("{} to end", self.name);
        wait_for(&what, timeout, || {
            self.exited().ok_or_else(|| "it runs".to_owned())
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let last = lines
                .get(lines.len().saturating_sub(LAST_LINES)..)
                .unwrap_or_default();
            eprintln!(
                "--- the last of {} lines of {} {}:\n{}\n---",
                lines.len(),
                self.name,
                self.child.id(),
                last.join("\n")
            );
        }
    }
}

/// A command that ends after half a minute at the latest, so that a program that hangs fails its test and not the whole
/// run.
pub fn bounded(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.arg("30").arg(program);
    command
}

/// Runs a command to its end and returns its output.
///
/// # Panics
///
/// If it cannot be started or fails, with what it printed.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = output(command);
    let (stdout, stderr) = texts(&output);
    assert!(
        output.status.success(),
        "{command:?} failed with {}:\n{stdout}{stderr}",
        output.status
    );
    stdout
}

/// Runs a command to its end, whatever its exit status.
///
/// # Panics
///
/// If it cannot be started.
#[track_caller]
pub fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => ", is its package installed?",
            _ => "",
        };
        panic!("{command:?}: {error}{hint}")
    })
}

/// Standard output and standard error as text.
pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The directory of the programs under test: that of the test executable's own build.
pub(crate) fn build_directory() -> PathBuf {
    let executable = std::env::current_exe().expect("a program knows its own path");
    let directory = executable.parent().unwrap_or(Path::new("."));
    // Test programs lie one level below the others.
    if directory.ends_with("deps") {
        directory.parent().unwrap_or(directory).to_path_buf()
    } else {
        directory.to_path_buf()
    }
}
