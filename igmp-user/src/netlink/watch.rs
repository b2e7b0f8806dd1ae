//! Following the kernel's interfaces.

use std::sync::Arc;

use futures_util::TryStreamExt;
use rtnetlink::{
    Handle, MulticastGroup, new_connection,
    sys::protocols::{NETLINK_GENERIC, NETLINK_ROUTE},
};
use tokio::sync::watch as channel;

use super::{NetlinkError, Snapshot, follow::follow, hints::Hints, netdev::NetdevFamily};

/// Reads the interfaces and follows their changes from now on, in a task of its own. The receiver sees every state that
/// lasts, not each one in between.
///
/// # Errors
///
/// [`NetlinkError`] where the first reading fails. Later failures are logged and tried again.
pub async fn watch() -> Result<channel::Receiver<Arc<Snapshot>>, NetlinkError> {
    let mut hints = Hints::default();
    hints.listen(
        NETLINK_ROUTE,
        &[MulticastGroup::Link as u32, MulticastGroup::Ipv4Ifaddr as u32],
    )?;
    let netdev = NetdevFamily::find().await?;
    if let Some(group) = netdev.as_ref().and_then(NetdevFamily::notifications) {
        hints.listen(NETLINK_GENERIC, &[group])?;
    }
    let (connection, handle, _) = new_connection()?;
    tokio::spawn(connection);
    follow("interfaces", hints, move || dump(handle.clone(), netdev.clone())).await
}

async fn dump(handle: Handle, netdev: Option<NetdevFamily>) -> Result<Snapshot, NetlinkError> {
    let links: Vec<_> =
        (handle.link().get().execute().try_collect().await).map_err(NetlinkError::dump("interfaces"))?;
    let addresses: Vec<_> =
        (handle.address().get().execute().try_collect().await).map_err(NetlinkError::dump("addresses"))?;
    let redirect_targets = match netdev {
        Some(netdev) => netdev.redirect_targets().await?,
        None => Default::default(),
    };
    Ok(Snapshot::of_dumps(&links, &addresses, &redirect_targets))
}
