//! IGMP and PIM on the wire, and the types that the XDP program and the agent share.
//!
//! The crate is `no_std` and holds no `unsafe`: the same parser runs in the kernel, where [`Packet`] is implemented
//! over the frame that a driver handed to XDP, and in user space, where it is implemented for `&[u8]`.
//!
//! # Who may panic
//!
//! Nothing that takes bytes from the network panics: each read goes through [`Packet::read`], which answers `None`
//! outside the frame. Emitting writes into a buffer whose length the caller took from the matching `buffer_len`; a
//! shorter one is refused with [`emit::Error`], and so is a message that no IPv4 packet can hold.
//!
//! # Map of the crate
//!
//! | module | holds |
//! |---|---|
//! | [`packet`] | the cursor-free reader that kernel and user space both implement |
//! | [`ethernet`], [`ipv4`], [`checksum`] | what stands in front of an IGMP message |
//! | [`igmp`] | the messages themselves: queries, reports, leaves, group records, the floating code |
//! | [`admit`] | the order in which an IGMP packet is judged, and the verdict |
//! | [`plain`] | the same for reports of the commonest shape, with less work |
//! | [`data`] | the same for multicast data |
//! | [`refusal`] | one variant for each reason to refuse a packet, and the counter it stands for |
//! | [`pim`] | PIM: Hello, Join/Prune, Assert, and why one is refused; never read in the kernel |
//! | [`emit`] | the same messages to be sent, in packets and frames |
//! | [`address`] | classes of IPv4 addresses that IGMP and PIM treat apart |
//! | [`abi`] | map keys, map values, events, counters and limits of the boundary between kernel and agent |

#![no_std]
#![forbid(unsafe_code)]

pub mod abi;
pub mod address;
pub mod admit;
pub mod checksum;
pub mod data;
pub mod emit;
pub mod ethernet;
pub mod igmp;
pub mod ipv4;
pub mod packet;
pub mod pim;
pub mod plain;
pub mod refusal;

pub use packet::Packet;
pub use refusal::Refusal;
