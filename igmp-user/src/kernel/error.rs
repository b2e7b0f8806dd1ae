//! What can go wrong between the agent and the kernel.

use std::{io, path::PathBuf};

use aya::{EbpfError, maps::MapError, programs::ProgramError};

/// An error of the kernel's side, in a sentence that says what to do where that is known.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// This igmpd was built without the BPF object.
    #[error("this igmpd was built without its XDP program; build it with `cargo xtask build`")]
    NoObject,
    /// The object could not be loaded.
    #[error(
        "cannot load the XDP program: {0}; it needs Linux 6.1 or newer with BTF (/sys/kernel/btf/vmlinux)"
    )]
    Load(#[source] Box<EbpfError>),
    /// The object lacks a map or program: igmpd and object are of different builds.
    #[error("the XDP program has no `{0}`; igmpd and its XDP program are of different builds")]
    Missing(&'static str),
    /// A program was refused when it was loaded.
    #[error("the kernel refused the program {program}: {reason}; it needs Linux 6.1 or newer")]
    Refused {
        /// The program's name.
        program: &'static str,
        /// What the verifier said last, or the system call's error.
        reason: String,
    },
    /// A program could not be run or looked at.
    #[error("the program {program} failed: {source}")]
    Program {
        /// The program's name.
        program: &'static str,
        /// Why.
        #[source]
        source: Box<ProgramError>,
    },
    /// Another XDP program is attached.
    #[error(
        "another XDP program is already attached to {interface}; detach it (`ip link set dev {interface} xdp \
         off`, or stop the program that owns it) and igmpd will attach"
    )]
    Busy {
        /// The interface.
        interface: String,
    },
    /// Attaching failed for another reason.
    #[error("cannot attach the XDP program to {interface}: {reason}")]
    Attach {
        /// The interface.
        interface: String,
        /// Why, for each mode that was tried.
        reason: String,
    },
    /// The classifier could not be attached.
    #[error(
        "cannot attach the classifier to {interface}, so multicast data that XDP cannot redirect is lost there: {reason}"
    )]
    Classifier {
        /// The interface.
        interface: String,
        /// Why.
        reason: String,
    },
    /// A map operation failed.
    #[error("cannot {what}: {source}")]
    Map {
        /// What was to be done.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: Box<MapError>,
    },
    /// A map could not be used as memory.
    #[error("cannot map the table of refreshes into memory: {0}; it takes 16 bytes for each of max-groups")]
    Memory(#[source] io::Error),
    /// Pinning failed.
    #[error("cannot keep maps and links under {path}: {source}")]
    Pin {
        /// The path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl KernelError {
    /// Describes why a program was refused. The verifier's log has thousands of lines, of which the one with the reason is
    /// near the end; the whole of it goes to the debug log.
    pub(super) fn refused(program: &'static str, error: ProgramError) -> Self {
        let ProgramError::LoadError {
            io_error,
            verifier_log,
        } = &error
        else {
            return Self::Refused {
                program,
                reason: error.to_string(),
            };
        };
        let log = verifier_log.to_string();
        tracing::debug!("verifier log of {program}:\n{log}");
        let is_reason = |line: &&str| {
            !line.is_empty()
                && !["processed ", "verification time", "stack depth"]
                    .iter()
                    .any(|start| line.starts_with(start))
        };
        let last = log
            .lines()
            .rev()
            .map(str::trim)
            .find(is_reason)
            .unwrap_or_default();
        Self::Refused {
            program,
            reason: format!("{io_error} ({last})"),
        }
    }

    /// Wraps the error of a map operation.
    pub(super) fn map(what: &'static str) -> impl FnOnce(MapError) -> Self {
        move |source| Self::Map {
            what,
            source: Box::new(source),
        }
    }
}
