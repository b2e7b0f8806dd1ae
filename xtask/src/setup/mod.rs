//! Set-up: finds what a command needs, installs what is missing, and remembers it so that the next call costs nothing.

mod install;
mod linker;
mod memory;
mod packages;
mod survey;
mod toolchain;

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub(crate) use self::toolchain::Toolchain;
use crate::workspace::Workspace;

/// What the machine is to be ready for; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
pub(crate) enum Need {
    /// Compile everything.
    Build,
    /// Start the lab of network namespaces.
    Lab,
    /// Run every test and every check.
    Test,
}

/// Whether something may be installed on this machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Installation {
    Allowed,
    Refused,
}

/// Makes the machine ready for `need` and returns the toolchain of the XDP program; asks nobody when an earlier call
/// found everything and no file of it has changed since.
///
/// # Errors
///
/// When something is missing and may not be, or cannot be, installed.
pub(crate) fn ensure(workspace: &Workspace, need: Need, installation: Installation) -> Result<Toolchain> {
    match memory::recall(workspace, need) {
        Some(toolchain) => Ok(toolchain),
        None => afresh(workspace, need, installation),
    }
}

/// Like [`ensure`], but looks at the machine whatever an earlier call found.
///
/// # Errors
///
/// When something is missing and may not be, or cannot be, installed.
pub(crate) fn afresh(workspace: &Workspace, need: Need, installation: Installation) -> Result<Toolchain> {
    let mut survey = survey::look(workspace, need)?;
    // Which toolchain it is to be is known only once there is one, and its linker and its clippy only then.
    for _ in 0..2 {
        if survey.missing.is_empty() {
            break;
        }
        install::explain(workspace, need, &survey.missing);
        if installation == Installation::Refused {
            bail!("nothing was installed, as --no-install asks; the commands above install what is missing");
        }
        install::everything(workspace, need, &survey.missing)?;
        survey = survey::look(workspace, need)?;
    }
    let still: Vec<String> = survey.missing.iter().map(ToString::to_string).collect();
    match survey.toolchain {
        Some(toolchain) if still.is_empty() => {
            memory::keep(workspace, need, &toolchain, &survey.files)?;
            Ok(toolchain)
        }
        _ => bail!(
            "after the installation these are still missing: {}",
            still.join(", ")
        ),
    }
}
