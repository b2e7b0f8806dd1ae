//! Waiting for descriptors that tokio has no type for.

use std::{io, os::fd::OwnedFd};

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
