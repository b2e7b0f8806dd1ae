//! Waiting for descriptors that tokio has no type for.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use aya_log::EbpfLogger;
use tokio::io::{Interest, unix::AsyncFd};

/// Lets the runtime watch a descriptor.
///
/// # Errors
///
/// Where it cannot be watched, as with files.
#[expect(
    deprecated,
    reason = "its unsafe successor asks for a descriptor that stays open and the same, which an OwnedFd does by itself"
)]
pub(crate) fn of(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, interest)
}

/// Passes on what the XDP program logs, as long as igmpd runs.
pub(crate) async fn forward_log(mut logger: EbpfLogger<&'static dyn log::Log>) {
    let watched = logger
        .as_fd()
        .try_clone_to_owned()
        .and_then(|descriptor| of(descriptor, Interest::READABLE));
    let watched = match watched {
        Ok(watched) => watched,
        Err(error) => {
            tracing::warn!("cannot wait for the log of the XDP program: {error}");
            return;
        }
    };
    while let Ok(mut guard) = watched.readable().await {
        logger.flush();
        guard.clear_ready();
    }
}
