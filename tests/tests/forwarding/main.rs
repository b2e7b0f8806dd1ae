//! Multicast data through the router: who gets it, who does not, and what it looks like when it arrives.
//!
//! Every packet is numbered. What is expected follows from the numbers that were sent and from who joined, and never from
//! what the router says.

mod harness;
