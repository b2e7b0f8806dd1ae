//! What set-up found, kept in the target directory: a later call only looks at the dates of a few files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{Need, Toolchain, linker};
use crate::workspace::Workspace;

/// Counts up whenever set-up looks for something else than before.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Record {
    recipe: String,
    need: Need,
    toolchain: Toolchain,
    /// The files that were found, as they were.
    files: BTreeMap<PathBuf, Stamp>,
}

/// Shows whether a file is still the one that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    length_bytes: u64,
    modified_s: i64,
    modified_ns: i64,
}

impl Stamp {
    fn of(file: &Path) -> Option<Self> {
        let data = fs::metadata(file).ok()?;
        Some(Self {
            length_bytes: data.len(),
            modified_s: data.mtime(),
            modified_ns: data.mtime_nsec(),
        })
    }
}

/// What an earlier call found, if it looked for as much as `need` and everything is as it was.
pub(crate) fn recall(workspace: &Workspace, need: Need) -> Option<Toolchain> {
    let text = fs::read_to_string(path(workspace)).ok()?;
    // A record that cannot be read is one of another version of this program: not an error, only of no use.
    let Record {
        recipe,
        need: found,
        toolchain,
        files,
    } = serde_json::from_str(&text).ok()?;
    let unchanged = files.iter().all(|(file, stamp)| Stamp::of(file) == Some(*stamp));
    let library = Path::new(&toolchain.llvm_path).is_dir();
    (recipe == current_recipe() && need <= found && unchanged && library).then_some(toolchain)
}

/// Keeps what this call found.
///
/// # Errors
///
/// When the record cannot be written.
pub(crate) fn keep(
    workspace: &Workspace,
    need: Need,
    toolchain: &Toolchain,
    files: &[PathBuf],
) -> Result<()> {
    let files = files
        .iter()
        .filter_map(|file| Some((file.clone(), Stamp::of(file)?)))
        .collect();
    let record = Record {
        recipe: current_recipe(),
        need,
        toolchain: toolchain.clone(),
        files,
    };
    let text = serde_json::to_string_pretty(&record).context("cannot write down what set-up found")?;
    let path = path(workspace);
    fs::create_dir_all(workspace.target())
        .with_context(|| format!("cannot make {}", workspace.target().display()))?;
    fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

fn path(workspace: &Workspace) -> PathBuf {
    workspace.target().join("xtask-setup.json")
}

fn current_recipe() -> String {
    format!("{FORMAT}; {}", linker::recipe())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_until_something_changes() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let workspace = Workspace::at(directory.path());
        let compiler = directory.path().join("rustc");
        fs::write(&compiler, "one").expect("a file");
        let toolchain = Toolchain {
            name: "a toolchain".to_owned(),
            release: "1.96.0".to_owned(),
            cargo: compiler.clone(),
            rustc: compiler.clone(),
            llvm_major: 22,
            llvm_path: directory.path().to_string_lossy().into_owned(),
            linker: compiler.clone(),
        };
        assert!(recall(&workspace, Need::Build).is_none(), "nothing was kept yet");

        keep(&workspace, Need::Lab, &toolchain, std::slice::from_ref(&compiler)).expect("a record");
        assert_eq!(
            recall(&workspace, Need::Build).expect("less was needed").name,
            "a toolchain"
        );
        assert!(recall(&workspace, Need::Lab).is_some());
        assert!(
            recall(&workspace, Need::Test).is_none(),
            "nobody looked for as much"
        );

        fs::write(&compiler, "another").expect("a file");
        assert!(
            recall(&workspace, Need::Build).is_none(),
            "the compiler is another one"
        );
        keep(&workspace, Need::Lab, &toolchain, std::slice::from_ref(&compiler)).expect("a record");
        assert!(recall(&workspace, Need::Build).is_some());
        fs::remove_file(&compiler).expect("the file");
        assert!(recall(&workspace, Need::Build).is_none(), "the compiler is gone");
    }
}
