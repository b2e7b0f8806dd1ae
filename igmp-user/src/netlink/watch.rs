//! Following the kernel's interfaces.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt};
use rtnetlink::{Handle, MulticastGroup, new_connection, new_multicast_connection};
use tokio::{
    sync::watch as channel,
    time::{Instant, sleep},
};
use tracing::{debug, warn};

use super::Snapshot;

/// How long a burst of notifications may go on before it is looked at.
const SETTLE: Duration = Duration::from_millis(10);
/// After a dump, rest at least this many times as long as it took, so that a machine on which interfaces come and go
/// all the time is not kept busy with dumps of thousands.
const REST_FACTOR: u32 = 4;
/// How long to wait after a dump that failed.
const RETRY: Duration = Duration::from_secs(1);

/// The kernel's interfaces cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No netlink socket.
    #[error("cannot open a netlink socket: {0}")]
    Socket(#[from] std::io::Error),
    /// The kernel refused a dump.
    #[error("cannot list the kernel's interfaces: {0}")]
    Dump(#[from] rtnetlink::Error),
}

/// Reads the interfaces and follows their changes from now on, in a task of its own. The receiver sees every state that
/// lasts, not each one in between.
///
/// # Errors
///
/// [`NetlinkError`] where the first reading fails. Later failures are logged and tried again.
pub async fn watch() -> Result<channel::Receiver<Arc<Snapshot>>, NetlinkError> {
    let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr];
    // Notifications have a socket of their own, so that a burst of them cannot overrun a dump.
    let (connection, _, mut hints) = new_multicast_connection(&groups)?;
    tokio::spawn(connection);
    let (connection, handle, _) = new_connection()?;
    tokio::spawn(connection);

    let first = dump(&handle).await?;
    let (sender, receiver) = channel::channel(Arc::new(first));
    tokio::spawn(async move {
        let mut again = false;
        loop {
            if !again && hints.next().await.is_none() {
                warn!("the kernel's notifications of interface changes ended");
                return;
            }
            sleep(SETTLE).await;
            // What has arrived so far is covered by the dump that follows.
            while hints.try_recv().is_ok() {}
            let begin = Instant::now();
            match dump(&handle).await {
                Ok(snapshot) => {
                    again = false;
                    sender.send_if_modified(|current| {
                        let changed = **current != snapshot;
                        if changed {
                            debug!(interfaces = snapshot.len(), "the kernel's interfaces changed");
                            *current = Arc::new(snapshot);
                        }
                        changed
                    });
                }
                Err(error) => {
                    again = true;
                    warn!(%error, "trying again");
                    sleep(RETRY).await;
                }
            }
            if sender.is_closed() {
                return;
            }
            sleep(begin.elapsed() * REST_FACTOR).await;
        }
    });
    Ok(receiver)
}

async fn dump(handle: &Handle) -> Result<Snapshot, NetlinkError> {
    let links: Vec<_> = handle.link().get().execute().try_collect().await?;
    let addresses: Vec<_> = handle.address().get().execute().try_collect().await?;
    Ok(Snapshot::of_dumps(&links, &addresses))
}
