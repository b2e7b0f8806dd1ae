//! Daemons that come in unpacked packages: where they are, and what they have in common.

use std::path::{Path, PathBuf};

use ::tests::{Namespace, PATIENCE, process::Process, wait_for};
use anyhow::{Result, bail};

use crate::site::{LAN, NetFile, UPSTREAM};

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

/// Waits until the kernel has a vif for [`LAN`] and one for [`UPSTREAM`], which a daemon makes when it starts.
///
/// # Panics
///
/// When it ends or makes none.
pub(crate) fn wait_vifs(namespace: &Namespace, process: &mut Process) {
    wait_for("vifs", PATIENCE, || {
        assert!(process.exited().is_none(), "it ended: {}", process.log());
        let text = NetFile::open(namespace, "ip_mr_vif")
            .and_then(|mut vifs| vifs.read())
            .map_err(|error| error.to_string())?;
        let has = |device| text.contains(device);
        if has(LAN) && has(UPSTREAM) {
            Ok(())
        } else {
            Err(text)
        }
    });
}
