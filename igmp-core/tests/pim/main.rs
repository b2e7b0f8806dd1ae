//! PIM sparse mode (RFC 7761) from outside.
//!
//! | module | holds |
//! |---|---|
//! | `bench` | one router |
//! | `links` | Hellos, neighbours and the Designated Router (§4.3) |
//! | `world` | several routers and what is between them |
//! | `hellos` | the routers of a link in simulation |
//! | `seeds`, `rng` | many seeds, and what follows from them |
//! | `trees_world` | one router with several links and unicast routes |
//! | `trees_members` | local members |
//! | `trees_assert` | asserts (§4.6) |
//! | `trees_simulation` | whole trees in simulation |
//! | `trees_downstream` | joins and prunes of downstream neighbours (§4.5.1 to §4.5.3) |
//! | `trees_packing` | many groups in few messages, and limits |
//! | `trees_random`, `trees_model` | random events, and what they should lead to |
//! | `trees_scale` | the work with many groups |
//! | `trees_upstream` | what upstream neighbours are told (§4.5.4 to §4.5.7) |

mod bench;
mod hellos;
mod links;
#[path = "../simulation/rng.rs"]
mod rng;
mod seeds;
mod trees_assert;
mod trees_downstream;
mod trees_members;
mod trees_model;
mod trees_packing;
mod trees_random;
mod trees_scale;
mod trees_simulation;
mod trees_upstream;
mod trees_world;
mod world;
