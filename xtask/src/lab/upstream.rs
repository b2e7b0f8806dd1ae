//! The router beyond the lab's own: FRR where it is installed, else a second igmpd. It is the rendezvous point.

use std::fs::{self, Permissions};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::unistd::{User, chown};
use serde_json::Value;

use super::daemon::Daemon;
use super::interrupt;
use super::netns::Namespace;
use super::router::Router;
use super::story::entries;
use crate::command;

/// The interface of the lab's router towards this one, and that of this one towards the lab's.
pub(crate) const CORE: &str = "core0";
const DOWN: &str = "down0";
/// Their addresses.
pub(crate) const CORE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 4, 0, 2);
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 4, 0, 1);
/// The address of the rendezvous point, and the groups that it serves in the lab.
pub(crate) const RP: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);
pub(crate) const RP_GROUPS: &str = "239.4.0.0/16";

/// Where packages of FRR have its daemons.
const FRR: &str = "/usr/lib/frr";
/// The user that they become.
const FRR_USER: &str = "frr";
/// How long they may take to start.
const START: Duration = Duration::from_secs(30);

/// The router beyond, with whatever runs on it.
pub(crate) struct Upstream {
    // Dropped in this order: the programs, then the namespace that is in the router or here.
    kind: Kind,
    namespace: Option<Namespace>,
}

enum Kind {
    Frr(Box<Frr>),
    Igmpd(Box<Router>),
}

/// FRR's programs, pimd before the zebra that it needs.
struct Frr {
    pimd: Daemon,
    zebra: Daemon,
    directory: PathBuf,
    version: String,
}

/// Links the namespace of the router beyond to that of the lab's own, which gets the routes to the rendezvous point and to
/// the network of the sender beyond.
///
/// # Errors
///
/// When `ip` fails.
pub(crate) fn link(upstream: &Namespace, router: &Namespace, far: &str) -> Result<()> {
    upstream.link(DOWN, router, CORE)?;
    upstream.address(DOWN, ADDRESS)?;
    router.address(CORE, CORE_ADDRESS)?;
    upstream.ip(&["link", "set", DOWN, "up"])?;
    router.ip(&["link", "set", CORE, "up"])?;
    upstream.ip(&["address", "add", &format!("{RP}/32"), "dev", "lo"])?;
    for to in [&format!("{RP}/32"), far] {
        router.ip(&["route", "add", to, "via", &ADDRESS.to_string()])?;
    }
    Ok(())
}

impl Upstream {
    /// Starts whatever there is in the namespace, whose links have to be there. `source` is its interface towards the
    /// sender beyond.
    ///
    /// # Errors
    ///
    /// When a program does not start.
    pub(crate) fn start(
        namespace: Namespace,
        binaries: &Path,
        directory: &Path,
        source: &str,
    ) -> Result<Self> {
        if let Some(frr) = Frr::start(&namespace, directory, source)? {
            return Ok(Self {
                kind: Kind::Frr(Box::new(frr)),
                namespace: Some(namespace),
            });
        }
        let tables = format!(
            "[interfaces.{source}]\n\n[interfaces.{DOWN}]\npim = {{}}\n\n{}",
            static_rp()
        );
        let router = Router::start(namespace, binaries, directory, "upstream", &tables)?;
        Ok(Self {
            kind: Kind::Igmpd(Box::new(router)),
            namespace: None,
        })
    }

    /// The namespace.
    pub(crate) fn namespace(&self) -> &str {
        match &self.kind {
            Kind::Frr(_) => self.namespace.as_ref().map_or("", Namespace::name),
            Kind::Igmpd(router) => router.namespace(),
        }
    }

    /// What runs on it.
    pub(crate) fn what(&self) -> String {
        match &self.kind {
            Kind::Frr(frr) => format!("FRR's {}", frr.version),
            Kind::Igmpd(_) => "a second igmpd, because FRR is not installed".to_owned(),
        }
    }

    /// How its user would ask for its multicast routes, and what the answer is.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub(crate) fn show_routes(&self) -> Result<(&'static str, String)> {
        let (line, mut command) = match &self.kind {
            Kind::Frr(frr) => ("vtysh -c 'show ip mroute'", frr.vtysh("show ip mroute")),
            Kind::Igmpd(router) => ("igmpctl show routes", router.igmpctl(&["show", "routes"])),
        };
        Ok((line, command::output(&mut command)?))
    }

    /// Waits until packets of these groups go to the lab's router, or none of them.
    ///
    /// # Errors
    ///
    /// When that is not so within `limit`, when a program ends, or on Ctrl-C.
    pub(crate) fn wait_for(&mut self, groups: &[Ipv4Addr], wanted: bool, limit: Duration) -> Result<()> {
        let started = Instant::now();
        loop {
            interrupt::check()?;
            self.check_alive()?;
            let sends = self.sends();
            if let Ok(sends) = &sends
                && groups.iter().all(|group| sends.contains(group) == wanted)
            {
                return Ok(());
            }
            if limit < started.elapsed() {
                bail!(
                    "within {} s {} {} to all of {groups:?}: {sends:?}",
                    limit.as_secs(),
                    self.what(),
                    if wanted {
                        "did not join the lab's router"
                    } else {
                        "did not prune the lab's router from sending"
                    }
                );
            }
            thread::sleep(interrupt::POLL);
        }
    }

    /// # Errors
    ///
    /// When a program has ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match &mut self.kind {
            Kind::Frr(frr) => frr.zebra.check_alive().and_then(|()| frr.pimd.check_alive()),
            Kind::Igmpd(router) => router.check_alive(),
        }
    }

    /// Stops what runs on it, if it is ours: FRR's programs, which do not exit with 0, are stopped when they are dropped.
    ///
    /// # Errors
    ///
    /// When igmpd does not stop cleanly.
    pub(crate) fn stop(&mut self) -> Result<()> {
        match &mut self.kind {
            Kind::Frr(_) => Ok(()),
            Kind::Igmpd(router) => router.stop(),
        }
    }

    /// The groups that it sends to the lab's router.
    fn sends(&self) -> Result<Vec<Ipv4Addr>> {
        let leads_down = |interfaces: &Value| {
            interfaces.get(DOWN).is_some()
                || interfaces
                    .as_array()
                    .is_some_and(|names| names.iter().any(|name| name == DOWN))
        };
        match &self.kind {
            Kind::Frr(frr) => {
                let answer: Value =
                    serde_json::from_str(&command::output(&mut frr.vtysh("show ip mroute json"))?)
                        .context("pimd answered no JSON")?;
                let groups = answer.as_object().into_iter().flatten();
                Ok(groups
                    .filter(|(_, sources)| {
                        let mut sources = sources.as_object().into_iter().flatten();
                        sources.any(|(_, route)| leads_down(&route["oil"]))
                    })
                    .filter_map(|(group, _)| group.parse().ok())
                    .collect())
            }
            Kind::Igmpd(router) => {
                let answer = router.show("routes")?;
                Ok(entries(&answer, "route")
                    .iter()
                    .filter(|route| leads_down(&route["outgoing-interface"]))
                    .filter_map(|route| route["group-address"].as_str()?.parse().ok())
                    .collect())
            }
        }
    }
}

/// The table `[pim]` of a router that knows the rendezvous point.
pub(crate) fn static_rp() -> String {
    format!("[pim]\nstatic-rp = [{{ address = \"{RP}\", groups = [\"{RP_GROUPS}\"] }}]\n")
}

impl Frr {
    /// Starts FRR; `None` where it is not installed.
    fn start(namespace: &Namespace, lab: &Path, source: &str) -> Result<Option<Self>> {
        let daemons = Path::new(FRR);
        let user = User::from_name(FRR_USER).context("cannot look up the users of this machine")?;
        let is_there = |name: &str| command::is_executable(&daemons.join(name));
        let (Some(user), true, Some(_)) = (
            user,
            is_there("zebra") && is_there("pimd"),
            command::find("vtysh"),
        ) else {
            return Ok(None);
        };
        let version = command::output(Command::new(daemons.join("pimd")).arg("--version"))?;
        let version = version.lines().next().unwrap_or("pimd").to_owned();

        // The daemons give up being root before they make their sockets.
        let directory = lab.join("frr");
        fs::create_dir(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        fs::set_permissions(lab, Permissions::from_mode(0o755))
            .with_context(|| format!("cannot open {} to others", lab.display()))?;
        chown(&directory, Some(user.uid), Some(user.gid))
            .with_context(|| format!("cannot give {} to {FRR_USER}", directory.display()))?;
        let pim = format!(
            "ip pim rp {RP} {RP_GROUPS}\ninterface lo\n ip pim\ninterface {source}\n ip pim\ninterface {DOWN}\n ip pim\n"
        );
        let start = |name: &str, configuration: &str| -> Result<Daemon> {
            let file = directory.join(name).with_extension("conf");
            fs::write(&file, configuration)
                .and_then(|()| fs::set_permissions(&file, Permissions::from_mode(0o644)))
                .with_context(|| format!("cannot write {}", file.display()))?;
            let mut command = Command::new(daemons.join(name));
            command
                .args(["-P", "0", "--log", "stdout", "--vty_socket"])
                .arg(&directory)
                .arg("-z")
                .arg(directory.join("zserv.api"))
                .arg("-i")
                .arg(directory.join(name).with_extension("pid"))
                .arg("-f")
                .arg(&file);
            Daemon::start(namespace, lab, name, command)
        };
        let mut zebra = start("zebra", "")?;
        wait("zebra", &mut zebra, || directory.join("zserv.api").exists())?;
        let mut pimd = start("pimd", &pim)?;
        wait("pimd", &mut pimd, || {
            command::output(&mut vtysh(&directory, "show version")).is_ok()
        })?;
        Ok(Some(Self {
            pimd,
            zebra,
            directory,
            version,
        }))
    }

    fn vtysh(&self, line: &str) -> Command {
        vtysh(&self.directory, line)
    }
}

fn vtysh(directory: &Path, line: &str) -> Command {
    let mut command = Command::new(command::find("vtysh").unwrap_or_else(|| PathBuf::from("vtysh")));
    command
        .arg("--vty_socket")
        .arg(directory)
        .args(["-d", "pimd", "-c", line]);
    command
}

fn wait(name: &str, daemon: &mut Daemon, is_ready: impl Fn() -> bool) -> Result<()> {
    let started = Instant::now();
    while !is_ready() {
        interrupt::check()?;
        daemon.check_alive()?;
        if START < started.elapsed() {
            bail!(
                "{name} did not answer within {} s{}",
                START.as_secs(),
                daemon.log()
            );
        }
        thread::sleep(interrupt::POLL);
    }
    Ok(())
}
