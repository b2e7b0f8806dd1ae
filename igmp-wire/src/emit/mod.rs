//! Writing messages, the packets that carry them and the frames that carry those. What is here is IGMP; PIM is in
//! [`pim`], in the same manner.
//!
//! Each type here says what is to be written, tells how many bytes that takes (`buffer_len`) and writes them (`emit`).
//! What it writes is what a standard sender sends (RFC 9776 §4): TTL 1, the precedence of Internetwork Control, the
//! Router Alert option on all but version 1, no auxiliary data and nothing behind the message. `emit` writes every byte
//! of its `buffer_len`, so a buffer may be used again as it is, and leaves the rest of the buffer alone.
//!
//! [`Frame`] is what a sender usually needs:
//!
//! ```
//! use core::net::Ipv4Addr;
//! use igmp_wire::{
//!     emit::{Frame, Message, Query, QueryTarget},
//!     ethernet::Vlan,
//! };
//!
//! let frame = Frame {
//!     source_mac: [0x02, 0, 0, 0, 0, 1],
//!     vlan: Vlan::Untagged,
//!     source: Ipv4Addr::new(192, 0, 2, 1),
//!     identification: 0,
//!     message: Message::Query(Query::V3 {
//!         max_response_time: 100,
//!         suppress: false,
//!         qrv: 2,
//!         query_interval: 125,
//!         target: QueryTarget::General,
//!     }),
//! };
//! let mut buffer = [0; 64];
//! assert_eq!(frame.emit(&mut buffer)?, 14 + 24 + 12);
//! assert_eq!(buffer[..6], [0x01, 0x00, 0x5e, 0, 0, 1]);
//! # Ok::<(), igmp_wire::emit::Error>(())
//! ```

mod ethernet;
mod frame;
mod ipv4;
mod message;
pub mod pim;
mod query;
mod report;
mod writer;

pub use ethernet::EthernetHeader;
pub use frame::Frame;
pub use ipv4::Ipv4Header;
pub use message::Message;
pub use query::{Query, QueryTarget};
pub use report::Record;

/// Length of the longest IGMP message: what an IPv4 packet can hold behind a header with the Router Alert option.
pub const MAX_MESSAGE_LEN: usize = u16::MAX as usize - ipv4::MAX_HEADER_LEN;

/// Why something was not written. The buffer is then as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The buffer is shorter than `buffer_len`.
    BufferTooSmall {
        /// How many bytes are to be written.
        needed: usize,
        /// How many the buffer has.
        available: usize,
    },
    /// The message has so many records, sources or addresses that no IPv4 packet can hold it. They have to be split
    /// over several messages (RFC 9776 §4.2.17), long before this limit where the link's MTU is to be met.
    TooLong {
        /// How many bytes the message would have; `usize::MAX` where even that is too small to say.
        len: usize,
    },
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BufferTooSmall { needed, available } => {
                write!(f, "{needed} bytes do not fit into a buffer of {available}")
            }
            Self::TooLong { len } => {
                write!(f, "a message of {len} bytes does not fit into an IPv4 packet")
            }
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests;
