//! A lab on one machine: a sender, a router and three hosts in network namespaces of their own, joined by virtual links, and
//! for the last chapter another router with a sender of its own.
//!
//! ```text
//!                                     igmp-lab-PID-router       ┌ lan1 ────── eth0  igmp-lab-PID-v1
//!   igmp-lab-PID-sender  eth0 ────── wan0   igmpd, XDP on each ─┼ lan2 ────── eth0  igmp-lab-PID-v2
//!                                    core0                      └ lan3 ────── eth0  igmp-lab-PID-v3
//!                                      │
//!                                    down0
//!   igmp-lab-PID-far     eth0 ────── src0   igmp-lab-PID-upstream: FRR, or a second igmpd
//! ```
//!
//! The hosts are the kernel's own IGMP, made to speak version 1, 2 or 3. Their ends of the links are as `ip` makes them:
//! nothing on them helps the router. Whatever way the lab ends, it takes away what it made; what a killed lab left behind
//! is taken away by the next.

mod beyond;
mod daemon;
mod hold;
mod host;
mod interrupt;
mod leftovers;
mod membership;
mod netns;
mod router;
mod sender;
mod story;
mod tap;
mod traffic;
mod upstream;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use anyhow::{Context, Result, bail};

use self::host::Host;
use self::netns::Namespace;
use self::router::Router;
use self::sender::Sender;
use self::upstream::Upstream;
use crate::command;

/// The one interface of a host, inside its namespace.
pub(crate) const HOST_INTERFACE: &str = "eth0";

/// Where the lab's files are: only root writes here, so what is found here was left by a lab.
const RUN: &str = "/run";

/// What the files of the router in the middle are called.
const ROUTER: &str = "igmpd";

/// How the names of everything the lab makes begin; the process id follows.
const PREFIX: &str = "igmp-lab-";

/// The lab, until it is dropped.
struct Lab {
    // Dropped in this order: the routers, then the sockets and namespaces of the others, then the directory.
    router: Router,
    upstream: Upstream,
    sender: Sender,
    far: Sender,
    hosts: [Host; 3],
    directory: Directory,
    /// The tables of the router's first configuration.
    tables: String,
}

/// The directory of the lab's files, removed with all it holds when dropped.
struct Directory(PathBuf);

impl Directory {
    fn create(name: &str) -> Result<Self> {
        let path = Path::new(RUN).join(name);
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        leftovers::remove_directory(&self.0);
    }
}

/// Builds the lab, shows the router at work in it, and takes it away again.
///
/// # Errors
///
/// When we are not root, when the lab cannot be built, or when the router does not do what it should.
pub(crate) fn run(binaries: &Path, hold: bool) -> Result<ExitCode> {
    if !command::is_root() {
        bail!("the lab makes network namespaces and loads an XDP program, which takes root");
    }
    interrupt::watch()?;
    leftovers::remove_all();
    let outcome = build(binaries).and_then(|mut lab| {
        story::tell(&mut lab)?;
        if hold {
            hold::until_interrupted(&mut lab)?;
        }
        lab.router.stop()?;
        lab.upstream.stop()?;
        println!("\nThe lab is taken away.");
        Ok(())
    });
    match outcome {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // Whatever failed then, it did because of the signal, which the commands we ran have received as well. The lab
        // is gone by now: the failed attempt dropped it.
        Err(_) if interrupt::check().is_err() => {
            println!("\nInterrupted; the lab is taken away.");
            Ok(ExitCode::from(130))
        }
        Err(error) => Err(error),
    }
}

fn build(binaries: &Path) -> Result<Lab> {
    let name = format!("{PREFIX}{}", process::id());
    let directory = Directory::create(&name)?;
    let router = Namespace::create(&format!("{name}-router"))?;
    let host = |version: u8| -> Result<Host> {
        interrupt::check()?;
        Host::create(&format!("{name}-v{version}"), &router, version)
    };
    let hosts = [host(1)?, host(2)?, host(3)?];
    let interfaces: Vec<&str> = hosts.iter().map(Host::router_interface).collect();
    let sender = Sender::create(&format!("{name}-sender"), &router, story::UPLINK, &story::SOURCES)?;
    let upstream = Namespace::create(&format!("{name}-upstream"))?;
    let far = Sender::create(
        &format!("{name}-far"),
        &upstream,
        beyond::FAR_SIDE,
        &[beyond::FAR],
    )?;
    upstream::link(&upstream, &router, beyond::FAR_NETWORK)?;
    router::mount_pins(&directory.0)?;
    let upstream = Upstream::start(upstream, binaries, &directory.0, beyond::FAR_SIDE.interface)?;
    let tables = router::tables(&interfaces, story::UPLINK.interface);
    let router = Router::start(router, binaries, &directory.0, ROUTER, &tables)?;
    Ok(Lab {
        router,
        upstream,
        sender,
        far,
        hosts,
        directory,
        tables,
    })
}

/// Joins `group` on `interface`, for `sources` only when there are any, until Ctrl-C or SIGTERM.
///
/// # Errors
///
/// When the interface does not exist or the kernel refuses the membership.
pub(crate) fn receive(group: Ipv4Addr, sources: &[Ipv4Addr], interface: &str) -> Result<()> {
    interrupt::watch()?;
    let index = nix::net::if_::if_nametoindex(interface)
        .with_context(|| format!("there is no interface {interface} in this network namespace"))?;
    let membership = membership::Membership::join(group, sources, index)?;
    let wanted: Vec<String> = sources.iter().map(ToString::to_string).collect();
    match wanted.as_slice() {
        [] => println!("Joined {group} on {interface}, from any source; Ctrl-C leaves."),
        sources => println!(
            "Joined {group} on {interface}, from {}; Ctrl-C leaves.",
            sources.join(", ")
        ),
    }
    while interrupt::check().is_ok() {
        std::thread::sleep(interrupt::POLL);
    }
    drop(membership);
    println!("Left {group}.");
    Ok(())
}
