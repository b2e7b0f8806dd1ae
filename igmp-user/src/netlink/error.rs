//! What can go wrong between igmpd and the kernel's netlink.

/// The kernel's state cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No netlink socket, or one that does not take what it needs.
    #[error("cannot open a netlink socket: {0}")]
    Socket(#[from] std::io::Error),
    /// The kernel refused a dump.
    #[error("cannot list the kernel's {what}: {error}")]
    Dump {
        /// What was to be listed, in the plural.
        what: &'static str,
        /// Why it was not.
        error: rtnetlink::Error,
    },
}

impl NetlinkError {
    /// For `map_err` of a dump of `what`.
    pub(super) fn dump(what: &'static str) -> impl Fn(rtnetlink::Error) -> Self {
        move |error| Self::Dump { what, error }
    }
}

/// The error number with which the kernel refused a request, or `None` where something else went wrong.
pub(super) fn errno(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(message) => Some(-message.raw_code()),
        _ => None,
    }
}
