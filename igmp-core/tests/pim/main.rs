//! PIM sparse mode (RFC 7761) from outside.
//!
//! | module | holds |
//! |---|---|
//! | `bench` | one router |
//! | `links` | Hellos, neighbours and the Designated Router (§4.3) |
//! | `trees_world` | one router with several links and unicast routes |
//! | `trees_members` | local members |

mod bench;
mod links;
mod trees_members;
mod trees_world;
