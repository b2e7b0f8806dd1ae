//! Multicast data: verdict, frame and counters of each packet, and what is kept of its source.
//!
//! A test run ends with the verdict, so nothing is sent; [`egress`] and [`classifier`] look at what leaves for real.

mod agreement;
mod bench;
mod classifier;
mod egress;
mod flows;
mod headers;
mod links;
mod model;
mod passing;
mod routes;
mod signals;
mod sources;
