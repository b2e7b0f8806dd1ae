//! The configuration file of igmpd.
//!
//! [`Config::load`] reads and checks a file. What comes out is complete and consistent: defaults are filled in, `[igmp]`
//! is inherited by every interface, and each value is in its range.

mod check;
mod error;
mod file;
mod pim;
mod place;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use igmp_core::pim::{PimConfig, PimInterfaceConfig};
use ipnet::Ipv4Net;
use serde::Deserialize;

pub use error::{ConfigError, Problem};

/// Default of `control-socket`.
pub const CONTROL_SOCKET: &str = "/run/igmpd.sock";
/// Default of `bpf-pin-path`.
pub const BPF_PIN_PATH: &str = "/sys/fs/bpf/igmpd";

/// A checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `control-socket`: path of the Unix socket that igmpctl talks to.
    pub control_socket: PathBuf,
    /// `bpf-pin-path`: absolute path of a directory in a BPF file system.
    pub bpf_pin_path: PathBuf,
    /// `bpf-log-level`: what the XDP program logs.
    pub bpf_log_level: BpfLogLevel,
    /// `max-groups`: capacity of the membership map.
    pub max_groups: u32,
    /// `max-entries`: capacity of the source map.
    pub max_entries: u32,
    /// `event-ring-size`: size of the ring of events in bytes, a power of two and a multiple of the page size.
    pub event_ring_size: u32,
    /// `[igmp]`: the defaults of every interface. The upstream interface of a proxy, which has no table of its own, goes by
    /// them.
    pub igmp: Igmp,
    /// `[interfaces]` by name.
    pub interfaces: BTreeMap<String, Interface>,
    /// `forwarding`: who carries multicast data.
    pub forwarding: Forwarding,
    /// `metrics-listen`. The exporter attaches here: this version does not act on it.
    pub metrics_listen: Option<SocketAddr>,
    /// `[pim]`: what holds for PIM on all interfaces. It runs on those that have [`Interface::pim`].
    pub pim: PimConfig,
    /// What the file asks for and is not done, one sentence each.
    pub without_effect: Vec<String>,
}

/// `[interfaces.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface {
    /// `xdp-mode`: how the XDP program is attached.
    pub xdp_mode: XdpMode,
    /// `parent`, `vlan` and `address`, where this is a VLAN of another interface.
    pub vlan: Option<Vlan>,
    /// The router side of IGMP, where it is enabled.
    pub igmp: Option<Igmp>,
    /// `proxy-upstream`: the host side of an IGMP proxy runs here (RFC 4605).
    pub proxy_upstream: bool,
    /// `[interfaces.NAME.pim]`: how PIM runs there, where it does.
    pub pim: Option<PimInterfaceConfig>,
}

/// A VLAN of another interface, whose frames are tagged there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vlan {
    /// Name of the interface that the tagged frames are on.
    pub parent: String,
    /// VLAN ID, 1 to 4094.
    pub id: u16,
    /// The router's address where the kernel has no device for this VLAN.
    pub address: Option<Ipv4Net>,
}

/// `[interfaces.NAME.igmp]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Igmp {
    /// What the protocol needs to know.
    pub protocol: igmp_core::InterfaceConfig,
    /// `require-router-alert`: version 2 and 3 messages without the option are refused.
    pub require_router_alert: bool,
    /// `verify-source-subnet`: reports from outside the interface's networks are refused; 0.0.0.0 always passes.
    pub verify_source_subnet: bool,
}

/// `xdp-mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum XdpMode {
    /// Native where the driver can, else generic.
    #[default]
    Auto,
    /// In the driver.
    Native,
    /// In the network stack.
    Generic,
}

/// `forwarding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forwarding {
    /// By the XDP program.
    #[default]
    Xdp,
    /// By the kernel's multicast routing.
    Kernel,
    /// Not at all.
    None,
}

/// `bpf-log-level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BpfLogLevel {
    /// Nothing, and the program is compiled without its log calls.
    #[default]
    Off,
    /// Errors.
    Error,
    /// And warnings.
    Warn,
    /// And information.
    Info,
    /// And details of each packet.
    Debug,
}

/// `group-membership-interval`: the formula of RFC 9776 §8.4, or that of its predecessor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupMembershipInterval {
    /// RV·QI + 2·QRI.
    #[default]
    Rfc9776,
    /// RV·QI + QRI.
    Rfc3376,
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it; see [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::file(path, format!("cannot be read: {error}")))?;
        Self::parse(path, &text)
    }

    /// Checks the text of a file. `path` only stands in the errors.
    ///
    /// # Errors
    ///
    /// See [`Config::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        check::parse(path, text)
    }

    /// Whether PIM runs on any interface. Then it decides where multicast data goes.
    pub fn has_pim(&self) -> bool {
        self.interfaces.values().any(|interface| interface.pim.is_some())
    }
}
