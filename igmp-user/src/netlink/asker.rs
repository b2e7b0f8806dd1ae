//! Asking the kernel for the way to one address.

use std::{net::Ipv4Addr, time::Duration};

use futures_util::TryStreamExt;
use rtnetlink::{
    Error, Handle, new_connection,
    packet_route::{
        AddressFamily,
        route::{RouteAddress, RouteAttribute, RouteMessage, RouteType},
    },
};
use tokio::time::timeout;
use tracing::debug;

use super::NetlinkError;

/// How long the kernel may take to answer. It answers at once; only an answer that was lost (`ENOBUFS`) takes longer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The kernel did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kernel did not answer")]
pub struct NoAnswer;

/// Asks the kernel which way it would send a packet, with all policy rules, and for ECMP with its choice. Clones share
/// one socket, and any number of questions can be under way.
#[derive(Clone, Debug)]
pub struct RouteAsker {
    handle: Handle,
}

impl RouteAsker {
    /// Opens the socket, which a task of its own serves until the last clone is gone.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Socket`] where there is no netlink socket.
    pub fn new() -> Result<Self, NetlinkError> {
        let (connection, handle, _) = new_connection()?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// The index of the interface through which the kernel sends unicast packets to `source`, as `ip route get` tells.
    /// `None` if it would not send them at all, or keeps them on this machine.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`] where the kernel did not say either: its answers get lost when there are too many questions at once.
    pub async fn interface_towards(&self, source: Ipv4Addr) -> Result<Option<u32>, NoAnswer> {
        let mut question = RouteMessage::default();
        question.header.address_family = AddressFamily::Inet;
        question.header.destination_prefix_length = 32;
        question
            .attributes
            .push(RouteAttribute::Destination(RouteAddress::Inet(source)));
        let mut answers = std::pin::pin!(self.handle.route().get(question).execute());
        let route = match timeout(TIMEOUT, answers.try_next()).await {
            Ok(Ok(Some(route))) => route,
            // Unreachable destinations are errors, too.
            Ok(Err(Error::NetlinkError(error))) => {
                debug!(%source, %error, "no route");
                return Ok(None);
            }
            Ok(Ok(None) | Err(_)) | Err(_) => {
                debug!(%source, "the kernel did not answer which way this is");
                return Err(NoAnswer);
            }
        };
        if route.header.kind != RouteType::Unicast {
            return Ok(None);
        }
        let mut attributes = route.attributes.iter();
        Ok(attributes.find_map(|attribute| match attribute {
            RouteAttribute::Oif(ifindex) => Some(*ifindex),
            _ => None,
        }))
    }
}
