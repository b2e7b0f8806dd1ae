//! Running other programs: every failure names the command line that failed.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The command line as a person would type it, without its environment.
pub(crate) fn display(command: &Command) -> String {
    let mut line = quote(&command.get_program().to_string_lossy());
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&quote(&argument.to_string_lossy()));
    }
    line
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Runs the command with our own standard streams.
///
/// # Errors
///
/// When it cannot be started or does not exit with 0.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start `{}`", display(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", display(command));
    }
    Ok(())
}

/// Runs the command and returns what it printed on standard output.
///
/// # Errors
///
/// When it cannot be started or does not exit with 0; the error then carries what it printed on standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", display(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` failed: {}: {}",
            display(command),
            output.status,
            said.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where a program of this name lies: on `PATH`, or where administrators' programs are, which the `PATH` of an
/// ordinary user leaves out.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|file| is_executable(file))
}

/// Whether there is a file here that can be executed.
pub(crate) fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

/// A command that runs as root: directly when we are, through `sudo` when there is one.
///
/// # Errors
///
/// When we are not root and the machine has no `sudo`; the error names `purpose`.
pub(crate) fn as_root(program: impl AsRef<Path>, purpose: &str) -> Result<Command> {
    let program = program.as_ref();
    if is_root() {
        return Ok(Command::new(program));
    }
    if find("sudo").is_none() {
        bail!("{purpose} needs root, and this machine has no sudo: run this command as root");
    }
    println!("{purpose} needs root: sudo may ask for your password.");
    let mut command = Command::new("sudo");
    command.arg("-E").arg(program);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        let mut command = Command::new("cargo");
        command.args(["install", "bpf-linker@0.10.3", "it's", "", "a b"]);
        assert_eq!(
            display(&command),
            r"cargo install bpf-linker@0.10.3 'it'\''s' '' 'a b'"
        );
    }

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let error = output(Command::new("sh").args(["-c", "echo trouble >&2; exit 3"])).expect_err("exit 3");
        let error = error.to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("trouble"),
            "{error}"
        );
    }

    #[test]
    fn finds_what_is_on_the_path_and_only_that() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-anywhere").is_none());
    }
}
