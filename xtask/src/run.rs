//! `cargo xtask run`: the lab, or igmpd on real interfaces.

use std::env;
use std::fmt::Write;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Error, Result};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use crate::build::{self, Built, Profile};
use crate::command;
use crate::lab;
use crate::setup::{Installation, Need};
use crate::workspace::Workspace;

/// Where a BPF file system is mounted by convention.
const BPF_FILE_SYSTEM: &str = "/sys/fs/bpf";

/// Sets up, builds and starts the lab; as root through `sudo` when we are not, so that only the lab runs as root.
///
/// # Errors
///
/// When the set-up, the build or the lab fails.
pub(crate) fn lab(
    workspace: &Workspace,
    profile: Profile,
    hold: bool,
    installation: Installation,
) -> Result<ExitCode> {
    let Built { binaries, .. } = build::everything(workspace, profile, Need::Lab, installation)?;
    if command::is_root() {
        return lab::run(&binaries, hold);
    }
    let program = env::current_exe().context("where this program lies")?;
    let mut sudo = command::as_root(
        program,
        "The lab, which makes network namespaces and loads an XDP program,",
    )?;
    sudo.args(["lab", "--binaries"]).arg(&binaries);
    if hold {
        sudo.arg("--hold");
    }
    // Only an error comes back from this.
    Err(Error::new(sudo.exec()).context("cannot start sudo"))
}

/// Sets up, builds and becomes igmpd, in the foreground, on these interfaces.
///
/// # Errors
///
/// When the set-up or the build fails or igmpd cannot be started.
pub(crate) fn on_interfaces(
    workspace: &Workspace,
    profile: Profile,
    interfaces: &[String],
    installation: Installation,
) -> Result<ExitCode> {
    let Built { binaries, .. } = build::everything(workspace, profile, Need::Build, installation)?;
    for interface in interfaces {
        if !Path::new("/sys/class/net").join(interface).exists() {
            println!("warning: there is no interface {interface} yet: igmpd uses it as soon as it appears");
        }
    }
    mount_bpf_file_system()?;
    let file = workspace.target().join("xtask-run.toml");
    fs::write(&file, configuration(interfaces))
        .with_context(|| format!("cannot write {}", file.display()))?;
    let mut igmpd = command::as_root(binaries.join("igmpd"), "igmpd, which loads an XDP program,")?;
    igmpd.arg("--config").arg(&file);
    println!("Configuration: {}", file.display());
    println!("Starting `{}`; Ctrl-C stops it.", command::display(&igmpd));
    println!(
        "Look at it from another terminal: {} show groups",
        binaries.join("igmpctl").display()
    );
    // Only an error comes back from this.
    Err(Error::new(igmpd.exec()).context("cannot start igmpd"))
}

/// Mounts the BPF file system, where igmpd pins what outlives it, on a machine whose init does not.
fn mount_bpf_file_system() -> Result<()> {
    if statfs(BPF_FILE_SYSTEM).is_ok_and(|found| found.filesystem_type() == BPF_FS_MAGIC) {
        return Ok(());
    }
    println!("Mounting the BPF file system on {BPF_FILE_SYSTEM}, where igmpd pins its maps.");
    let mut mount = command::as_root("mount", "Mounting the BPF file system")?;
    command::check(mount.args(["-t", "bpf", "bpf", BPF_FILE_SYSTEM]))
}

/// The router side with the defaults on each interface.
fn configuration(interfaces: &[String]) -> String {
    let mut text = String::from("# Written by `cargo xtask run --iface`, anew each time.\n");
    let mut written: Vec<&String> = Vec::new();
    for interface in interfaces {
        // Naming one twice is harmless here and an error in the file.
        if !written.contains(&interface) {
            // Debug notation quotes as TOML does; writing to a string does not fail.
            let _ = writeln!(text, "\n[interfaces.{interface:?}]\nigmp = {{}}");
            written.push(interface);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_each_interface_once() {
        let interfaces = ["lan0", "lan0.7", "lan0"].map(str::to_owned);
        assert_eq!(
            configuration(&interfaces),
            "# Written by `cargo xtask run --iface`, anew each time.\n\
             \n[interfaces.\"lan0\"]\nigmp = {}\n\
             \n[interfaces.\"lan0.7\"]\nigmp = {}\n"
        );
    }
}
