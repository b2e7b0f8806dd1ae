//! PIM messages, read, and written again.

use igmp_wire::{
    emit::pim::{self as emit, GroupSet},
    pim::{self, ENCODED_SOURCE_LEN, Entry, GROUP_SET_HEADER_LEN, Message, Received, Refusal},
};

use crate::put_checksum;

/// A packet as a raw socket delivers it, as it is and with the right checksum of the message.
pub fn pim(packet: &[u8]) {
    match pim::open(packet) {
        Ok(received) => look(packet, received),
        Err(Refusal::Checksum) => {
            let header_len = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
            let total_len = match packet {
                [_, _, high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
                _ => 0,
            };
            let mut repaired = packet.to_vec();
            let message = repaired.get_mut(header_len..total_len);
            let put = message.and_then(|message| put_checksum(message, 2));
            assert!(put.is_some(), "what was summed is there");
            match pim::open(&repaired) {
                Ok(received) => look(&repaired, received),
                Err(refusal) => assert_ne!(refusal, Refusal::Checksum),
            }
        }
        Err(_) => {}
    }
}

/// Goes through a message, writes it again and finds the same in it.
fn look(packet: &[u8], received: Received<'_>) {
    match received.message {
        Message::Hello(hello) => {
            let addresses: Vec<_> = hello.secondary_addresses().collect();
            assert!(addresses.len() * 6 <= packet.len());
            let written = emit::Hello {
                holdtime: hello.holdtime,
                lan_prune_delay: hello.lan_prune_delay,
                dr_priority: hello.dr_priority,
                generation_id: hello.generation_id,
                secondary_addresses: &addresses,
            };
            again(received, emit::Message::Hello(written), |message| {
                let Message::Hello(found) = message else {
                    panic!("{message:?}");
                };
                assert_eq!(
                    (
                        found.holdtime,
                        found.lan_prune_delay,
                        found.dr_priority,
                        found.generation_id
                    ),
                    (
                        hello.holdtime,
                        hello.lan_prune_delay,
                        hello.dr_priority,
                        hello.generation_id
                    )
                );
                assert!(found.secondary_addresses().eq(addresses.iter().copied()));
            });
        }
        Message::JoinPrune(join_prune) => {
            let lists: Vec<(_, Vec<Entry>, Vec<Entry>)> = join_prune
                .groups()
                .map(|set| (set.group, set.joins().collect(), set.prunes().collect()))
                .collect();
            let sets: Vec<_> = lists
                .iter()
                .map(|(group, joins, prunes)| GroupSet {
                    group: *group,
                    joins,
                    prunes,
                })
                .collect();
            let len: usize = sets.iter().map(GroupSet::buffer_len).sum();
            let skipped = join_prune.skipped as usize * GROUP_SET_HEADER_LEN.min(ENCODED_SOURCE_LEN);
            assert!(len + skipped <= packet.len());
            let (upstream, holdtime) = (join_prune.upstream_neighbor, join_prune.holdtime);
            let mut messages = emit::JoinPrune::pack(upstream, holdtime, &sets, emit::MAX_MESSAGE_LEN);
            if let Some(message) = messages.next() {
                again(received, emit::Message::JoinPrune(message), |message| {
                    let Message::JoinPrune(found) = message else {
                        panic!("{message:?}");
                    };
                    assert_eq!((found.upstream_neighbor, found.holdtime), (upstream, holdtime));
                    assert_eq!(found.skipped, 0);
                    let found: Vec<(_, Vec<_>, Vec<_>)> = found
                        .groups()
                        .map(|set| (set.group, set.joins().collect(), set.prunes().collect()))
                        .collect();
                    assert_eq!(found, lists);
                });
            }
            assert_eq!(messages.next(), None);
        }
        Message::Assert(assert) => again(received, emit::Message::Assert(assert), |message| {
            assert_eq!(message, Message::Assert(assert));
        }),
    }
}

/// Writes `message` in a packet from the same sender, and reads it.
fn again(received: Received<'_>, message: emit::Message<'_>, look: impl FnOnce(Message<'_>)) {
    let frame = emit::Frame {
        source_mac: [0x02, 0, 0, 0, 0, 1],
        vlan: igmp_wire::ethernet::Vlan::Untagged,
        source: received.source,
        identification: 0,
        message,
    };
    let mut bytes = vec![0; frame.buffer_len()];
    assert_eq!(frame.emit(&mut bytes), Ok(bytes.len()));
    let packet = bytes.split_off(frame.ethernet().buffer_len());
    match pim::open(&packet) {
        Ok(found) => {
            assert_eq!(found.source, received.source);
            look(found.message);
        }
        Err(refusal) => panic!("{refusal:?}"),
    }
}
