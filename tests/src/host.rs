//! Hosts whose own kernels speak IGMP.

use std::net::Ipv4Addr;

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use crate::{
    Namespace,
    filter::{self, Mode},
};

/// A namespace with one interface, `eth0`, in a network of 24 bits.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
    address: Ipv4Addr,
}

impl Host {
    /// Gives `eth0` of the namespace an address and raises the kernel's limits on memberships of one socket, which are
    /// 20 groups and 10 sources otherwise.
    pub(crate) fn new(namespace: Namespace, address: Ipv4Addr) -> Self {
        namespace.sysctl("net/ipv4/igmp_max_memberships", "10000");
        namespace.sysctl("net/ipv4/igmp_max_msf", "1000");
        namespace.address("eth0", address, 24);
        Self { namespace, address }
    }

    /// Where the host lives.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The host's address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Makes the host speak IGMP version 1, 2 or 3 whatever the routers speak.
    #[track_caller]
    pub fn force_version(&self, version: u8) {
        self.namespace
            .sysctl("net/ipv4/conf/eth0/force_igmp_version", &version.to_string());
    }

    /// Joins a group, all sources.
    #[track_caller]
    pub fn join(&self, group: Ipv4Addr) -> Membership {
        self.join_all([group])
    }

    /// Joins several groups with one socket, all sources.
    #[track_caller]
    pub fn join_all(&self, groups: impl IntoIterator<Item = Ipv4Addr>) -> Membership {
        let membership = self.socket();
        let interface = InterfaceIndexOrAddress::Index(self.namespace.index("eth0"));
        for group in groups {
            membership
                .socket
                .join_multicast_v4_n(&group, &interface)
                .unwrap_or_else(|error| panic!("{group} should be joined: {error}"));
        }
        membership
    }

    /// Joins a group for one source.
    #[track_caller]
    pub fn join_source(&self, group: Ipv4Addr, source: Ipv4Addr) -> Membership {
        let membership = self.socket();
        membership.add_source(group, source);
        membership
    }

    #[track_caller]
    fn socket(&self) -> Membership {
        let socket = self
            .namespace
            .enter(|| Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)))
            .expect("a UDP socket");
        Membership {
            socket,
            interface: self.address,
        }
    }
}

/// A socket that has joined groups. Dropping it leaves them all.
#[derive(Debug)]
pub struct Membership {
    socket: Socket,
    interface: Ipv4Addr,
}

impl Membership {
    /// Adds a source to those of a group, joining the group with the first.
    #[track_caller]
    pub fn add_source(&self, group: Ipv4Addr, source: Ipv4Addr) {
        self.socket
            .join_ssm_v4(&source, &group, &self.interface)
            .unwrap_or_else(|error| panic!("{source} of {group} should be joined: {error}"));
    }

    /// Removes a source from those of a group, leaving the group with the last.
    #[track_caller]
    pub fn remove_source(&self, group: Ipv4Addr, source: Ipv4Addr) {
        self.socket
            .leave_ssm_v4(&source, &group, &self.interface)
            .unwrap_or_else(|error| panic!("{source} of {group} should be left: {error}"));
    }

    /// Replaces filter mode and sources of a joined group in one step.
    #[track_caller]
    pub fn filter(&self, group: Ipv4Addr, mode: Mode, sources: &[Ipv4Addr]) {
        filter::set(&self.socket, group, self.interface, mode, sources);
    }
}
