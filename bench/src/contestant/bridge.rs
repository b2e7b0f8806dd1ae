//! The snooping of the kernel's bridge.

use ::tests::Namespace;
use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use rtnetlink::{
    new_connection,
    packet_route::link::{InfoBridgePort, InfoPortData, LinkAttribute, LinkInfo, LinkMessage},
};

use super::Contestant;

/// The bridge.
const BRIDGE: &str = "br0";
/// Groups that it may know, a power of two.
const CAPACITY: u32 = 1 << 21;

/// A bridge that snoops on one port.
#[derive(Debug)]
pub(crate) struct Snooping<'a> {
    namespace: &'a Namespace,
    port: String,
}

impl<'a> Snooping<'a> {
    /// Makes a bridge with a device as its port.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub(crate) fn start(namespace: &'a Namespace, port: &str) -> Self {
        namespace.ip(&format!(
            "link add {BRIDGE} type bridge mcast_snooping 1 mcast_igmp_version 3 mcast_hash_max {CAPACITY}"
        ));
        namespace.ip(&format!("link set {port} master {BRIDGE}"));
        namespace.ip(&format!("link set {BRIDGE} up"));
        Self {
            namespace,
            port: port.to_owned(),
        }
    }
}

impl Contestant for Snooping<'_> {
    fn processes(&mut self) -> Vec<u32> {
        Vec::new()
    }

    fn known(&mut self) -> Result<u64> {
        // The namespace is chosen when the socket is opened.
        let link = self.namespace.enter(|| link(&self.port))?;
        groups(&link)
            .with_context(|| format!("the kernel does not tell the number of groups on {}", self.port))
    }

    fn answers_at_once(&self) -> bool {
        true
    }

    /// All is done in the softirq that takes the frame in.
    fn is_busy(&mut self) -> Result<bool> {
        Ok(false)
    }
}

/// What the kernel tells of a device of this thread's namespace.
fn link(device: &str) -> Result<LinkMessage> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("cannot wait for the kernel")?;
    runtime.block_on(async {
        let (connection, handle, _) = new_connection().context("cannot open a netlink socket")?;
        tokio::spawn(connection);
        let mut links = handle.link().get().match_name(device.to_owned()).execute();
        let link = links.try_next().await.context("the kernel shows no device")?;
        link.with_context(|| format!("there is no {device}"))
    })
}

/// The number of groups that a port of a bridge has members of.
fn groups(link: &LinkMessage) -> Option<u64> {
    let ports = link.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => infos.iter().find_map(|info| match info {
            LinkInfo::PortData(InfoPortData::BridgePort(port)) => Some(port),
            _ => None,
        }),
        _ => None,
    });
    ports.flatten().find_map(|port| match port {
        InfoBridgePort::MulticastNGroups(number) => Some(u64::from(*number)),
        _ => None,
    })
}
