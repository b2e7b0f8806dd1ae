//! The IGMP proxy (RFC 4605) towards its upstream router: what is asked of whom, and what arrives.

mod common;
mod links;
mod reports;
