//! The control socket: HTTP over a Unix socket, for igmpctl and curl.
//!
//! The handlers know nothing but the channel to the agent, so they can be tested without a kernel.

mod body;
mod paged;
mod server;
mod socket;
#[cfg(test)]
mod tests;

use std::{net::Ipv4Addr, sync::Arc};

use tokio::sync::{broadcast, mpsc, oneshot};

pub use server::serve;
pub use socket::{ControlSocket, SocketError};

use crate::api;

/// How many events `monitor` may be behind before it misses some.
pub const MONITOR_BACKLOG: usize = 16_384;
/// How many requests may wait for the agent.
pub const REQUEST_BACKLOG: usize = 16;

/// What the handlers need: the way to the agent.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Requests to the agent.
    pub requests: mpsc::Sender<Request>,
    /// Where every `monitor` subscribes.
    pub monitor: broadcast::Sender<Arc<api::MonitorEvent>>,
}

/// Something that is asked of the agent. The answer goes through the channel in it; the asker may be gone by then.
#[derive(Debug)]
pub enum Request {
    /// A part of the table of groups.
    Groups {
        /// Which groups.
        filter: Filter,
        /// Where to go on, `None` for the beginning.
        from: Option<Position>,
        /// The answer.
        reply: oneshot::Sender<Result<Page, RequestError>>,
    },
    /// A part of the table of routes.
    Routes {
        /// Which routes.
        filter: Filter,
        /// Where to go on, `None` for the beginning.
        from: Option<RoutePosition>,
        /// The answer.
        reply: oneshot::Sender<Result<RoutePage, RequestError>>,
    },
    /// A part of the table of joins.
    Joins {
        /// Which joins.
        filter: Filter,
        /// Where to go on, `None` for the beginning.
        from: Option<RoutePosition>,
        /// The answer.
        reply: oneshot::Sender<Result<JoinPage, RequestError>>,
    },
    /// The interfaces.
    Interfaces(oneshot::Sender<api::Interfaces>),
    /// The PIM neighbours.
    Neighbors(oneshot::Sender<api::Neighbors>),
    /// The counters.
    Statistics(oneshot::Sender<api::Statistics>),
    /// Forget groups.
    ClearGroups {
        /// Which groups.
        filter: Filter,
        /// The answer.
        reply: oneshot::Sender<Result<api::Cleared, RequestError>>,
    },
    /// Read the configuration again.
    Reload(oneshot::Sender<Result<api::Reloaded, RequestError>>),
}

/// Which groups, routes or joins are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those on this interface, or on all; routes whose packets come in or go out there.
    pub interface: Option<String>,
    /// This group, or all.
    pub group: Option<Ipv4Addr>,
}

/// A place in the table of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The interface.
    pub interface: String,
    /// The first group there that has not been delivered.
    pub group: Ipv4Addr,
}

/// A part of the table of groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The groups, in order.
    pub groups: Vec<api::Group>,
    /// Where to go on, `None` after the last.
    pub next: Option<Position>,
}

/// A place in the table of routes or joins, which is in order of group and then of source, `None` first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoutePosition {
    /// The group of the first entry that has not been delivered.
    pub group: Ipv4Addr,
    /// Its source, `None` for any.
    pub source: Option<Ipv4Addr>,
}

/// A part of the table of routes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoutePage {
    /// The routes, in order.
    pub routes: Vec<api::Route>,
    /// Where to go on, `None` after the last.
    pub next: Option<RoutePosition>,
}

/// A part of the table of joins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JoinPage {
    /// The joins, in order.
    pub joins: Vec<api::Join>,
    /// Where to go on, `None` after the last.
    pub next: Option<RoutePosition>,
}

/// Why the agent did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The filter names an interface that igmpd does not know.
    #[error("igmpd has no interface {0}; `igmpctl show interfaces` lists those it has")]
    NoSuchInterface(String),
    /// The new configuration is wrong; the old one stays in force.
    #[error("{0}\nthe configuration in force stays as it is")]
    BadConfiguration(String),
}
