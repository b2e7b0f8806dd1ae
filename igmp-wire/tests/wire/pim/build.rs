//! PIM messages with whatever is wrong in them, built without the crate's own emitter.

use std::net::Ipv4Addr;

use igmp_wire::pim::{self, Assert, Hello, JoinPrune, Message, Received, Refusal};

use crate::build::{HOST, Ip, with_checksum};

pub(super) const ALL_PIM_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 13);
/// Encoded-Unicast address of the router 10.0.0.1.
pub(super) const UPSTREAM: [u8; 6] = [1, 0, 10, 0, 0, 1];

/// The header of a PIM packet that is in order.
pub(super) fn ip() -> Ip {
    Ip {
        protocol: 103,
        destination: ALL_PIM_ROUTERS,
        options: Vec::new(),
        ..Ip::default()
    }
}

/// The message of this type, with a right checksum, in a packet.
pub(super) fn packet(message_type: u8, content: &[u8]) -> Vec<u8> {
    let mut message = vec![0x20 | message_type, 0, 0, 0];
    message.extend(content);
    ip().packet(&with_checksum(&message))
}

/// Why the message is refused.
#[track_caller]
pub(super) fn refusal(message_type: u8, content: &[u8]) -> Refusal {
    pim::open(&packet(message_type, content)).expect_err("a message to be refused")
}

#[track_caller]
fn open(packet: &[u8]) -> Message<'_> {
    let Received { source, message } = pim::open(packet).expect("a message in order");
    assert_eq!(source, HOST);
    message
}

/// Opens a Hello with these options.
#[track_caller]
pub(super) fn hello<T>(options: &[u8], look: impl FnOnce(Hello<'_>) -> T) -> T {
    match open(&packet(0, options)) {
        Message::Hello(hello) => look(hello),
        other => panic!("{other:?}"),
    }
}

/// Opens a Join/Prune with this content.
#[track_caller]
pub(super) fn join_prune<T>(content: &[u8], look: impl FnOnce(JoinPrune<'_>) -> T) -> T {
    match open(&packet(3, content)) {
        Message::JoinPrune(message) => look(message),
        other => panic!("{other:?}"),
    }
}

/// Opens an Assert with this content.
#[track_caller]
pub(super) fn assert(content: &[u8]) -> Assert {
    match open(&packet(5, content)) {
        Message::Assert(assert) => assert,
        other => panic!("{other:?}"),
    }
}
