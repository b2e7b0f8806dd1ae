//! bpf-linker: which version goes with which LLVM, and where one may be installed already.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;

/// The version of bpf-linker for each major version of LLVM. It reads the compiler's bitcode with the compiler's own
/// LLVM, through an interface that changes between versions, so neither a newer nor an older one will do.
const VERSIONS: &[(u32, &str)] = &[(22, "0.10.3"), (23, "0.13.0")];

/// The LLVM of the toolchain that is installed where there is none.
pub(crate) const USUAL_LLVM: u32 = 22;

/// The version that goes with this LLVM; `None` when none is known to.
pub(crate) fn version_for(llvm_major: u32) -> Option<&'static str> {
    VERSIONS
        .iter()
        .find(|(major, _)| *major == llvm_major)
        .map(|(_, version)| *version)
}

/// Everything the choice depends on, in one line: when this changes, what was found earlier is looked for again.
pub(crate) fn recipe() -> String {
    VERSIONS
        .iter()
        .map(|(major, version)| format!("LLVM {major}: bpf-linker {version}; "))
        .collect()
}

/// A bpf-linker of exactly this version: on `PATH`, in cargo's home, or where an earlier set-up put it.
pub(crate) fn find(tools: &Path, version: &str) -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let mut places = vec![tools.join("bin/bpf-linker")];
    places.extend(command::find("bpf-linker"));
    places.extend(home.map(|home| home.join("bin/bpf-linker")));
    places.push(PathBuf::from("/usr/local/bin/bpf-linker"));
    places.into_iter().find(|file| {
        command::is_executable(file)
            && command::output(Command::new(file).arg("--version"))
                .is_ok_and(|said| said.split_whitespace().last() == Some(version))
    })
}

/// The arguments of cargo that install this version below `tools`, where it is nobody else's.
pub(crate) fn install_arguments(tools: &Path, version: &str) -> Vec<String> {
    let root = tools.to_string_lossy().into_owned();
    [
        "install",
        &format!("bpf-linker@{version}"),
        "--locked",
        "--force",
        "--root",
        &root,
    ]
    .map(str::to_owned)
    .to_vec()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn takes_the_version_that_goes_with_the_compiler_and_no_other() {
        let tools = tempfile::tempdir().expect("a temporary directory");
        let linker = tools.path().join("bin/bpf-linker");
        fs::create_dir(tools.path().join("bin")).expect("a directory");
        // No release has this number, so that none of the machine is found instead.
        fs::write(&linker, "#!/bin/sh\necho bpf-linker 0.0.7\n").expect("a script");
        assert_eq!(find(tools.path(), "0.0.7"), None, "it cannot be executed");
        fs::set_permissions(&linker, fs::Permissions::from_mode(0o755)).expect("permissions");
        assert_eq!(find(tools.path(), "0.0.7"), Some(linker));
        assert_eq!(find(tools.path(), "0.0.8"), None);
    }

    #[test]
    fn the_usual_llvm_has_a_linker() {
        assert_eq!(version_for(USUAL_LLVM), Some("0.10.3"));
        assert_eq!(version_for(21), None);
    }
}
