//! Tests of the router through its public interface, with a model of the XDP program between hosts and router.

mod bench;
mod compat;
mod elections;
mod intervals;
mod invariants;
mod kernel;
mod limits;
mod queries;
mod statics;
