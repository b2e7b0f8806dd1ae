//! Where things are: the source tree, the target directory, and the cargo that started us.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The source tree and its target directory, both absolute.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Finds the workspace this program belongs to.
    ///
    /// # Errors
    ///
    /// When the current directory cannot be read, which a relative `CARGO_TARGET_DIR` is resolved against.
    pub(crate) fn find() -> Result<Self> {
        // Cargo sets the variable at run time as well: a tree that was moved after the build is found where it is now.
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let manifest = manifest.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        let root = manifest
            .parent()
            .context("xtask lies in a directory of the workspace")?
            .to_path_buf();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(directory) => env::current_dir()
                .context("the current directory")?
                .join(directory),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// A workspace in this directory, for tests of what is kept in its target directory.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            target: root.join("target"),
        }
    }

    /// The directory of the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The target directory of the host crates.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The cargo that runs this program, working in the source tree, for the crates that run on the host.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target);
        forget_own_package(&mut command);
        command
    }
}

/// Takes out what `cargo run` tells xtask about xtask, so that no build script mistakes it for its own package and
/// rebuilds whenever it differs.
pub(crate) fn forget_own_package(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let own = name.to_str().is_some_and(|name| {
            [
                "CARGO_PKG_",
                "CARGO_MANIFEST_",
                "CARGO_BIN_",
                "CARGO_PRIMARY_",
                "CARGO_CRATE_",
            ]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        });
        if own {
            command.env_remove(name);
        }
    }
    // Cargo also puts its own library directories there, where another toolchain would find the wrong ones.
    command.env_remove("LD_LIBRARY_PATH");
}
