//! The programs that the router is measured beside, as Debian packages them.
//!
//! Some of them cannot be installed at once, and none of them should start with the machine, so their packages are
//! unpacked side by side instead. FRR and the tools of the kernel's own contestants are among what the tests need.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;
use crate::setup::Installation;
use crate::ui;
use crate::workspace::Workspace;

/// The variable that names their directory to the tests of the measuring program.
pub(crate) const DIRECTORY_VARIABLE: &str = "IGMP_BENCH_CONTESTANTS";

/// The packages, each with a program that shows that it is there.
const PACKAGES: [(&str, &str); 3] = [
    ("pimd", "usr/sbin/pimd"),
    ("igmpproxy", "usr/sbin/igmpproxy"),
    ("smcroute", "usr/sbin/smcrouted"),
];

/// Fetches and unpacks those that are not there yet, and returns the directory that has one directory for each. One that
/// cannot be had is told of and left out: it is reported as missing where it would be measured.
pub(crate) fn fetch(workspace: &Workspace, installation: Installation) -> PathBuf {
    let directory = workspace.target().join("contestants");
    for (package, program) in PACKAGES {
        if directory.join(package).join(program).exists() {
            continue;
        }
        if installation == Installation::Refused {
            println!(
                "{package} is missing and is not fetched, as --no-install asks. In {}: apt-get download {package} && \
                 dpkg -x {package}_*.deb {package}",
                directory.display()
            );
        } else if let Err(error) = fetch_one(&directory, package) {
            println!("{package} cannot be had and is left out: {error:#}");
        }
    }
    directory
}

fn fetch_one(directory: &Path, package: &str) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let mut download = Command::new("apt-get");
    download.args(["download", package]).current_dir(directory);
    let what = format!("Fetching {package}, which the router is measured beside");
    if let Err(error) = ui::with_progress(&what, &mut download) {
        // On a new machine there may be no lists of packages yet.
        println!("{error}; reading the package lists and trying again");
        let mut update = command::as_root("apt-get", "Reading the package lists")?;
        ui::with_progress("Reading the package lists", update.arg("update"))?;
        ui::with_progress(&what, &mut download)?;
    }
    let archive = archive(directory, package)?;
    let mut unpack = Command::new("dpkg");
    unpack.arg("-x").arg(archive).arg(directory.join(package));
    command::check(&mut unpack)
}

/// The file that a package came in: `name_version_machine.deb`.
fn archive(directory: &Path, package: &str) -> Result<OsString> {
    let prefix = format!("{package}_");
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry
            .with_context(|| format!("cannot read {}", directory.display()))?
            .path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with(&prefix) && name.ends_with(".deb") {
            return Ok(path.into_os_string());
        }
    }
    bail!("the download left no {prefix}*.deb in {}", directory.display());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_of_a_package_and_of_no_other() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for name in [
            "pimd-dbg_1_amd64.deb",
            "pimd_2.3.2-3+b2_amd64.deb",
            "pimd_notes.txt",
        ] {
            fs::write(directory.path().join(name), "").expect("a file");
        }
        let found = archive(directory.path(), "pimd").expect("the archive");
        assert_eq!(found, directory.path().join("pimd_2.3.2-3+b2_amd64.deb"));
        assert!(archive(directory.path(), "smcroute").is_err());
    }

    #[test]
    fn nothing_is_fetched_where_that_is_refused() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let workspace = Workspace::at(root.path());
        let directory = fetch(&workspace, Installation::Refused);
        assert!(!directory.exists());
    }
}
