//! PIM (RFC 7761) with FRR's pimd as the other router: what members ask for travels to it, and the data comes back.
//!
//! What is expected follows from who joined, from the numbers of the packets that were sent, and from what FRR says it
//! knows. Whatever the routers under test sent is read by tshark at the end of each test.
//!
//! FRR's route lookups do not resolve over a default route, so all its routes are explicit.

mod any_source;
mod assert;
mod baseline;
mod chain;
mod engines;
mod floods;
mod hostile;
mod kernel;
mod lan;
mod links;
mod neighbors;
mod restart;
mod scale;
mod scene;
mod siblings;
mod source_specific;
mod source_tree;
mod transit;
