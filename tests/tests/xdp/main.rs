//! The XDP program, packet by packet: frame in; verdict, map changes, events and counters out.
//!
//! What is expected comes from RFC 9776 and its older relatives, as each test says, never from what the program did.

mod agreement;
mod control;
mod forwarding;
mod frames;
mod harness;
mod limits;
mod lost;
mod memberships;
mod numbers;
mod queries;
mod refreshes;
mod refusals;
mod repeated;
mod size;
mod upstream;
