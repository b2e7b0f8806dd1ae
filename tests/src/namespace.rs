//! Network namespaces.

use std::{fs, fs::File, net::Ipv4Addr, path::Path, process::Command, thread};

use nix::sched::{CloneFlags, setns};

use crate::process;

/// A network namespace that is removed when this is dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Makes the namespace `name`, without IPv6, which would only add packets of its own.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    #[track_caller]
    pub(crate) fn new(name: String) -> Self {
        process::run(Command::new("ip").args(["netns", "add", &name]));
        let file = File::open(Path::new("/run/netns").join(&name)).expect("a namespace that was just made");
        let namespace = Self { name, file };
        for scope in ["all", "default"] {
            namespace.sysctl(&format!("net/ipv6/conf/{scope}/disable_ipv6"), "1");
        }
        namespace
    }

    /// The name under `/run/netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` on a thread inside this namespace. Sockets that it opens and processes that it starts stay in the
    /// namespace. Mounts are those of the whole machine, so that pins and sockets have the same paths everywhere.
    #[track_caller]
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        // Which namespace a thread is in is its own affair, so the thread that ends here takes the change with it.
        let answer = thread::scope(|scope| {
            scope
                .spawn(|| {
                    setns(&self.file, CloneFlags::CLONE_NEWNET)
                        .expect("a namespace that exists can be entered");
                    work()
                })
                .join()
        });
        answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs `ip` with these arguments, separated by blanks, in this namespace.
    ///
    /// # Panics
    ///
    /// If it fails.
    #[track_caller]
    pub fn ip(&self, arguments: &str) -> String {
        process::run(
            Command::new("ip")
                .args(["-n", &self.name])
                .args(arguments.split_whitespace()),
        )
    }

    /// Runs many lines of `ip` in one process, which is what makes hundreds of interfaces quick.
    ///
    /// # Panics
    ///
    /// If one of them fails.
    #[track_caller]
    pub fn ip_batch(&self, lines: &str, file: &Path) {
        fs::write(file, lines).expect("a file in the test's directory can be written");
        process::run(Command::new("ip").args(["-n", &self.name, "-batch"]).arg(file));
    }

    /// Writes a kernel parameter, named by its path under `/proc/sys`.
    ///
    /// # Panics
    ///
    /// If there is no such parameter.
    #[track_caller]
    pub fn sysctl(&self, path: &str, value: &str) {
        // Below /proc/sys/net each thread sees the parameters of its own namespace.
        self.enter(|| fs::write(Path::new("/proc/sys").join(path), value))
            .unwrap_or_else(|error| panic!("{path} should take {value}: {error}"));
    }

    /// Gives an interface an address and brings it up.
    #[track_caller]
    pub fn address(&self, interface: &str, address: Ipv4Addr, prefix_len: u8) {
        self.ip(&format!("address add {address}/{prefix_len} dev {interface}"));
        self.ip(&format!("link set {interface} up"));
    }

    /// Whether an XDP program is attached to the interface.
    #[track_caller]
    pub fn has_xdp(&self, interface: &str) -> bool {
        let text = self.ip(&format!("-j link show dev {interface}"));
        let links: serde_json::Value = serde_json::from_str(&text).expect("ip -j prints JSON");
        links.pointer("/0/xdp").is_some()
    }

    /// The kernel's index of an interface.
    ///
    /// # Panics
    ///
    /// If there is none of that name.
    #[track_caller]
    pub fn index(&self, interface: &str) -> u32 {
        self.enter(|| nix::net::if_::if_nametoindex(interface))
            .unwrap_or_else(|error| panic!("{interface} in {}: {error}", self.name))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Interfaces, sockets and XDP attachments go with it. A failure here must not hide what the test found.
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}
