//! The parser against the rules of the RFCs: packets built by hand, expected results written down beforehand or
//! computed by an independent model.

mod abi;
mod admission;
mod build;
mod data;
mod link;
mod membership;
mod model;
mod network;
mod pim;
mod plain;
mod properties;
mod records;
mod refreshes;
mod vectors;
