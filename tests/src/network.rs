//! The network of one test, and cleaning up.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

use nix::{
    fcntl::{Flock, FlockArg},
    mount::{MsFlags, mount},
    sys::{
        signal::{Signal, kill},
        statfs::{BPF_FS_MAGIC, statfs},
    },
    unistd::{Pid, geteuid},
};
use tempfile::TempDir;

use crate::{Host, Namespace, Switch, process};

/// What all names begin with.
const PREFIX: &str = "igmptest-";
/// Where maps and links can be pinned.
const BPF_FS: &str = "/sys/fs/bpf";

static CLEANED: Once = Once::new();
static COUNT: AtomicU32 = AtomicU32::new(0);

/// The namespaces, files and pins of one test.
///
/// Namespaces are owned by the test and dropped by it; files and pins go with this.
#[derive(Debug)]
pub struct Network {
    id: String,
    directory: TempDir,
    agents: AtomicU32,
}

impl Network {
    /// Begins a network with nothing in it.
    ///
    /// # Panics
    ///
    /// If the test does not run as root.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "making one changes the machine")]
    pub fn new() -> Self {
        assert!(
            geteuid().is_root(),
            "these tests make network namespaces and attach XDP programs: run them as root"
        );
        CLEANED.call_once(prepare);
        let id = format!(
            "{PREFIX}{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let directory = tempfile::Builder::new()
            .prefix(&format!("{id}-"))
            // Daemons of other users look for their own directories inside.
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .expect("a temporary directory");
        Self {
            id,
            directory,
            agents: AtomicU32::new(0),
        }
    }

    /// Makes a namespace. `role` is unique within the test.
    #[track_caller]
    pub fn namespace(&self, role: &str) -> Namespace {
        Namespace::new(format!("{}-{role}", self.id))
    }

    /// Makes a namespace with a bridge in it.
    #[track_caller]
    pub fn switch(&self, role: &str) -> Switch {
        Switch::new(self.namespace(role))
    }

    /// Makes a host with an interface `eth0` that is on the other end of the interface `name` of `router`.
    #[track_caller]
    pub fn host(&self, role: &str, address: [u8; 4], router: &Namespace, name: &str) -> Host {
        let namespace = self.namespace(role);
        self.link(router, name, &namespace, "eth0");
        Host::new(namespace, address.into())
    }

    /// Makes a pair of virtual Ethernet interfaces, one end in each namespace, both up.
    #[track_caller]
    pub fn link(&self, a: &Namespace, a_name: &str, b: &Namespace, b_name: &str) {
        process::run(
            Command::new("ip")
                .args(["link", "add", a_name, "netns", a.name(), "type", "veth"])
                .args(["peer", "name", b_name, "netns", b.name()]),
        );
        a.ip(&format!("link set {a_name} up"));
        b.ip(&format!("link set {b_name} up"));
    }

    /// A path for a file of this test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A number for an agent of this network, and where it may pin: a directory of its own that does not exist yet.
    pub(crate) fn agent(&self) -> (u32, PathBuf) {
        let number = self.agents.fetch_add(1, Ordering::Relaxed);
        (number, Path::new(BPF_FS).join(format!("{}-{number}", self.id)))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove_directories(Path::new(BPF_FS), |name| {
            name.strip_prefix(&self.id)
                .is_some_and(|rest| rest.starts_with('-'))
        });
    }
}

/// Makes the machine ready once for each process: a BPF file system to pin in, and no remains of killed tests.
fn prepare() {
    let lock = File::create(std::env::temp_dir().join(format!("{PREFIX}lock"))).expect("a lock file");
    // Test binaries may start at the same time, and a second mount would hide the pins below the first.
    let _lock = Flock::lock(lock, FlockArg::LockExclusive)
        .map_err(|(_, error)| error)
        .expect("a lock");
    let mounted = statfs(BPF_FS).is_ok_and(|found| found.filesystem_type() == BPF_FS_MAGIC);
    if !mounted {
        mount(Some("bpf"), BPF_FS, Some("bpf"), MsFlags::empty(), None::<&str>)
            .expect("the BPF file system should be mounted at /sys/fs/bpf");
    }
    for name in names(Path::new("/run/netns")).filter(|name| is_orphaned(name)) {
        let pids = process::run(Command::new("ip").args(["netns", "pids", &name]));
        for pid in pids.lines().filter_map(|line| line.trim().parse().ok()) {
            // It may end by itself meanwhile.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = Command::new("ip").args(["netns", "delete", &name]).status();
    }
    remove_directories(Path::new(BPF_FS), is_orphaned);
    remove_directories(&std::env::temp_dir(), is_orphaned);
}

/// Whether the process that a name of ours names is gone.
fn is_orphaned(name: &str) -> bool {
    name.strip_prefix(PREFIX)
        .and_then(|rest| rest.split('-').next())
        .and_then(|pid| pid.parse::<u32>().ok())
        .is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
}

/// The names of a directory's entries, none where it cannot be read.
fn names(directory: &Path) -> impl Iterator<Item = String> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

/// Removes the directories whose names `chosen` accepts, with all in them.
fn remove_directories(parent: &Path, chosen: impl Fn(&str) -> bool) {
    for name in names(parent).filter(|name| chosen(name)) {
        // Whoever owned it may be removing it at this moment.
        let _ = fs::remove_dir_all(parent.join(name));
    }
}
