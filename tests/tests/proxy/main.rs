//! The IGMP proxy (RFC 4605) towards its upstream router: what is asked of whom, and what arrives.

mod chain;
mod common;
mod frr;
mod hostile;
mod links;
mod older;
mod queries;
mod reports;
mod scale;
mod scene;
