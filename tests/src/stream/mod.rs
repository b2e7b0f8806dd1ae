//! Multicast data: streams of numbered packets, and what became of them.
//!
//! A [`Sender`] numbers its packets, a [`Receiver`] joins groups with a real socket and keeps the numbers that came out of
//! it, and a [`Tap`] sees every frame that arrives on a link, whether anybody joined or not. A [`Site`] is the network that
//! most tests of forwarding need: a sender, the router, and receivers on networks of their own.

pub mod arrivals;
pub mod datagram;
pub mod message;
pub mod payload;
pub mod receiver;
pub mod sender;
pub mod site;
pub mod tap;

pub use arrivals::Arrivals;
pub use datagram::{Datagram, Handmade};
pub use payload::Payload;
pub use receiver::Receiver;
pub use sender::{Sender, Stream};
pub use site::{Datapath, Site, Station};
pub use tap::{Frame, Tap};

/// The UDP port of all data.
pub const PORT: u16 = 5000;
