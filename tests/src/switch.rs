//! Bridges.

use std::{path::Path, process::Command};

use crate::{Host, Namespace, Network, process};

/// A bridge in a namespace of its own, that several stations are plugged into. It floods multicast like an unmanaged
/// switch until [`snoop`](Self::snoop) is called.
#[derive(Debug)]
pub struct Switch {
    namespace: Namespace,
}

impl Switch {
    pub(crate) fn new(namespace: Namespace) -> Self {
        namespace.ip("link add br0 type bridge stp_state 0 mcast_snooping 0");
        namespace.ip("link set br0 up");
        // Where the kernel lets netfilter see bridged packets, it drops those with broken IP headers, which a switch of
        // hardware would forward.
        let netfilter = "net/bridge/bridge-nf-call-iptables";
        if Path::new("/proc/sys").join(netfilter).exists() {
            namespace.sysctl(netfilter, "0");
        }
        Self { namespace }
    }

    /// The bridge's namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Plugs the interface `name` of a namespace in. The bridge's end is called `port`.
    #[track_caller]
    pub fn plug(&self, network: &Network, port: &str, namespace: &Namespace, name: &str) {
        network.link(&self.namespace, port, namespace, name);
        self.namespace.ip(&format!("link set {port} master br0"));
        // Else VLAN tags would travel beside the frame and not in it, and XDP on the other end would not see them.
        let mut ethtool = Command::new("ethtool");
        ethtool.args(["-K", port, "txvlan", "off"]);
        self.namespace.enter(|| process::run(&mut ethtool));
    }

    /// Makes a host and plugs it in. The bridge's end is called like the host's role.
    #[track_caller]
    pub fn host(&self, network: &Network, role: &str, address: [u8; 4]) -> Host {
        let namespace = network.namespace(role);
        self.plug(network, role, &namespace, "eth0");
        Host::new(namespace, address.into())
    }

    /// Cuts a station off. The interfaces of all others stay up, so to them it has vanished without a word.
    #[track_caller]
    pub fn unplug(&self, port: &str) {
        self.namespace.ip(&format!("link set {port} nomaster"));
    }

    /// Lets the bridge forward multicast only where reports of this IGMP version asked for it. It never queries by
    /// itself, so what it knows depends on the router.
    #[track_caller]
    pub fn snoop(&self, igmp_version: u8) {
        self.namespace.ip(&format!(
            "link set br0 type bridge mcast_igmp_version {igmp_version} mcast_querier 0 mcast_snooping 1"
        ));
    }

    /// What the bridge learned by snooping: lines of `bridge mdb show`.
    #[track_caller]
    pub fn learned(&self) -> String {
        process::run(Command::new("bridge").args([
            "-n",
            self.namespace.name(),
            "-d",
            "mdb",
            "show",
            "dev",
            "br0",
        ]))
    }
}
