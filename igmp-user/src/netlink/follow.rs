//! Following a part of the kernel's state by dumps.

use std::{sync::Arc, time::Duration};

use tokio::{
    select,
    sync::watch as channel,
    time::{Instant, sleep},
};
use tracing::{debug, warn};

use super::{NetlinkError, hints::Hints};

/// How long a burst of notifications may go on before it is looked at.
const SETTLE: Duration = Duration::from_millis(10);
/// After a dump, rest at least this many times as long as it took, so that a machine on which interfaces or routes come
/// and go all the time is not kept busy with dumps of thousands.
const REST_FACTOR: u32 = 4;
/// How long to wait after a dump that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Dumps at once, and again after each burst of hints, in a task of its own that ends with the last receiver. The
/// receiver sees every state that lasts, not each one in between. `what` names the state in the log, in the plural.
///
/// # Errors
///
/// [`NetlinkError`] where the first dump fails. Later failures are logged and tried again.
pub(super) async fn follow<T, D>(
    what: &'static str,
    hints: Hints,
    mut dump: impl FnMut() -> D + Send + 'static,
) -> Result<channel::Receiver<Arc<T>>, NetlinkError>
where
    T: PartialEq + Send + Sync + 'static,
    D: Future<Output = Result<T, NetlinkError>> + Send,
{
    let (sender, receiver) = channel::channel(Arc::new(dump().await?));
    tokio::spawn(async move {
        let mut again = false;
        loop {
            if !again {
                select! {
                    () = hints.next() => {}
                    () = sender.closed() => return,
                }
            }
            sleep(SETTLE).await;
            // What has arrived so far is covered by the dump that follows.
            hints.clear();
            let begin = Instant::now();
            match dump().await {
                Ok(state) => {
                    again = false;
                    sender.send_if_modified(|current| {
                        let changed = **current != state;
                        if changed {
                            debug!("the kernel's {what} changed");
                            *current = Arc::new(state);
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
