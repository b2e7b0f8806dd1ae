//! igmpctl, the operator's tool.

mod client;
mod command;
mod show;
mod style;
mod well_known;

pub use command::main;
