//! The build of `igmp-ebpf`, with a toolchain that has the sources of `core`: no toolchain ships it compiled for BPF.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::command;
use crate::setup::Toolchain;
use crate::workspace::{self, Workspace};

/// What names the object file to the build script of `igmp-user`.
pub(crate) const OBJECT_VARIABLE: &str = "IGMP_EBPF_OBJECT";

/// What names the object file of the programs that measure to the tests of `bench`.
pub(crate) const MEASURING_OBJECT_VARIABLE: &str = "IGMP_BENCH_OBJECT";

/// The only BPF target: the byte order of the machines this router runs on.
const TARGET: &str = "bpfel-unknown-none";

/// The flags of rustc for every crate of the XDP program, `core` included.
const RUSTFLAGS: &[&str] = &[
    // The linker makes BTF out of debug information, and the verifier wants BTF of functions for `bpf_loop`.
    "-Cdebuginfo=2",
    // 32-bit registers and atomic operations of every kind: instructions of Linux 5.12.
    "-Ctarget-cpu=v3",
    // Packets are read at any address, which the verifier allows on machines that can. Without it each number is put
    // together from single bytes, on paths where the verifier then finds bytes that were never read.
    "-Clink-arg=--cpu-features=+allows-misaligned-mem-access",
    // bpf-linker leaves BTF out unless asked.
    "-Clink-arg=--btf",
];

/// Arguments that every cargo command on `igmp-ebpf` ends with.
const ARGUMENTS: &[&str] = &[
    "--package",
    "igmp-ebpf",
    "-Zbuild-std=core",
    "--target",
    TARGET,
    "--release",
];

/// Builds the XDP program and returns the path of its object file.
///
/// # Errors
///
/// When it does not compile or link.
pub(crate) fn build(workspace: &Workspace, toolchain: &Toolchain) -> Result<PathBuf> {
    let mut cargo = cargo(workspace, toolchain, "cargo");
    command::check(cargo.arg("build").args(ARGUMENTS))?;
    let object = target(workspace).join(TARGET).join("release/igmp-ebpf");
    if !object.is_file() {
        bail!("the build of igmp-ebpf left no {}", object.display());
    }
    Ok(object)
}

/// The object file of the programs that measure, which is built beside that of the XDP program.
pub(crate) fn measuring_object(object: &Path) -> PathBuf {
    object.with_file_name("igmp-bench")
}

/// Clippy over the XDP program, warnings being errors; `None` when the toolchain has no clippy, or one of another
/// version than its compiler, whose metadata it could not read.
pub(crate) fn clippy(workspace: &Workspace, toolchain: &Toolchain) -> Option<Command> {
    let beside = |program| command::is_executable(&toolchain.cargo.with_file_name(program));
    if !(beside("cargo-clippy") && beside("clippy-driver")) {
        return None;
    }
    // Not `cargo clippy`: cargo looks for that program in its home first, where rustup's would answer for any cargo.
    let mut clippy = cargo(workspace, toolchain, "cargo-clippy");
    clippy
        .env("CARGO", &toolchain.cargo)
        .arg("clippy")
        .args(ARGUMENTS)
        .args(["--", "-Dwarnings"]);
    Some(clippy)
}

/// A build in which warnings are errors of the XDP program or of the programs that measure, by the name of the binary: what
/// is left to check with when there is no clippy.
pub(crate) fn strict_build(workspace: &Workspace, toolchain: &Toolchain, binary: &str) -> Command {
    let mut cargo = cargo(workspace, toolchain, "cargo");
    // Arguments for the compiler can be given for one binary at a time.
    cargo
        .arg("rustc")
        .args(ARGUMENTS)
        .args(["--bin", binary, "--", "-Dwarnings"]);
    cargo
}

/// The documentation of the XDP program, warnings being errors.
pub(crate) fn document(workspace: &Workspace, toolchain: &Toolchain) -> Command {
    let mut cargo = cargo(workspace, toolchain, "cargo");
    cargo
        .env("CARGO_ENCODED_RUSTDOCFLAGS", "-Dwarnings")
        .args(["doc", "--no-deps"])
        .args(ARGUMENTS);
    cargo
}

fn target(workspace: &Workspace) -> PathBuf {
    workspace.target().join("ebpf")
}

fn cargo(workspace: &Workspace, toolchain: &Toolchain, program: &str) -> Command {
    let mut command = Command::new(toolchain.cargo.with_file_name(program));
    workspace::forget_own_package(&mut command);
    // A rustup proxy set these for the toolchain of the host crates.
    for name in [
        "CARGO",
        "RUSTUP_TOOLCHAIN",
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
        "RUSTC_WRAPPER",
    ] {
        command.env_remove(name);
    }
    // aya-ebpf chooses the registers of the machine whose kernel is traced by this.
    let architecture = format!("--cfg=bpf_target_arch=\"{}\"", env::consts::ARCH);
    let flags: Vec<&str> = RUSTFLAGS.iter().copied().chain([architecture.as_str()]).collect();
    command
        .current_dir(workspace.root())
        .env("RUSTC", &toolchain.rustc)
        .env("RUSTDOC", toolchain.rustc.with_file_name("rustdoc"))
        // Building `core` is a feature of nightly compilers; a stable one allows it when told so.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &toolchain.linker)
        // bpf-linker loads the LLVM of the compiler when it runs.
        .env("LD_LIBRARY_PATH", &toolchain.llvm_path)
        // A directory of its own: another compiler and other flags than those of the host crates.
        .env("CARGO_TARGET_DIR", target(workspace));
    command
}
