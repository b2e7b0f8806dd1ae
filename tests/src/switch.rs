//! Bridges.

use crate::{Host, Namespace, Network};

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
        crate::process::run(std::process::Command::new("bridge").args([
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
