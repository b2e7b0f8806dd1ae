//! The router side of IGMP (RFC 9776, with RFC 2236 and RFC 1112 hosts beside it), the host side of a proxy (RFC 4605) and PIM
//! sparse mode (RFC 7761), without input, output, clock or randomness of their own.
//!
//! Events go in, actions come out, and time is an argument. Given the same events at the same times, the core does the
//! same, so it can be simulated.
//!
//! # Map of the crate
//!
//! | module | holds |
//! |---|---|
//! | [`router`] | the way in: events, deadlines, views; the contract with the caller |
//! | [`event`], [`action`], [`config`], [`liveness`], [`time`], [`view`] | what goes in and what comes out |
//! | `interface`, `parameters` | one interface, and the timers and counters in force on it (RFC 9776 §8) |
//! | `querier` | start-up, General Queries, election (§6.6.2) |
//! | `membership`, `found` | what a report, an ended timer or a find in the kernel's map changes |
//! | `table` | the state tables as one `match`, to be held against §6.4.1 and §6.4.2 by eye |
//! | `compat` | hosts of older versions (§7.3.2) |
//! | `group`, `mode`, `sources` | group and source records (§6.2), and what the kernel is told of them |
//! | `forwarding` | where packets go, as it follows from the members on all interfaces (§6.3) |
//! | `specific_query` | specific queries: repetition, merging, S flag, splitting; those of other routers (§6.6) |
//! | `timer`, `timers`, `deadlines` | a timer that the kernel refreshes unseen, an index of deadlines, and all of them |
//! | `static_group`, `limits` | what the configuration adds and what it refuses |
//! | [`dense`] | an ordered map for what there may be a million of |
//! | `budget` | how much there is room for on all interfaces together |
//! | [`subscription`] | what all downstream members want together, for a proxy to ask upstream (RFC 4605 §4.1) |
//! | [`member`] | what members on single interfaces want, for PIM |
//! | [`pim`] | PIM sparse mode (RFC 7761), with events and deadlines of its own |
//! | [`host`] | the host side of that proxy on its upstream interface (RFC 9776 §5), with events and deadlines of its own |
//!
//! # Timers are lazy
//!
//! The XDP program writes the time of a report that changes nothing into its maps and tells nobody. The core keeps a
//! deadline for each group and source with the instant up to which reports are accounted for in it (`timer`). When the
//! deadline comes, it reads the kernel's time through [`Liveness`], and if a report came after that instant it only sets
//! the next deadline. A leave lowers a timer as of the time at which the leave was received: what the kernel saw before
//! does not count any more, what it saw after does.

#![forbid(unsafe_code)]

pub mod action;
pub mod config;
pub mod dense;
pub mod event;
pub mod host;
pub mod liveness;
pub mod member;
pub mod pim;
pub mod router;
pub mod subscription;
pub mod time;
pub mod view;

mod budget;
mod compat;
mod context;
mod deadlines;
mod forwarding;
mod found;
mod group;
mod interface;
mod interval;
mod limits;
mod membership;
mod mode;
mod parameters;
mod querier;
mod random;
mod sources;
mod specific_query;
mod static_group;
mod table;
mod timer;
mod timers;

// Tests inside and outside of the crate share a model.
#[cfg(test)]
extern crate self as igmp_core;
#[cfg(test)]
#[path = "../tests/routes/mod.rs"]
mod routes;
#[cfg(test)]
mod tests;

pub use action::{Action, Notification, NotificationKind, Outgoing, Reason, Refresh, SendQuery, Warning};
pub use config::{InterfaceConfig, StaticGroup};
pub use event::{Event, Found, Query, Report, ReportKind};
pub use host::{Host, HostConfig, HostEvent, SendReport};
pub use liveness::{GroupTimes, Liveness, SourceTime};
pub use member::{MemberChange, MemberWish, SourceWish};
pub use mode::FilterMode;
pub use pim::{Pim, PimAction, PimEvent};
pub use router::Router;
pub use subscription::{SourceListChange, Subscription, SubscriptionChange};
pub use time::{Duration, Instant};
pub use view::{GroupView, InterfaceView, RouteView, SourceView};

/// The caller's number for an interface: the slot that it has in the kernel's maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(pub u32);
