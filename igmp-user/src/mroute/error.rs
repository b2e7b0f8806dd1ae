//! What can go wrong between the engine and the kernel, in sentences for operators.

use std::io;

use super::{Flow, MAX_VIFS};

/// Why multicast routing could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon has it.
    #[error(
        "another program already drives the kernel's multicast routing in this network namespace (pimd, mrouted, \
         smcrouted, igmpproxy and FRR do); stop it, or set forwarding = \"xdp\""
    )]
    InUse,
    /// The kernel has none.
    #[error(
        "this kernel has no IPv4 multicast routing (CONFIG_IP_MROUTE); set forwarding = \"xdp\", or use a kernel that \
         has it"
    )]
    Unsupported,
    /// A capability is missing.
    #[error("driving the kernel's multicast routing needs CAP_NET_RAW and CAP_NET_ADMIN")]
    NotPermitted,
    /// Something else.
    #[error("cannot take over the kernel's multicast routing: {0}")]
    Other(#[source] io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EADDRINUSE) => Self::InUse,
            Some(libc::ENOPROTOOPT | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT) => Self::Unsupported,
            Some(libc::EPERM | libc::EACCES) => Self::NotPermitted,
            _ => Self::Other(error),
        }
    }
}

/// Why an interface is not served.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    /// All virtual interfaces are taken.
    #[error(
        "no multicast data is forwarded on {interface}: the kernel's multicast routing has room for {MAX_VIFS} \
         interfaces, and all are taken; forwarding = \"xdp\" has no such limit"
    )]
    Limit {
        /// The interface.
        interface: String,
    },
    /// The kernel refused it.
    #[error(
        "no multicast data is forwarded on {interface}: the kernel's multicast routing refused it: {source}"
    )]
    Refused {
        /// The interface.
        interface: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The kernel refused an entry, or messages could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// An entry could not be made or changed.
    #[error("the kernel's multicast routing refused the entry of {} to {}: {source}", flow.source, flow.group)]
    Refused {
        /// The flow that has no entry now.
        flow: Flow,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Messages could not be read.
    #[error("cannot read what the kernel's multicast routing asks: {0}")]
    Receive(#[source] io::Error),
}
