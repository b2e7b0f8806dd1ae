//! Where packets go: the routes that the router tells of, on several interfaces.
//!
//! After every event what was told so far is held against a naive reading of all groups (`routes`). The ports written
//! down in `members`, `statics` and `order` follow from RFC 9776 §6.3, Table 7: in INCLUDE mode the listed sources are
//! forwarded, in EXCLUDE mode all but those whose timers do not run.
//!
//! | module | holds |
//! |---|---|
//! | `bench` | a router and an agent that follows it |
//! | `members` | hosts that come and go |
//! | `statics` | groups of the configuration |
//! | `order` | the order of what is told, and reading it |
//! | `random` | random events |
//! | `scale` | many groups |
//! | `member_log` | what members on single interfaces want, as PIM is told |
//! | `subscriptions` | what a proxy is to ask of its upstream router |

mod bench;
mod member_log;
mod members;
mod order;
mod random;
#[path = "../routes/mod.rs"]
mod routes;
mod scale;
mod statics;
mod subscriptions;
