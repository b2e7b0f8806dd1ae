//! `cargo xtask bench`: builds what is measured and what measures, fetches the contestants, and starts the measuring
//! program as root.

pub(crate) mod contestants;

use std::process::ExitCode;

use anyhow::Result;

use crate::build::{self, Profile};
use crate::command;
use crate::ebpf;
use crate::setup::{Installation, Need};
use crate::workspace::Workspace;

/// What is asked of a run.
pub(crate) struct Wishes {
    /// Only the essentials, without changing any file.
    pub(crate) quick: bool,
    /// These suites alone, by their names; all where none is named.
    pub(crate) only: Vec<String>,
    /// No measurement: write the tables and plots anew from the raw numbers.
    pub(crate) render: bool,
}

/// Sets up, builds, and measures.
///
/// # Errors
///
/// When the set-up or the build fails, or the measuring program cannot be started. What fails in it is no error but an
/// exit code.
pub(crate) fn run(workspace: &Workspace, wishes: &Wishes, installation: Installation) -> Result<ExitCode> {
    let built = build::everything(workspace, Profile::Release, Need::Test, installation)?;
    command::check(
        workspace
            .cargo()
            .args(["build", "--release", "--package", "bench"])
            .env(ebpf::OBJECT_VARIABLE, &built.object),
    )?;
    let contestants = contestants::fetch(workspace, installation);
    let mut bench = command::as_root(
        built.binaries.join("bench"),
        "Measuring, which makes network namespaces and loads XDP programs,",
    )?;
    bench
        .arg("--output")
        .arg(workspace.root().join("bench"))
        .arg("--object")
        .arg(ebpf::measuring_object(&built.object))
        .arg("--router-object")
        .arg(&built.object)
        .arg("--contestants")
        .arg(contestants);
    if wishes.quick {
        bench.arg("--quick");
    }
    for suite in &wishes.only {
        bench.args(["--only", suite]);
    }
    if wishes.render {
        bench.arg("render");
    }
    Ok(if bench.status()?.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
