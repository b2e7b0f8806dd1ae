//! Hints that something in the kernel changed.

use std::{io, sync::Arc, time::Duration};

use futures_util::FutureExt;
use rtnetlink::sys::{AsyncSocket, AsyncSocketExt, Socket, SocketAddr, TokioSocket};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};
use tracing::warn;

/// How long to wait after a socket that failed.
const RETRY: Duration = Duration::from_secs(1);

/// A stream of hints, in which any number that nobody has looked at yet are one.
///
/// Notifications have sockets of their own, so that a burst of them cannot overrun a dump. They are not parsed: what
/// they say may be outdated when it is read, and on a kernel that is newer than this program some of them have types
/// that no library knows.
#[derive(Debug, Default)]
pub(super) struct Hints {
    given: Arc<Notify>,
    /// What gives them. They end with this.
    givers: JoinSet<()>,
}

impl Hints {
    /// Takes each notification to one of these multicast groups of a netlink protocol for a hint.
    ///
    /// # Errors
    ///
    /// Where the kernel does not know the protocol or a group (`EINVAL`).
    pub(super) fn listen(&mut self, protocol: isize, groups: &[u32]) -> io::Result<()> {
        let mut socket = TokioSocket::new(protocol)?;
        let inner: &mut Socket = socket.socket_mut();
        inner.bind(&SocketAddr::new(0, 0))?;
        for group in groups {
            inner.add_membership(*group)?;
        }
        let given = Arc::clone(&self.given);
        self.givers.spawn(async move {
            // Only that there was one matters, so the rest of a longer notification may be cut off.
            let mut start = Vec::with_capacity(16);
            loop {
                start.clear();
                let received = socket.recv(&mut start).await;
                given.notify_one();
                match received {
                    Ok(()) => {}
                    // Some were lost, and the dump that follows does without them.
                    Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                    Err(error) => {
                        warn!(%error, "cannot read the kernel's notifications; looking each second instead");
                        sleep(RETRY).await;
                    }
                }
            }
        });
        Ok(())
    }

    /// Gives a hint once in each period, for what the kernel does not notify of.
    pub(super) fn every(&mut self, period: Duration) {
        let given = Arc::clone(&self.given);
        self.givers.spawn(async move {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                given.notify_one();
            }
        });
    }

    /// Waits until there is one, and takes it.
    pub(super) async fn next(&self) {
        self.given.notified().await;
    }

    /// Takes what is there.
    pub(super) fn clear(&self) {
        // At most one is kept.
        let _ = self.given.notified().now_or_never();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_that_nobody_looked_at_are_one() {
        let hints = Hints::default();
        hints.given.notify_one();
        hints.given.notify_one();
        assert_eq!(hints.next().now_or_never(), Some(()));
        assert_eq!(hints.next().now_or_never(), None, "two hints are one");
        hints.given.notify_one();
        hints.clear();
        assert_eq!(hints.next().now_or_never(), None);
    }
}
