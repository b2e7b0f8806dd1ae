//! Daemons that come in unpacked packages: where they are, and what they have in common.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The program of an unpacked package.
///
/// # Errors
///
/// When it is not there.
pub(crate) fn program(contestants: &Path, package: &str) -> Result<PathBuf> {
    let path = contestants.join(package).join("usr/sbin").join(package);
    if !path.is_file() {
        bail!("{package} is missing: there is no {}", path.display());
    }
    Ok(path)
}
