//! PIM against the rules of RFC 7761 §4.9: messages built by hand, captured from another implementation, and generated.

mod build;
mod frr;
mod hello;
mod join_prune;
mod model;
mod properties;
mod refusals;
