//! Toolchains that can compile for BPF: a compiler that is new enough, its cargo, and the sources of `core`.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::command;

/// The oldest compiler that the workspace builds with (`rust-version` in its `Cargo.toml`).
const OLDEST_RUSTC: (u32, u32) = (1, 95);

/// A file of the sources of `core`, relative to the compiler's sysroot.
const CORE_SOURCE: &str = "lib/rustlib/src/rust/library/core/src/lib.rs";

/// What compiles and links the XDP program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Toolchain {
    /// What a person calls it.
    pub(crate) name: String,
    /// The release of its rustc, such as 1.96.0.
    pub(crate) release: String,
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
    /// The major version of the LLVM that its rustc uses.
    pub(crate) llvm_major: u32,
    /// Where bpf-linker finds that LLVM: the value of `LD_LIBRARY_PATH` for it.
    pub(crate) llvm_path: String,
    /// The bpf-linker that goes with that LLVM.
    pub(crate) linker: PathBuf,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            release,
            llvm_major,
            linker,
            ..
        } = self;
        write!(
            f,
            "{name}, rustc {release}, LLVM {llvm_major}, {}",
            linker.display()
        )
    }
}

/// A compiler and its cargo, before it is known whether it can compile for BPF.
pub(crate) struct Compiler {
    pub(crate) name: String,
    /// The name rustup knows it by; `None` when it is not one of rustup's.
    pub(crate) rustup: Option<String>,
    pub(crate) release: String,
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
    pub(crate) llvm_major: u32,
    /// The libLLVM it uses, if that is a file of its own.
    pub(crate) llvm: Option<PathBuf>,
    /// A file of the sources of `core`, if they are installed.
    pub(crate) core: Option<PathBuf>,
}

/// Every compiler that is new enough, best first: rustup's active toolchain (which also compiles the host crates), then
/// rustup's others, then the system's.
///
/// # Errors
///
/// When rustup or a compiler that is there cannot be asked.
pub(crate) fn compilers() -> Result<Vec<Compiler>> {
    let mut found: Vec<Compiler> = Vec::new();
    for (name, directory) in rustup_toolchains()? {
        let binaries = directory.join("bin");
        let Some(compiler) = examine(format!("rustup's {name}"), Some(name), &binaries)? else {
            continue;
        };
        // A version number may be an alias of stable: the same directory.
        if found.iter().all(|other| other.rustc != compiler.rustc) {
            found.push(compiler);
        }
    }
    found.extend(examine(
        "the system's toolchain".to_owned(),
        None,
        Path::new("/usr/bin"),
    )?);
    Ok(found)
}

/// Names and directories of rustup's toolchains, the active one first; none when there is no rustup.
fn rustup_toolchains() -> Result<Vec<(String, PathBuf)>> {
    if command::find("rustup").is_none() {
        return Ok(Vec::new());
    }
    // `cargo run` tells its children which toolchain it is of; the list would call that one active for that reason.
    let mut rustup = Command::new("rustup");
    let list = command::output(
        rustup
            .args(["toolchain", "list", "--verbose"])
            .env_remove("RUSTUP_TOOLCHAIN"),
    )?;
    Ok(parse_rustup_list(&list))
}

/// Reads lines such as `stable-x86_64-unknown-linux-gnu (active, default) /root/.rustup/toolchains/stable-x86_64-…`.
fn parse_rustup_list(list: &str) -> Vec<(String, PathBuf)> {
    let mut toolchains: Vec<(bool, String, PathBuf)> = list
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(char::is_whitespace)?;
            let directory = &rest[rest.find('/')?..];
            let active = rest.contains("active") || rest.contains("(default)");
            Some((active, name.to_owned(), PathBuf::from(directory.trim_end())))
        })
        .collect();
    toolchains.sort_by_key(|(active, _, _)| !active);
    toolchains
        .into_iter()
        .map(|(_, name, directory)| (name, directory))
        .collect()
}

/// Asks the compiler in `binaries`, if one is there, is new enough, and has a cargo beside it.
fn examine(name: String, rustup: Option<String>, binaries: &Path) -> Result<Option<Compiler>> {
    let (rustc, cargo) = (binaries.join("rustc"), binaries.join("cargo"));
    if !command::is_executable(&rustc) || !command::is_executable(&cargo) {
        return Ok(None);
    }
    // `/usr/bin/rustc` may itself be a rustup proxy, whose answer depends on these.
    let ask = |arguments: &[&str]| {
        command::output(
            Command::new(&rustc)
                .args(arguments)
                .env_remove("RUSTUP_TOOLCHAIN")
                .env_remove("LD_LIBRARY_PATH"),
        )
    };
    let version = ask(&["--version", "--verbose"])?;
    let Some((release, llvm_major)) = parse_version(&version) else {
        return Ok(None);
    };
    let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?.trim());
    Ok(Some(Compiler {
        name,
        rustup,
        release,
        cargo,
        llvm_major,
        llvm: find_llvm(&sysroot, llvm_major),
        core: Some(sysroot.join(CORE_SOURCE)).filter(|file| file.is_file()),
        rustc,
    }))
}

/// The release and the LLVM's major version out of `rustc --version --verbose`, if the release is new enough.
fn parse_version(version: &str) -> Option<(String, u32)> {
    let field = |name: &str| {
        version
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    let release = field("release:")?;
    let mut numbers = release.split('.').map(|number| number.parse::<u32>().ok());
    let (major, minor) = (numbers.next()??, numbers.next()??);
    let llvm_major = field("LLVM version:")?.split('.').next()?.parse().ok()?;
    ((major, minor) >= OLDEST_RUSTC).then(|| (release.to_owned(), llvm_major))
}

/// The shared library of this LLVM: rustup ships it in the sysroot, distributions have it among the system's.
fn find_llvm(sysroot: &Path, major: u32) -> Option<PathBuf> {
    let directories = [
        sysroot.join("lib"),
        sysroot.join(format!("lib/{}-linux-gnu", env::consts::ARCH)),
        sysroot.join("lib64"),
        sysroot.join(format!("lib/llvm-{major}/lib")),
    ];
    let names = [format!("libLLVM.so.{major}."), format!("libLLVM-{major}")];
    directories.iter().find_map(|directory| {
        let entries = fs::read_dir(directory).ok()?;
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|file| {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                // rustup's `libLLVM-22-rust-….so` may be a linker script of a few bytes.
                names.iter().any(|prefix| name.starts_with(prefix))
                    && fs::metadata(file).is_ok_and(|data| data.len() > 1_000_000)
            })
            .collect();
        files.sort();
        files.into_iter().next()
    })
}

/// Makes a directory that holds this libLLVM alone and returns it as the library path of bpf-linker, which takes the
/// first file named `libLLVM…` in the order of the directory: among the system's libraries that may be an older LLVM.
///
/// # Errors
///
/// When the directory cannot be made.
pub(crate) fn isolate_llvm(tools: &Path, library: &Path) -> Result<String> {
    let identity: String = library
        .to_string_lossy()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        })
        .collect();
    let directory = tools.join("llvm").join(identity.trim_matches('-'));
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let link = directory.join("libLLVM.so");
    if fs::read_link(&link).ok().as_deref() != Some(library) {
        // It may be there and point elsewhere; a missing one is no failure.
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(library, &link)
            .with_context(|| format!("cannot make {}", link.display()))?;
    }
    Ok(directory.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_list_of_rustup_active_first() {
        let list = "nightly-x86_64-unknown-linux-gnu /home/u/.rustup/toolchains/nightly-x86_64-unknown-linux-gnu\n\
                    stable-x86_64-unknown-linux-gnu (active, default) /home/u/.rustup/toolchains/stable-x86_64\n";
        let toolchains = parse_rustup_list(list);
        assert_eq!(
            toolchains,
            [
                (
                    "stable-x86_64-unknown-linux-gnu".into(),
                    "/home/u/.rustup/toolchains/stable-x86_64".into()
                ),
                (
                    "nightly-x86_64-unknown-linux-gnu".into(),
                    "/home/u/.rustup/toolchains/nightly-x86_64-unknown-linux-gnu".into()
                ),
            ]
        );
        assert!(parse_rustup_list("no installed toolchains\n").is_empty());
    }

    #[test]
    fn reads_the_version_and_refuses_an_old_compiler() {
        let version = |release: &str| {
            format!("rustc {release}\nbinary: rustc\nrelease: {release}\nLLVM version: 22.1.8\n")
        };
        assert_eq!(parse_version(&version("1.95.0")), Some(("1.95.0".to_owned(), 22)));
        assert_eq!(
            parse_version(&version("1.97.0-nightly")),
            Some(("1.97.0-nightly".to_owned(), 22))
        );
        assert_eq!(parse_version(&version("1.94.1")), None);
        assert_eq!(parse_version("rustc 1.95.0"), None);
    }

    #[test]
    fn the_linker_sees_one_llvm_alone() {
        let tools = tempfile::tempdir().expect("a temporary directory");
        let links = |path: &str| -> Vec<PathBuf> {
            fs::read_dir(path)
                .expect("the directory was made")
                .map(|entry| fs::read_link(entry.expect("an entry").path()).expect("a link"))
                .collect()
        };
        for library in [
            "/usr/lib/libLLVM.so.22.1",
            "/opt/lib/libLLVM.so.22.1",
            "/usr/lib/libLLVM.so.22.1",
        ] {
            let path = isolate_llvm(tools.path(), Path::new(library)).expect("a directory");
            assert_eq!(links(&path), [PathBuf::from(library)]);
        }
    }
}
