//! A look at the machine: what of a need is there, and what is missing.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::packages::{self, Package};
use super::toolchain::{self, Compiler, Toolchain};
use super::{Need, linker};
use crate::workspace::Workspace;

/// What a look at the machine found.
pub(crate) struct Survey {
    /// The toolchain of the XDP program, complete with its linker.
    pub(crate) toolchain: Option<Toolchain>,
    /// What has to be installed.
    pub(crate) missing: Vec<Missing>,
    /// The files that show that the rest is there.
    pub(crate) files: Vec<PathBuf>,
}

/// Something that has to be installed.
pub(crate) enum Missing {
    /// A toolchain with the sources of `core`: rustup may be able to add them to the toolchain named here; if not, a
    /// Debian system has packages of its own.
    Core { rustup: Option<String> },
    /// bpf-linker of this version.
    Linker { version: &'static str },
    /// A Debian package.
    Package(Package),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Core { .. } => write!(f, "a Rust toolchain with the sources of `core`"),
            Self::Linker { version } => write!(f, "bpf-linker {version}"),
            Self::Package(package) => write!(f, "{}", package.name),
        }
    }
}

/// Looks for everything that `need` takes.
///
/// # Errors
///
/// When a toolchain that is there cannot be asked.
pub(crate) fn look(workspace: &Workspace, need: Need) -> Result<Survey> {
    let tools = tools(workspace);
    let compilers = toolchain::compilers()?;
    let mut survey = Survey {
        toolchain: None,
        missing: Vec::new(),
        files: Vec::new(),
    };

    // A compiler needs all three: `core`, an LLVM of its own as a shared library, and a linker for that LLVM.
    let usable = |compiler: &&Compiler| {
        compiler.core.is_some()
            && compiler.llvm.is_some()
            && linker::version_for(compiler.llvm_major).is_some()
    };
    if let Some(compiler) = compilers.iter().find(usable) {
        let version = linker::version_for(compiler.llvm_major).unwrap_or_default();
        match linker::find(&tools, version) {
            Some(linker) => {
                survey
                    .files
                    .extend([&compiler.cargo, &compiler.rustc, &linker].map(PathBuf::clone));
                survey
                    .files
                    .extend(compiler.core.iter().chain(&compiler.llvm).cloned());
                survey.toolchain = Some(complete(compiler, linker, &tools)?);
            }
            None => survey.missing.push(Missing::Linker { version }),
        }
        if need >= Need::Test && compiler.rustup.is_none() {
            note_package(&mut survey, &packages::CLIPPY);
        }
    } else {
        let candidate = compilers.iter().find(|compiler| {
            compiler.rustup.is_some()
                && compiler.llvm.is_some()
                && linker::version_for(compiler.llvm_major).is_some()
        });
        let rustup = candidate.and_then(|compiler| compiler.rustup.clone());
        let llvm = candidate.map_or(linker::USUAL_LLVM, |compiler| compiler.llvm_major);
        survey.missing.push(Missing::Core { rustup });
        let version = linker::version_for(llvm).unwrap_or_default();
        if linker::find(&tools, version).is_none() {
            survey.missing.push(Missing::Linker { version });
        }
    }
    for package in packages::for_need(need) {
        note_package(&mut survey, package);
    }
    Ok(survey)
}

/// Where set-up puts what it installs for this workspace alone.
pub(crate) fn tools(workspace: &Workspace) -> PathBuf {
    workspace.target().join("tools")
}

fn note_package(survey: &mut Survey, package: &Package) {
    match package.installed() {
        Some(file) => survey.files.push(file),
        None => survey.missing.push(Missing::Package(*package)),
    }
}

fn complete(compiler: &Compiler, linker: PathBuf, tools: &Path) -> Result<Toolchain> {
    let Compiler {
        name,
        release,
        cargo,
        rustc,
        llvm_major,
        llvm,
        ..
    } = compiler;
    let llvm_path = match llvm {
        Some(library) => toolchain::isolate_llvm(tools, library)?,
        None => bail!("{name} has no shared LLVM"),
    };
    Ok(Toolchain {
        name: name.clone(),
        release: release.clone(),
        cargo: cargo.clone(),
        rustc: rustc.clone(),
        llvm_major: *llvm_major,
        llvm_path,
        linker,
    })
}
