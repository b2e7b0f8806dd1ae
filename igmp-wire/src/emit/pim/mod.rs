//! Writing PIM messages (RFC 7761 §4.9) and the frames that carry them.
//!
//! ```
//! use core::net::Ipv4Addr;
//! use igmp_wire::{
//!     emit::pim::{Frame, GroupSet, JoinPrune, Message},
//!     ethernet::Vlan,
//!     pim::Entry,
//! };
//!
//! let join = [Entry::Sg(Ipv4Addr::new(192, 0, 2, 1))];
//! let sets = [GroupSet {
//!     group: Ipv4Addr::new(232, 1, 2, 3),
//!     joins: &join,
//!     prunes: &[],
//! }];
//! let mut buffer = [0; 1518];
//! // An MTU of 1,500 bytes leaves 1,480 behind the IPv4 header.
//! for message in JoinPrune::pack(Ipv4Addr::new(10, 0, 0, 1), 210, &sets, 1480) {
//!     let frame = Frame {
//!         source_mac: [0x02, 0, 0, 0, 0, 1],
//!         vlan: Vlan::Untagged,
//!         source: Ipv4Addr::new(10, 0, 0, 2),
//!         identification: 0,
//!         message: Message::JoinPrune(message),
//!     };
//!     assert_eq!(frame.emit(&mut buffer)?, 14 + 20 + 34);
//!     assert_eq!(buffer[..6], [0x01, 0x00, 0x5e, 0, 0, 13]);
//! }
//! # Ok::<(), igmp_wire::emit::Error>(())
//! ```

mod frame;
mod hello;
mod join_prune;
mod message;

pub use frame::Frame;
pub use hello::Hello;
pub use join_prune::{GroupSet, JoinPrune, Pack, group_set_len};
pub use message::Message;

use crate::ipv4::MIN_HEADER_LEN;

/// Length of the longest PIM message: what an IPv4 packet can hold behind a header without options.
pub const MAX_MESSAGE_LEN: usize = u16::MAX as usize - MIN_HEADER_LEN;

#[cfg(test)]
mod tests;
