//! Building everything: the XDP program first, since `igmpd` carries it inside.

use std::path::PathBuf;

use anyhow::Result;

use crate::command;
use crate::ebpf;
use crate::setup::{self, Installation, Need, Toolchain};
use crate::workspace::Workspace;

/// How igmpd and igmpctl are compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Debug,
    Release,
}

impl Profile {
    pub(crate) fn new(release: bool) -> Self {
        if release { Self::Release } else { Self::Debug }
    }

    /// The directory below the target directory where cargo puts the programs of this profile.
    fn directory(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// What a build leaves behind.
pub(crate) struct Built {
    /// The toolchain that compiled the XDP program, which can also lint it.
    pub(crate) toolchain: Toolchain,
    /// The object file of the XDP program.
    pub(crate) object: PathBuf,
    /// The directory of igmpd and igmpctl.
    pub(crate) binaries: PathBuf,
}

/// Sets up for `need`, then builds the XDP program, igmpd and igmpctl.
///
/// # Errors
///
/// When the set-up fails or something does not compile.
pub(crate) fn everything(
    workspace: &Workspace,
    profile: Profile,
    need: Need,
    installation: Installation,
) -> Result<Built> {
    let toolchain = setup::ensure(workspace, need, installation)?;
    let object = ebpf::build(workspace, &toolchain)?;
    let mut cargo = workspace.cargo();
    cargo
        .args(["build", "--package", "igmp-user", "--bins"])
        .env(ebpf::OBJECT_VARIABLE, &object);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    command::check(&mut cargo)?;
    Ok(Built {
        toolchain,
        object,
        binaries: workspace.target().join(profile.directory()),
    })
}
