//! What a lab that was killed has left behind: its namespaces, its programs, its directory.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process;

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::daemon::PROCESS_FILE;
use super::router;
use super::{PREFIX, RUN, netns};

/// Removes the namespaces and directories of labs whose process is gone. What cannot be removed is told and left: it
/// does not stand in the way of a new lab.
pub(crate) fn remove_all() {
    let mut told = None;
    let mut tell = |lab: i32| {
        if told != Some(lab) {
            println!("Removing what the lab of process {lab} left behind.");
            told = Some(lab);
        }
    };
    for (lab, directory) in dead_labs(Path::new(RUN)) {
        tell(lab);
        stop_daemons(&directory);
        remove_directory(&directory);
    }
    for (lab, namespace) in dead_labs(Path::new(netns::DIRECTORY)) {
        tell(lab);
        netns::delete(&namespace.file_name().unwrap_or_default().to_string_lossy());
    }
}

/// Removes the directory of a lab and the BPF file system mounted in it.
pub(crate) fn remove_directory(directory: &Path) {
    let pins = router::pin_mount(directory);
    if pins.exists()
        && let Err(error) = umount2(&pins, MntFlags::MNT_DETACH)
        // That nothing is mounted there is what we want.
        && error != nix::errno::Errno::EINVAL
    {
        eprintln!("warning: cannot unmount {}: {error}", pins.display());
    }
    if let Err(error) = fs::remove_dir_all(directory) {
        eprintln!("warning: cannot remove {}: {error}", directory.display());
    }
}

/// The entries of `parent` that belong to labs whose process is gone, with that process.
fn dead_labs(parent: &Path) -> Vec<(i32, PathBuf)> {
    let Ok(entries) = fs::read_dir(parent) else {
        // Nobody ever made a namespace on this machine.
        return Vec::new();
    };
    let mut dead: Vec<(i32, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let lab = process_of(path.file_name()?.to_str()?)?;
            (!is_lab(lab)).then_some((lab, path))
        })
        .collect();
    dead.sort();
    dead
}

/// The process in a name such as `igmp-lab-4711-router`.
fn process_of(name: &str) -> Option<i32> {
    let rest = name.strip_prefix(PREFIX)?;
    let digits = rest.split_once('-').map_or(rest, |(digits, _)| digits);
    digits.parse().ok()
}

/// Whether this process runs a lab, and is not just another that was given the same number later.
fn is_lab(process: i32) -> bool {
    // Our own number can only be that of a dead lab as well: this one has made nothing yet.
    if u32::try_from(process) == Ok(process::id()) {
        return false;
    }
    let Ok(ours) = fs::read_link("/proc/self/exe") else {
        return true;
    };
    let Ok(theirs) = fs::read_link(format!("/proc/{process}/exe")) else {
        return false;
    };
    // The program may have been built anew since, in which case the kernel adds " (deleted)" to its name.
    let name = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().replace(" (deleted)", ""))
    };
    name(&ours) == name(&theirs)
}

/// Stops the programs of a dead lab that still run.
fn stop_daemons(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path
            .extension()
            .is_some_and(|extension| extension == PROCESS_FILE)
            && let Ok(text) = fs::read_to_string(&path)
            && let Ok(process) = text.trim().parse::<i32>()
        {
            stop(process, directory);
        }
    }
}

/// Stops a process, if it is one of the lab with this directory: the number may be another's by now.
fn stop(process: i32, directory: &Path) {
    let arguments = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let ours = arguments
        .split(|byte| *byte == 0)
        .any(|word| Path::new(OsStr::from_bytes(word)).starts_with(directory));
    if ours && let Err(error) = kill(Pid::from_raw(process), Signal::SIGKILL) {
        eprintln!("warning: cannot stop process {process}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_process_from_the_name() {
        assert_eq!(process_of("igmp-lab-4711-router"), Some(4711));
        assert_eq!(process_of("igmp-lab-4711"), Some(4711));
        assert_eq!(process_of("igmp-lab-x"), None);
        assert_eq!(process_of("igmp-test-4711"), None);
    }

    #[test]
    fn a_process_that_is_gone_or_is_another_program_runs_no_lab() {
        // Process 1 is always there and never this program.
        assert!(!is_lab(1));
        assert!(!is_lab(i32::MAX));
    }
}
