//! Debian packages: which files show that one is there, and what each is for.

use std::path::PathBuf;

use super::Need;
use crate::command;

/// A Debian package and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// Its name for `apt-get install`.
    pub(crate) name: &'static str,
    /// Why it is installed, as the end of a sentence.
    pub(crate) why: &'static str,
    /// A program (a name) or a file (a path) that shows that it is there, from whatever distribution.
    probe: &'static str,
    need: Need,
}

impl Package {
    /// The file that shows that it is installed.
    pub(crate) fn installed(&self) -> Option<PathBuf> {
        if self.probe.starts_with('/') {
            Some(PathBuf::from(self.probe)).filter(|file| file.exists())
        } else {
            command::find(self.probe)
        }
    }
}

const TOOLCHAIN: &[Package] = &[
    Package {
        name: "rustc-web",
        why: "a compiler with the LLVM that bpf-linker goes with",
        probe: "/usr/bin/rustc",
        need: Need::Build,
    },
    Package {
        name: "cargo-web",
        why: "the cargo of that compiler",
        probe: "/usr/bin/cargo",
        need: Need::Build,
    },
    Package {
        name: "rust-web-src",
        why: "the sources of `core`, which is compiled for BPF here",
        probe: "/usr/lib/rustlib/src/rust/library/core/src/lib.rs",
        need: Need::Build,
    },
];

/// The clippy of Debian's compiler; rustup's comes with each toolchain.
pub(crate) const CLIPPY: Package = Package {
    name: "rust-web-clippy",
    why: "lints the XDP program with the compiler that builds it",
    probe: "/usr/bin/clippy-driver",
    need: Need::Test,
};

const PROGRAMS: &[Package] = &[
    Package {
        name: "iproute2",
        why: "makes the network namespaces and links of the lab and the tests",
        probe: "ip",
        need: Need::Lab,
    },
    Package {
        name: "ethtool",
        why: "switches the offloads of virtual links in the tests",
        probe: "ethtool",
        need: Need::Test,
    },
    Package {
        name: "bpftool",
        why: "lists attached programs in the tests",
        probe: "bpftool",
        need: Need::Test,
    },
    Package {
        name: "curl",
        why: "asks the control socket as a script would",
        probe: "curl",
        need: Need::Test,
    },
    Package {
        name: "tcpdump",
        why: "records what tests send, for reading it",
        probe: "tcpdump",
        need: Need::Test,
    },
    Package {
        name: "tshark",
        why: "reads our packets with a foreign implementation in the tests",
        probe: "tshark",
        need: Need::Test,
    },
    Package {
        name: "frr",
        why: "its pimd is the other querier and PIM router in the tests; none of its daemons stays running",
        probe: "/usr/lib/frr/pimd",
        need: Need::Test,
    },
];

/// What builds (and, for the tests, lints) the XDP program where no toolchain of rustup can. The compiler's package
/// brings its LLVM with it.
pub(crate) fn toolchain(need: Need) -> impl Iterator<Item = Package> {
    TOOLCHAIN
        .iter()
        .copied()
        .chain([CLIPPY])
        .filter(move |package| package.need <= need)
}

/// The packages beside the toolchain that `need` takes.
pub(crate) fn for_need(need: Need) -> impl Iterator<Item = &'static Package> {
    PROGRAMS.iter().filter(move |package| package.need <= need)
}
