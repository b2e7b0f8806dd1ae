//! Installing what is missing, after saying what and why.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::packages::{self, Package};
use super::survey::{self, Missing};
use super::{Need, linker};
use crate::command;
use crate::ui;
use crate::workspace::Workspace;

/// How long rustup may take to fetch the sources of `core` (4 MB) before Debian's packages are tried instead.
const RUSTUP_LIMIT_SECONDS: &str = "120";

/// Prints what is missing, what each is for, and the commands that install it.
pub(crate) fn explain(workspace: &Workspace, need: Need, missing: &[Missing]) {
    println!("Missing on this machine:");
    for item in missing {
        match item {
            Missing::Core { .. } => {
                println!(
                    "  {item}: the XDP program is compiled for BPF, for which no toolchain ships `core`"
                );
            }
            Missing::Linker { .. } => {
                println!("  {item}: links the XDP program; goes with the LLVM of the compiler")
            }
            Missing::Package(package) => println!("  {item} (a Debian package): {}", package.why),
        }
    }
    println!("The commands that install it:");
    for item in missing {
        if let Missing::Core { rustup } = item {
            let names: Vec<&str> = packages::toolchain(need).map(|package| package.name).collect();
            let apt = format!(
                "apt-get update && apt-get install -y --no-install-recommends {}",
                names.join(" ")
            );
            match rustup {
                Some(toolchain) if !prefers_packages() => {
                    println!("  {}", command::display(&add_sources(toolchain)));
                    println!("    or, where that cannot be fetched: {apt}");
                }
                _ => println!("  {apt}"),
            }
        }
    }
    let names: Vec<&str> = debian(missing).map(|package| package.name).collect();
    if !names.is_empty() {
        println!(
            "  apt-get update && apt-get install -y --no-install-recommends {}",
            names.join(" ")
        );
    }
    for item in missing {
        if let Missing::Linker { version } = item {
            let mut cargo = Command::new("cargo");
            cargo.args(linker::install_arguments(&survey::tools(workspace), version));
            println!("  {}", command::display(&cargo));
        }
    }
}

/// Installs all of it.
///
/// # Errors
///
/// When a step fails and nothing else could take its place.
pub(crate) fn everything(workspace: &Workspace, need: Need, missing: &[Missing]) -> Result<()> {
    let mut wanted: Vec<Package> = debian(missing).copied().collect();
    for item in missing {
        let Missing::Core { rustup } = item else { continue };
        // As root on Debian the compiler, its LLVM and the sources come as one matching set, which is what the linker's
        // version is pinned to. Elsewhere rustup adds the sources to a toolchain of the user's own.
        let by_packages = prefers_packages()
            || rustup
                .as_ref()
                .is_none_or(|toolchain| !added_by_rustup(toolchain));
        if by_packages {
            wanted.extend(packages::toolchain(need));
        }
    }
    if !wanted.is_empty() {
        install_packages(&wanted)?;
    }
    for item in missing {
        let Missing::Linker { version } = item else {
            continue;
        };
        let tools = survey::tools(workspace);
        let mut cargo = workspace.cargo();
        // Cargo then uses a temporary directory: nothing else ever wants what this compiles.
        cargo
            .env_remove("CARGO_TARGET_DIR")
            .args(linker::install_arguments(&tools, version));
        ui::with_progress(
            &format!("Compiling bpf-linker {version} (about a minute)"),
            &mut cargo,
        )?;
    }
    Ok(())
}

/// Whether the compiler for the XDP program comes from Debian's packages.
fn prefers_packages() -> bool {
    command::is_root() && Path::new("/usr/bin/apt-get").exists()
}

fn debian(missing: &[Missing]) -> impl Iterator<Item = &Package> {
    missing.iter().filter_map(|item| match item {
        Missing::Package(package) => Some(package),
        Missing::Core { .. } | Missing::Linker { .. } => None,
    })
}

fn add_sources(toolchain: &str) -> Command {
    let mut rustup = Command::new("rustup");
    rustup.args(["component", "add", "rust-src", "--toolchain", toolchain]);
    rustup
}

/// Whether rustup could add the sources of `core`. A machine that reaches Debian's servers may not reach rustup's, so
/// it is neither retried nor waited for, and its failure is not ours.
fn added_by_rustup(toolchain: &str) -> bool {
    let line = add_sources(toolchain);
    let mut limited = Command::new("timeout");
    limited
        .arg(RUSTUP_LIMIT_SECONDS)
        .arg(line.get_program())
        .args(line.get_args())
        .env("RUSTUP_MAX_RETRIES", "0")
        .env("RUST_BACKTRACE", "0");
    match ui::with_progress("Adding the sources of `core` with rustup", &mut limited) {
        Ok(()) => true,
        Err(error) => {
            println!("rustup cannot add them ({error}); taking Debian's packages instead");
            false
        }
    }
}

fn install_packages(packages: &[Package]) -> Result<()> {
    let names: Vec<&str> = packages.iter().map(|package| package.name).collect();
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!(
            "this is no Debian system: install what these Debian packages hold with its own package manager: {}",
            names.join(" ")
        );
    }
    let apt = || -> Result<Command> {
        let mut env = command::as_root("/usr/bin/env", "Installing packages")?;
        env.args([
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "-o",
            "DPkg::Lock::Timeout=300",
        ]);
        Ok(env)
    };
    if let Err(error) = ui::with_progress("Reading the package lists", apt()?.arg("update")) {
        println!("The package lists could not be read anew ({error}); trying with those that are there");
    }
    let what = format!("Installing {}", names.join(", "));
    ui::with_progress(
        &what,
        apt()?
            .args(["install", "-y", "--no-install-recommends"])
            .args(&names),
    )?;
    if names.contains(&"frr") {
        stop_frr()?;
    }
    Ok(())
}

/// Debian starts the daemons of a package when it installs it; the tests start their own, in namespaces of their own.
fn stop_frr() -> Result<()> {
    let mut stop = if Path::new("/run/systemd/system").exists() {
        let mut systemctl = command::as_root("systemctl", "Stopping the routing daemons of frr")?;
        systemctl.args(["disable", "--now", "frr"]);
        systemctl
    } else {
        let mut script = command::as_root("/etc/init.d/frr", "Stopping the routing daemons of frr")?;
        script.arg("stop");
        script
    };
    if let Err(error) = ui::with_progress("Stopping the routing daemons that came with frr", &mut stop) {
        println!("{error}; they may not have been started at all");
    }
    Ok(())
}
