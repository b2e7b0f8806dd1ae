//! FRRouting's zebra and pimd, as another router on the link.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use nix::unistd::{User, chown};

use crate::{
    Namespace, Network, PATIENCE,
    process::{self, Process},
    wait_for,
};

/// Where the Debian package `frr` has its daemons.
const DAEMONS: &str = "/usr/lib/frr";

/// A running zebra and pimd in a namespace, with sockets and configuration of their own.
#[derive(Debug)]
pub struct Frr {
    directory: PathBuf,
    pimd: Process,
    _zebra: Process,
}

impl Frr {
    /// Starts both with this configuration of pimd and waits until they answer. The namespace's interfaces should have
    /// their addresses.
    ///
    /// # Panics
    ///
    /// If FRR is not installed.
    #[track_caller]
    pub fn start(network: &Network, namespace: &Namespace, config: &str) -> Self {
        assert!(
            Path::new(DAEMONS).join("pimd").is_file(),
            "FRR is not installed: apt-get install frr"
        );
        let directory = network.path("frr");
        give_to_frr(&directory);
        let start = |daemon: &str, config: &str| {
            let file = directory.join(format!("{daemon}.conf"));
            fs::write(&file, config).expect("a file in the test's directory can be written");
            let mut command = Command::new(Path::new(DAEMONS).join(daemon));
            command.args(["-P", "0", "--log", "stdout"]);
            command.arg("--vty_socket").arg(&directory);
            command.arg("-z").arg(directory.join("zserv.api"));
            command.arg("-i").arg(directory.join(format!("{daemon}.pid")));
            command.arg("-f").arg(file);
            Process::start(namespace, command, directory.join(format!("{daemon}.log")))
        };
        let mut zebra = start("zebra", "");
        wait_for("zebra's socket", PATIENCE, || {
            assert!(zebra.exited().is_none(), "zebra ended");
            let exists = directory.join("zserv.api").exists();
            if exists { Ok(()) } else { Err(zebra.log()) }
        });
        let pimd = start("pimd", config);
        let mut frr = Self {
            directory,
            pimd,
            _zebra: zebra,
        };
        wait_for("pimd to answer", PATIENCE, || {
            assert!(frr.pimd.exited().is_none(), "pimd ended");
            let output = process::output(&mut frr.vtysh("show version"));
            if output.status.success() {
                Ok(())
            } else {
                Err(frr.pimd.log())
            }
        });
        frr
    }

    /// What pimd answers to a command that ends in `json`.
    ///
    /// # Panics
    ///
    /// If the answer is not JSON.
    #[track_caller]
    pub fn show(&self, command: &str) -> serde_json::Value {
        let text = process::run(&mut self.vtysh(command));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {command}: {text}"))
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
