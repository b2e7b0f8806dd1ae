//! PIM sparse mode (RFC 7761) from outside.
//!
//! | module | holds |
//! |---|---|
//! | `bench` | one router |
//! | `links` | Hellos, neighbours and the Designated Router (§4.3) |

mod bench;
mod links;
