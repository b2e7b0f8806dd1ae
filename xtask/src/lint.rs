//! The checks that run nothing: formatting, clippy and rustdoc, for the host crates and for the XDP program.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::command;
use crate::ebpf;
use crate::setup::{self, Installation, Need, Toolchain};
use crate::ui;
use crate::workspace::Workspace;

/// A command that succeeds when there is nothing to object to.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) command: Command,
}

/// Every check; `object` is the XDP program that the host crates carry inside.
pub(crate) fn checks(workspace: &Workspace, toolchain: &Toolchain, object: &Path) -> Vec<Check> {
    let mut format = workspace.cargo();
    format.args(["fmt", "--all", "--check"]);

    let host = |arguments: &[&str]| {
        let mut cargo = workspace.cargo();
        cargo.args(arguments).env(ebpf::OBJECT_VARIABLE, object);
        cargo
    };
    let clippy = host(&[
        "clippy",
        "--workspace",
        "--exclude=igmp-ebpf",
        "--all-targets",
        "--",
        "-Dwarnings",
    ]);
    let mut rustdoc = host(&["doc", "--workspace", "--exclude=igmp-ebpf", "--no-deps"]);
    // Encoded, because cargo prefers this variable to the plain one that the environment may have set.
    rustdoc.env("CARGO_ENCODED_RUSTDOCFLAGS", "-Dwarnings");

    let programs = match ebpf::clippy(workspace, toolchain) {
        Some(command) => vec![Check {
            name: "clippy, XDP program",
            command,
        }],
        None => vec![
            Check {
                name: "warnings of rustc, XDP program (its toolchain has no clippy)",
                command: ebpf::strict_build(workspace, toolchain, "igmp-ebpf"),
            },
            Check {
                name: "warnings of rustc, measuring programs",
                command: ebpf::strict_build(workspace, toolchain, "igmp-bench"),
            },
        ],
    };
    let mut checks = vec![
        Check {
            name: "formatting",
            command: format,
        },
        Check {
            name: "clippy, host crates",
            command: clippy,
        },
        Check {
            name: "rustdoc, host crates",
            command: rustdoc,
        },
        Check {
            name: "rustdoc, XDP program",
            command: ebpf::document(workspace, toolchain),
        },
    ];
    checks.extend(programs);
    checks
}

/// Runs the checks alone, all of them even when one objects.
///
/// # Errors
///
/// When the set-up or the build of the XDP program fails.
pub(crate) fn run(workspace: &Workspace, installation: Installation) -> Result<ExitCode> {
    let toolchain = setup::ensure(workspace, Need::Build, installation)?;
    let object = ebpf::build(workspace, &toolchain)?;
    let mut objections = 0;
    for Check { name, mut command } in checks(workspace, &toolchain, &object) {
        ui::headline(name);
        if let Err(error) = command::check(&mut command) {
            println!("{name}: {error}");
            objections += 1;
        }
    }
    println!(
        "\n{}",
        if objections == 0 {
            "no objections".to_owned()
        } else {
            format!("{objections} checks object")
        }
    );
    Ok(if objections == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
