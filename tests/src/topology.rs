//! Several routers, the links between them, and hosts: what tests of routing protocols need.

use std::{net::Ipv4Addr, ops::Deref};

use crate::{
    Host, Namespace, Network, Recording, Switch,
    stream::site::{accept_redirects_on, ethtool},
};

/// A network of routers, all of whose links have networks of 24 bits. The messages that routers under test send are
/// [recorded](Recording) and judged at the end.
#[derive(Debug)]
pub struct Topology {
    /// What the routers under test sent.
    pub recording: Recording,
    /// Where files and pins are.
    pub network: Network,
}

/// A router's namespace.
#[derive(Debug)]
pub struct Router {
    namespace: Namespace,
    is_under_test: bool,
}

impl Deref for Router {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}

impl Router {
    /// Routes of the kernel: networks, and the routers towards them.
    #[track_caller]
    pub fn routes(&self, routes: &[(&str, Ipv4Addr)]) {
        for (network, via) in routes {
            self.ip(&format!("route replace {network} via {via}"));
        }
    }

    /// Gives the loopback interface an address, as an RP has one.
    #[track_caller]
    pub fn loopback(&self, address: Ipv4Addr) {
        self.ip(&format!("address add {address}/32 dev lo"));
    }
}

/// A router's end of a link.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// The router.
    pub router: &'a Router,
    /// The interface's name.
    pub name: &'a str,
    /// The interface's address.
    pub address: Ipv4Addr,
}

/// An end of a link: router, interface and address.
pub fn end<'a>(router: &'a Router, name: &'a str, address: impl Into<Ipv4Addr>) -> End<'a> {
    End {
        router,
        name,
        address: address.into(),
    }
}

impl Topology {
    /// Begins a topology with nothing in it.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "making one changes the machine")]
    pub fn new() -> Self {
        let network = Network::new();
        Self {
            recording: Recording::new(&network),
            network,
        }
    }

    /// Makes a router under test.
    #[track_caller]
    pub fn router(&self, role: &str) -> Router {
        self.make(role, true)
    }

    /// Makes a router that runs software of others.
    #[track_caller]
    pub fn peer(&self, role: &str) -> Router {
        self.make(role, false)
    }

    #[track_caller]
    fn make(&self, role: &str, is_under_test: bool) -> Router {
        let namespace = self.network.namespace(role);
        namespace.ip("link set lo up");
        namespace.sysctl("net/ipv4/ip_forward", "1");
        Router {
            namespace,
            is_under_test,
        }
    }

    /// Connects two routers.
    #[track_caller]
    pub fn link(&mut self, a: End<'_>, b: End<'_>) {
        self.network.link(a.router, a.name, b.router, b.name);
        for (this, other) in [(a, b), (b, a)] {
            this.router.address(this.name, this.address, 24);
            self.face(this.router, this.name, other);
        }
    }

    /// Connects a new host to a router. The host's interface is `eth0`.
    #[track_caller]
    pub fn host(&mut self, role: &str, address: [u8; 4], router: End<'_>) -> Host {
        let host = self.network.host(role, address, router.router, router.name);
        router.router.address(router.name, router.address, 24);
        // As packets that come over a wire.
        ethtool(host.namespace(), &["-K", "eth0", "tx", "off"]);
        self.face(host.namespace(), "eth0", router);
        host
    }

    /// Plugs a router into a switch. The switch's end is called `port`.
    #[track_caller]
    pub fn plug(&mut self, switch: &Switch, port: &str, router: End<'_>) {
        switch.plug(&self.network, port, router.router, router.name);
        router.router.address(router.name, router.address, 24);
        self.face(switch.namespace(), port, router);
    }

    /// Makes a new host on a switch, whose interface is `eth0`. The switch's end is called like the role.
    #[track_caller]
    pub fn host_on(&self, switch: &Switch, role: &str, address: [u8; 4]) -> Host {
        let host = switch.host(&self.network, role, address);
        ethtool(host.namespace(), &["-K", "eth0", "tx", "off"]);
        host
    }

    /// Makes the interface at the other end of a router's one ready for what comes from there.
    #[track_caller]
    fn face(&mut self, namespace: &Namespace, interface: &str, router: End<'_>) {
        if router.router.is_under_test {
            accept_redirects_on(namespace, interface);
            let link = format!("{} of {}", router.name, router.router.name());
            self.recording.add(&link, namespace, interface);
        }
    }
}
