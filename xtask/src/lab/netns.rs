//! Network namespaces: made by `ip netns`, so that an operator can enter them, and removed when dropped.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};

use crate::command;

/// Where `ip netns` keeps its namespaces.
pub(crate) const DIRECTORY: &str = "/run/netns";

/// A network namespace that lives as long as this value.
pub(crate) struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Makes the namespace, with its loopback up.
    ///
    /// # Errors
    ///
    /// When `ip` fails.
    pub(crate) fn create(name: &str) -> Result<Self> {
        ip(&["netns", "add", name])?;
        let path = Path::new(DIRECTORY).join(name);
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()));
        let file = match file {
            Ok(file) => file,
            Err(error) => {
                delete(name);
                return Err(error);
            }
        };
        let namespace = Self {
            name: name.to_owned(),
            file,
        };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// What `ip netns` calls it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` on this namespace.
    ///
    /// # Errors
    ///
    /// When it fails; the error says what it said.
    pub(crate) fn ip(&self, arguments: &[&str]) -> Result<()> {
        ip(&[&["-netns", &self.name], arguments].concat())
    }

    /// Makes a virtual link from `interface` of this namespace to `peer_interface` of another one. Both ends are down.
    ///
    /// # Errors
    ///
    /// When `ip` fails.
    pub(crate) fn link(&self, interface: &str, peer: &Self, peer_interface: &str) -> Result<()> {
        self.ip(&[
            "link",
            "add",
            interface,
            "type",
            "veth",
            "peer",
            "name",
            peer_interface,
            "netns",
            peer.name(),
        ])
    }

    /// Gives an interface an address, in a network of 24 bits.
    ///
    /// # Errors
    ///
    /// When `ip` fails.
    pub(crate) fn address(&self, interface: &str, address: Ipv4Addr) -> Result<()> {
        self.ip(&["address", "add", &format!("{address}/24"), "dev", interface])
    }

    /// Runs `work` inside the namespace. Sockets it opens and processes it starts belong to the namespace for good,
    /// while the files they see, `/sys/fs/bpf` among them, stay those of everyone (`ip netns exec` would hide them).
    ///
    /// # Errors
    ///
    /// When the namespace cannot be entered, or `work` fails.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        // A namespace is a property of the thread, so a thread of its own is all it takes to come back out.
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.file, CloneFlags::CLONE_NEWNET)
                    .with_context(|| format!("cannot enter the namespace {}", self.name))?;
                work()
            });
            inside
                .join()
                .map_err(|_| anyhow!("the thread in the namespace {} panicked", self.name))?
        })
    }

    /// Sets `net.ipv4.conf.INTERFACE.KEY` inside the namespace.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the value.
    pub(crate) fn set_ipv4(&self, interface: &str, key: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/net/ipv4/conf/{interface}/{key}");
        self.enter(|| fs::write(&path, value).with_context(|| format!("cannot write {value} to {path}")))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        delete(&self.name);
    }
}

/// Deletes a namespace; its virtual links go with it. A failure is told and then let be: there is nothing else to do.
pub(crate) fn delete(name: &str) {
    if let Err(error) = ip(&["netns", "delete", name]) {
        eprintln!("warning: {error:#}");
    }
}

/// Runs `ip` outside of any namespace.
///
/// # Errors
///
/// When it fails; the error says what it said.
fn ip(arguments: &[&str]) -> Result<()> {
    let program = command::find("ip").context("there is no program `ip` (Debian's iproute2)")?;
    command::output(Command::new(program).args(arguments)).map(drop)
}
