//! The router side of IGMP (RFC 9776, with RFC 2236 and RFC 1112 hosts beside it), without input, output, clock or
//! randomness of its own.
//!
//! Events go in, actions come out, and time is an argument. Given the same events at the same times, the core does the
//! same, so it can be simulated.

#![forbid(unsafe_code)]

pub mod action;
pub mod config;
pub mod event;
pub mod liveness;
pub mod router;
pub mod time;
pub mod view;

mod compat;
mod context;
mod found;
mod group;
mod interface;
mod limits;
mod membership;
mod parameters;
mod querier;
mod specific_query;
mod static_group;
mod table;
mod timer;
mod timers;

#[cfg(test)]
mod tests;

pub use action::{Action, Notification, NotificationKind, Reason, Refresh, SendQuery, Warning};
pub use config::{InterfaceConfig, StaticGroup};
pub use event::{Event, Found, Query, Report, ReportKind};
pub use group::FilterMode;
pub use liveness::{GroupTimes, Liveness, SourceTime};
pub use router::Router;
pub use time::{Duration, Instant};
pub use view::{GroupView, InterfaceView, SourceView};

/// The caller's number for an interface: the slot that it has in the kernel's maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(pub u32);
