//! The programs under test.

use std::{
    env, fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use nix::sys::signal::Signal;
use serde::de::DeserializeOwned;

use crate::{
    Monitor, Namespace, Network, PATIENCE,
    json::{
        Group, Groups, Igmp, Interface, InterfaceStatistics, Interfaces, Join, Joins, Neighbor, Neighbors,
        Pim, Proxy, Route, Routes, Statistics,
    },
    process::{self, Process, texts},
    wait_for,
};

/// How long a clean stop may take.
const STOP: Duration = Duration::from_secs(10);

/// The path of a program under test: what the environment variable says, or the one that was built with this test.
///
/// # Panics
///
/// If there is no such file.
#[track_caller]
fn program(variable: &str, name: &str) -> PathBuf {
    let path = env::var_os(variable).map_or_else(|| process::build_directory().join(name), PathBuf::from);
    assert!(
        path.is_file(),
        "{} does not exist: run `cargo xtask build`, or set {variable}",
        path.display()
    );
    path
}

/// The path of `igmpd`.
#[track_caller]
pub fn igmpd_path() -> PathBuf {
    program("IGMPD", "igmpd")
}

/// The path of `igmpctl`.
#[track_caller]
pub fn igmpctl_path() -> PathBuf {
    program("IGMPCTL", "igmpctl")
}

/// Where an agent keeps what it needs: no two agents of any test share any of it.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The configuration file.
    pub config: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// The directory for pins.
    pub pins: PathBuf,
    /// Where the log goes.
    pub log: PathBuf,
}

impl Paths {
    /// Paths for another agent of this network.
    pub fn new(network: &Network) -> Self {
        let (number, pins) = network.agent();
        Self {
            config: network.path(&format!("igmpd-{number}.toml")),
            socket: network.path(&format!("igmpd-{number}.sock")),
            pins,
            log: network.path(&format!("igmpd-{number}.log")),
        }
    }

    /// Writes the configuration: where things are, then `rest`, which may begin with keys of the top level.
    pub fn configure(&self, rest: &str) {
        let text = format!(
            "control-socket = {:?}\nbpf-pin-path = {:?}\n{rest}\n",
            self.socket.display().to_string(),
            self.pins.display().to_string(),
        );
        fs::write(&self.config, text).expect("a file in the test's directory can be written");
    }

    /// The command that starts the agent.
    pub fn command(&self) -> Command {
        let mut command = Command::new(igmpd_path());
        command.arg("--config").arg(&self.config);
        command
    }
}

/// A running `igmpd`. It is killed when this is dropped, and its log is printed if the test is failing.
#[derive(Debug)]
pub struct Igmpd {
    paths: Paths,
    process: Process,
}

impl Igmpd {
    /// Starts an agent in a namespace and waits until it answers.
    ///
    /// # Panics
    ///
    /// If it ends or does not answer.
    #[track_caller]
    pub fn start(network: &Network, namespace: &Namespace, config: &str) -> Self {
        let paths = Paths::new(network);
        paths.configure(config);
        let mut igmpd = Self::spawn(namespace, paths);
        igmpd.wait_ready();
        igmpd
    }

    /// Starts an agent whose configuration is written, without waiting for anything.
    #[track_caller]
    pub fn spawn(namespace: &Namespace, paths: Paths) -> Self {
        let process = Process::start(namespace, paths.command(), paths.log.clone());
        Self { paths, process }
    }

    /// Waits until the agent answers on its socket.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        wait_for("igmpd to answer", PATIENCE, || {
            if let Some(status) = self.process.exited() {
                panic!("igmpd ended with {status}");
            }
            let (_, error) = texts(&self.control(&["-j", "show", "interfaces"]));
            if error.is_empty() { Ok(()) } else { Err(error) }
        });
    }

    /// Starts an agent and waits until these interfaces are up, with XDP attached and the first query sent.
    #[track_caller]
    pub fn start_on(network: &Network, namespace: &Namespace, interfaces: &[&str], config: &str) -> Self {
        let igmpd = Self::start(network, namespace, config);
        igmpd.wait_up(interfaces);
        igmpd
    }

    /// Waits until these interfaces are up and XDP is attached to them.
    #[track_caller]
    pub fn wait_up(&self, names: &[&str]) {
        wait_for("interfaces to be up", PATIENCE, || {
            let all = self.interfaces();
            let is_up = |name: &&str| {
                all.iter().any(|interface| {
                    interface.interface_name == **name
                        && interface.oper_status == "up"
                        && interface.xdp_mode.is_some()
                })
            };
            if names.iter().all(is_up) {
                Ok(())
            } else {
                Err(format!("{all:#?}"))
            }
        });
    }

    /// Where the agent keeps its things.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// The agent's process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What the agent logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until the log has a line that contains all of these, whatever their case.
    #[track_caller]
    pub fn wait_logged(&self, words: &[&str]) -> String {
        wait_for(&format!("a log line with {words:?}"), PATIENCE, || {
            let log = self.log();
            log.lines()
                .find(|line| contains_all(line, words))
                .map(str::to_owned)
                .ok_or(log)
        })
    }

    /// Runs `igmpctl` against this agent.
    #[track_caller]
    pub fn control(&self, arguments: &[&str]) -> Output {
        process::output(
            process::bounded(igmpctl_path())
                .arg("-s")
                .arg(&self.paths.socket)
                .args(arguments),
        )
    }

    /// Runs `igmpctl -j` and reads what it prints.
    ///
    /// # Panics
    ///
    /// If it fails or prints something else.
    #[track_caller]
    pub fn show<T: DeserializeOwned>(&self, arguments: &[&str]) -> T {
        let output = self.control(&[&["-j"], arguments].concat());
        let (text, error) = texts(&output);
        assert!(output.status.success(), "igmpctl -j {arguments:?}: {error}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {arguments:?}: {text}"))
    }

    /// `show groups`.
    #[track_caller]
    pub fn groups(&self) -> Vec<Group> {
        self.show::<Groups>(&["show", "groups"]).group
    }

    /// The state of one group on one interface.
    #[track_caller]
    pub fn group(&self, interface: &str, group: Ipv4Addr) -> Option<Group> {
        self.groups()
            .into_iter()
            .find(|found| found.interface_name == interface && found.group_address == group)
    }

    /// `show interfaces`.
    #[track_caller]
    pub fn interfaces(&self) -> Vec<Interface> {
        self.show::<Interfaces>(&["show", "interfaces"]).interface
    }

    /// One interface.
    #[track_caller]
    pub fn interface(&self, name: &str) -> Interface {
        let all = self.interfaces();
        all.iter()
            .find(|interface| interface.interface_name == name)
            .cloned()
            .unwrap_or_else(|| panic!("{name} is not among {all:#?}"))
    }

    /// IGMP on one interface.
    #[track_caller]
    pub fn igmp(&self, name: &str) -> Igmp {
        self.interface(name)
            .igmp
            .unwrap_or_else(|| panic!("IGMP is off on {name}"))
    }

    /// PIM on one interface.
    #[track_caller]
    pub fn pim(&self, name: &str) -> Pim {
        self.interface(name)
            .pim
            .unwrap_or_else(|| panic!("PIM is off on {name}"))
    }

    /// `show neighbors`.
    #[track_caller]
    pub fn neighbors(&self) -> Vec<Neighbor> {
        self.show::<Neighbors>(&["show", "neighbors"]).neighbor
    }

    /// `show joins`.
    #[track_caller]
    pub fn joins(&self) -> Vec<Join> {
        self.show::<Joins>(&["show", "joins"]).join
    }

    /// Waits until these are the neighbors on an interface, in the order of their addresses.
    #[track_caller]
    pub fn wait_neighbors(&self, interface: &str, timeout: Duration, expected: &[Ipv4Addr]) {
        wait_for(&format!("the neighbors to be {expected:?}"), timeout, || {
            let all = self.neighbors();
            let found = all
                .iter()
                .filter(|neighbor| neighbor.interface_name == interface)
                .map(|neighbor| neighbor.address);
            if found.eq(expected.iter().copied()) {
                Ok(())
            } else {
                Err(format!("{all:?}"))
            }
        });
    }

    /// Waits until what is asked of upstream peers for a source, or with `*` for the group, is as `wanted` says;
    /// `None` where nothing is.
    #[track_caller]
    pub fn wait_join(
        &self,
        what: &str,
        timeout: Duration,
        (source, group): (&str, Ipv4Addr),
        wanted: impl Fn(Option<&Join>) -> bool,
    ) {
        wait_for(&format!("({source},{group}) {what}"), timeout, || {
            let all = self.joins();
            let mut of_group = all.iter().filter(|join| join.group_address == group);
            if wanted(of_group.clone().find(|join| join.source_address == source)) {
                Ok(())
            } else {
                Err(format!("{:?} of {} joins", of_group.next(), all.len()))
            }
        });
    }

    /// The host side of the proxy on an interface.
    #[track_caller]
    pub fn proxy(&self, name: &str) -> Proxy {
        self.interface(name)
            .proxy
            .unwrap_or_else(|| panic!("{name} is not the upstream interface"))
    }

    /// `show routes`.
    #[track_caller]
    pub fn routes(&self) -> Vec<Route> {
        self.show::<Routes>(&["show", "routes"]).route
    }

    /// The route of a source, or with `*` that of the group.
    #[track_caller]
    pub fn route(&self, source: &str, group: Ipv4Addr) -> Option<Route> {
        self.routes()
            .into_iter()
            .find(|route| route.source_address == source && route.group_address == group)
    }

    /// `show statistics` of all interfaces.
    #[track_caller]
    pub fn all_statistics(&self) -> Statistics {
        self.show(&["show", "statistics"])
    }

    /// `show statistics` of one interface.
    #[track_caller]
    pub fn statistics(&self, name: &str) -> InterfaceStatistics {
        let all = self.all_statistics();
        all.interface
            .iter()
            .find(|interface| interface.interface_name == name)
            .cloned()
            .unwrap_or_else(|| panic!("{name} is not among {all:#?}"))
    }

    /// Subscribes to events.
    #[track_caller]
    pub fn monitor(&self) -> Monitor {
        Monitor::open(&self.paths.socket)
    }

    /// Waits until a group is as `wanted` says.
    #[track_caller]
    pub fn wait_group(
        &self,
        what: &str,
        timeout: Duration,
        interface: &str,
        group: Ipv4Addr,
        wanted: impl Fn(&Group) -> bool,
    ) -> Group {
        wait_for(what, timeout, || match self.group(interface, group) {
            Some(found) if wanted(&found) => Ok(found),
            other => Err(format!("{other:?}")),
        })
    }

    /// Waits until a group has members.
    #[track_caller]
    pub fn wait_joined(&self, interface: &str, group: Ipv4Addr) -> Group {
        self.wait_group(
            &format!("{group} to have members"),
            PATIENCE,
            interface,
            group,
            |_| true,
        )
    }

    /// Waits until a group has no members.
    #[track_caller]
    pub fn wait_left(&self, interface: &str, group: Ipv4Addr, timeout: Duration) {
        wait_for(&format!("{group} to have no members"), timeout, || {
            match self.group(interface, group) {
                None => Ok(()),
                Some(found) => Err(format!("{found:?}")),
            }
        });
    }

    /// Waits until `count` more General Queries went out of an interface. That is how tests let time pass: in queries.
    #[track_caller]
    pub fn wait_queries(&self, interface: &str, count: u64) {
        let target = self.statistics(interface).sent.general_query + count;
        wait_for(&format!("{count} General Queries"), PATIENCE, || {
            let sent = self.statistics(interface).sent;
            if sent.general_query >= target {
                Ok(())
            } else {
                Err(format!("{sent:?}"))
            }
        });
    }

    /// Stops the agent as an operator would.
    ///
    /// # Panics
    ///
    /// If it does not end, or not with success, or panicked on the way.
    #[track_caller]
    pub fn stop(&mut self) {
        self.process.signal(Signal::SIGTERM);
        let status = self.process.wait(STOP);
        assert!(status.success(), "igmpd ended with {status}");
        assert!(!self.log().contains("panicked at"), "igmpd panicked");
    }
}

/// Whether the text contains all of these words, whatever their case.
pub fn contains_all(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(&word.to_lowercase()))
}

/// Whether a path exists. A directory without entries counts as gone.
pub fn is_left_behind(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => path.exists(),
    }
}
