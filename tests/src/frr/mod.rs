//! FRRouting's zebra and pimd, as another router on the link.

pub mod igmp;
pub mod pim;

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::Signal,
    unistd::{User, chown},
};

pub use pim::{Channel, Mroute, Upstream};

use crate::{
    Namespace, Network, PATIENCE,
    process::{self, Process},
    wait_for,
};

/// Where the Debian package `frr` has its daemons.
const DAEMONS: &str = "/usr/lib/frr";
/// How long a clean stop may take.
const STOP: Duration = Duration::from_secs(10);

/// A running zebra and pimd in a namespace, with sockets and configuration of their own.
#[derive(Debug)]
pub struct Frr {
    directory: PathBuf,
    namespace: String,
    pimd: Process,
    _zebra: Process,
}

impl Frr {
    /// Starts both with this configuration of pimd and waits until they answer. The namespace's interfaces should have
    /// their addresses and its kernel the routes that pimd should know: zebra takes them over from there.
    ///
    /// # Panics
    ///
    /// If FRR is not installed.
    #[track_caller]
    pub fn start(network: &Network, namespace: &Namespace, config: &str) -> Self {
        let mut frr = Self::spawn(network, namespace, config);
        frr.wait_ready();
        frr
    }

    /// Starts both with this configuration of pimd, without waiting for more than zebra's socket, which pimd needs.
    ///
    /// # Panics
    ///
    /// If FRR is not installed.
    #[track_caller]
    pub fn spawn(network: &Network, namespace: &Namespace, config: &str) -> Self {
        assert!(
            Path::new(DAEMONS).join("pimd").is_file(),
            "FRR is not installed: apt-get install frr"
        );
        let (number, _) = network.agent();
        let directory = network.path(&format!("frr-{}-{number}", namespace.name()));
        give_to_frr(&directory);
        fs::write(directory.join("zebra.conf"), "").expect("a file in the test's directory can be written");
        fs::write(directory.join("pimd.conf"), config)
            .expect("a file in the test's directory can be written");
        let mut zebra = spawn(namespace, &directory, "zebra");
        // Looked for often, since how long a start takes is measured.
        let socket = directory.join("zserv.api");
        let began = Instant::now();
        while !socket.exists() {
            assert!(zebra.exited().is_none(), "zebra ended");
            assert!(
                began.elapsed() < PATIENCE,
                "zebra made no socket: {}",
                zebra.log()
            );
            thread::sleep(Duration::from_millis(1));
        }
        let pimd = spawn(namespace, &directory, "pimd");
        Self {
            directory,
            namespace: namespace.name().to_owned(),
            pimd,
            _zebra: zebra,
        }
    }

    /// Waits until pimd answers.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        wait_for("pimd to answer", PATIENCE, || {
            assert!(self.pimd.exited().is_none(), "pimd ended");
            let output = process::output(&mut self.vtysh("show version"));
            if output.status.success() {
                Ok(())
            } else {
                Err(self.pimd.log())
            }
        });
    }

    /// Starts a pimd in the place of one that has ended, with the same configuration, and waits until it answers. It
    /// has new generation IDs and knows nothing of what the one before knew.
    ///
    /// # Panics
    ///
    /// If the one before still runs.
    #[track_caller]
    pub fn start_again(&mut self, namespace: &Namespace) {
        assert_eq!(namespace.name(), self.namespace, "the namespace it was in before");
        assert!(self.pimd.exited().is_some(), "pimd runs");
        self.pimd = spawn(namespace, &self.directory, "pimd");
        self.wait_ready();
    }

    /// Ends pimd in the way of an operator, with a goodbye to its neighbors (RFC 7761 §4.3.1).
    #[track_caller]
    pub fn stop(&mut self) {
        self.pimd.signal(Signal::SIGTERM);
        self.pimd.wait(STOP);
    }

    /// Ends pimd without a word. The kernel then forgets what it forwarded for it.
    #[track_caller]
    pub fn kill(&mut self) {
        self.pimd.signal(Signal::SIGKILL);
        self.pimd.wait(STOP);
    }

    /// What pimd answers to a command that ends in `json`.
    ///
    /// # Panics
    ///
    /// If the answer is not JSON.
    #[track_caller]
    pub fn show(&self, command: &str) -> serde_json::Value {
        let text = self.text(command);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {command}: {text}"))
    }

    /// What pimd answers to a command, as people read it.
    #[track_caller]
    pub fn text(&self, command: &str) -> String {
        process::run(&mut self.vtysh(command))
    }

    /// Changes the configuration of the running pimd: lines as they are in its file.
    #[track_caller]
    pub fn configure(&self, lines: &[&str]) {
        let mut command = self.vtysh("configure terminal");
        for line in lines {
            command.args(["-c", line]);
        }
        process::run(&mut command);
    }

    /// The process of pimd.
    pub fn pimd(&mut self) -> &mut Process {
        &mut self.pimd
    }

    fn vtysh(&self, line: &str) -> Command {
        let mut command = Command::new("vtysh");
        command
            .arg("--vty_socket")
            .arg(&self.directory)
            .args(["-d", "pimd", "-c", line]);
        command
    }

    /// Waits until pimd has exactly these neighbors on an interface.
    #[track_caller]
    pub fn wait_neighbors(&self, interface: &str, timeout: Duration, expected: &[Ipv4Addr]) {
        wait_for(&format!("FRR's neighbors to be {expected:?}"), timeout, || {
            let found = self.neighbors(interface);
            if found == expected {
                Ok(())
            } else {
                Err(format!("{found:?}"))
            }
        });
    }

    /// Waits until pimd's view of a Join from downstream is as `wanted` says; `None` where it knows of none.
    #[track_caller]
    pub fn wait_channel(
        &self,
        what: &str,
        timeout: Duration,
        (interface, source, group): (&str, &str, Ipv4Addr),
        wanted: impl Fn(Option<&Channel>) -> bool,
    ) {
        wait_for(what, timeout, || {
            let all = self.channels();
            let found = all.iter().find(|channel| {
                channel.interface == interface && channel.source == source && channel.group == group
            });
            if wanted(found) {
                Ok(())
            } else {
                Err(format!("{all:?}"))
            }
        });
    }

    /// Waits until pimd knows a Join from downstream.
    #[track_caller]
    pub fn wait_joined(&self, interface: &str, source: &str, group: Ipv4Addr) {
        self.wait_channel(
            &format!("FRR to know the Join({source},{group}) on {interface}"),
            PATIENCE,
            (interface, source, group),
            |channel| channel.is_some_and(Channel::is_joined),
        );
    }

    /// Waits until pimd knows no Join from downstream.
    #[track_caller]
    pub fn wait_pruned(&self, interface: &str, source: &str, group: Ipv4Addr, timeout: Duration) {
        self.wait_channel(
            &format!("FRR to know no Join({source},{group}) on {interface}"),
            timeout,
            (interface, source, group),
            |channel| !channel.is_some_and(Channel::is_joined),
        );
    }
}

/// Starts a daemon whose configuration is written.
#[track_caller]
fn spawn(namespace: &Namespace, directory: &Path, daemon: &str) -> Process {
    let mut command = Command::new(Path::new(DAEMONS).join(daemon));
    command.args(["-P", "0", "--log", "stdout"]);
    command.arg("--vty_socket").arg(directory);
    command.arg("-z").arg(directory.join("zserv.api"));
    command.arg("-i").arg(directory.join(format!("{daemon}.pid")));
    command.arg("-f").arg(directory.join(format!("{daemon}.conf")));
    Process::start(namespace, command, directory.join(format!("{daemon}.log")))
}

/// Makes a directory for the daemons, which run as a user of their own.
#[track_caller]
fn give_to_frr(directory: &Path) {
    fs::create_dir(directory).expect("a directory of the test's own");
    let user = User::from_name("frr")
        .expect("users can be looked up")
        .expect("the package frr makes a user of that name");
    chown(directory, Some(user.uid), Some(user.gid)).expect("root can give directories away");
}
