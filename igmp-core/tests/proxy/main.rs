//! The host side of a proxy.
//!
//! | module | holds |
//! |---|---|
//! | `bench` | a host and a clock, and its messages in words |
//! | `changes` | State-Change Reports: the table, merging and retransmission of RFC 9776 §5.1 |
//! | `queries` | answers to queries of version 3 (§5.2) |
//! | `older` | queriers of version 1 and 2 (§7.2, RFC 2236) |
//! | `links` | an upstream interface that goes, comes and changes |
//! | `scale` | many groups |
//! | `receiver`, `random` | a router that misses nothing, and random events |
//! | `rng` | randomness that a seed repeats |
//! | `silent` | no kernel |
//! | `simulation` | the router side of this crate as the upstream querier, over a link that loses packets |

mod bench;
mod changes;
mod links;
mod older;
mod queries;
mod random;
mod receiver;
#[path = "../simulation/rng.rs"]
mod rng;
mod scale;
#[path = "../silent/mod.rs"]
mod silent;
mod simulation;
