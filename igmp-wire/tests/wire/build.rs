//! Packets with whatever is wrong in them, built without the crate's own emitter.

use std::net::Ipv4Addr;

use igmp_wire::{
    Refusal,
    abi::{InterfaceConfig, InterfaceFlags, Prefix},
    admit::{self, Admission, Message},
    igmp::Record,
};

/// The Router Alert option, which nearly every IGMP packet carries.
pub(crate) const ROUTER_ALERT: &[u8] = &[0x94, 4, 0, 0];
/// A host on the router's network.
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The router's own address.
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);

/// The Internet checksum, one byte pair and one carry at a time.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u16 = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let word = if index % 2 == 0 {
            u16::from(*byte) << 8
        } else {
            u16::from(*byte)
        };
        let (total, carry) = sum.overflowing_add(word);
        sum = total + u16::from(carry);
    }
    !sum
}

/// The message with its checksum filled in.
pub(crate) fn with_checksum(message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    if message.len() >= 4 {
        message[2..4].fill(0);
        let value = checksum(&message);
        message[2..4].copy_from_slice(&value.to_be_bytes());
    }
    message
}

/// An IPv4 packet, and what can be wrong with it.
#[derive(Clone, Debug)]
pub(crate) struct Ip {
    pub(crate) version: u8,
    /// In place of the right header length, in words.
    pub(crate) header_words: Option<u8>,
    /// In place of the right total length.
    pub(crate) total_len: Option<u16>,
    pub(crate) fragment: u16,
    pub(crate) ttl: u8,
    pub(crate) protocol: u8,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    /// Padded with End of Options to a multiple of four.
    pub(crate) options: Vec<u8>,
    pub(crate) right_checksum: bool,
}

impl Default for Ip {
    fn default() -> Self {
        Self {
            version: 4,
            header_words: None,
            total_len: None,
            fragment: 0,
            ttl: 1,
            protocol: 2,
            source: HOST,
            destination: Ipv4Addr::new(224, 0, 0, 22),
            options: ROUTER_ALERT.to_vec(),
            right_checksum: true,
        }
    }
}

impl Ip {
    /// The packet with this payload.
    pub(crate) fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let mut options = self.options.clone();
        options.resize(options.len().next_multiple_of(4), 0);
        let header_len = 20 + options.len();
        let words = self.header_words.unwrap_or((header_len / 4) as u8);
        let total_len = self.total_len.unwrap_or((header_len + payload.len()) as u16);
        let mut packet = vec![self.version << 4 | words, 0xc0];
        packet.extend(total_len.to_be_bytes());
        packet.extend([0, 0]);
        packet.extend(self.fragment.to_be_bytes());
        packet.extend([self.ttl, self.protocol, 0, 0]);
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        packet.extend(options);
        // A receiver sums as many bytes as the header says it has.
        let summed = (usize::from(words) * 4).min(packet.len());
        let mut value = checksum(&packet[..summed]);
        if !self.right_checksum {
            value ^= 0x0100;
        }
        packet[10..12].copy_from_slice(&value.to_be_bytes());
        packet.extend(payload);
        packet
    }

    /// The packet in an untagged frame.
    pub(crate) fn frame(&self, payload: &[u8]) -> Vec<u8> {
        frame(&[], &self.packet(payload))
    }
}

/// An Ethernet frame with IPv4 behind these tags, each an EtherType and the two bytes after it.
pub(crate) fn frame(tags: &[(u16, u16)], packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x01, 0x00, 0x5e, 0, 0, 22, 0x02, 0, 0, 0, 0, 9];
    for (ethertype, tag) in tags {
        frame.extend(ethertype.to_be_bytes());
        frame.extend(tag.to_be_bytes());
    }
    frame.extend([0x08, 0x00]);
    frame.extend(packet);
    frame
}

/// A version 3 interface with the address 192.0.2.254/24 that requires Router Alert.
pub(crate) fn config() -> InterfaceConfig {
    let mut config = InterfaceConfig {
        version: 3,
        flags: InterfaceFlags::IGMP | InterfaceFlags::REQUIRE_ROUTER_ALERT,
        prefix_count: 1,
        ..InterfaceConfig::default()
    };
    config.prefixes[0] = Prefix {
        address: ROUTER.to_bits(),
        mask: 0xffff_ff00,
    };
    config
}

/// Judges a frame that is IGMP for sure.
#[track_caller]
pub(crate) fn judge(frame: &[u8], config: &InterfaceConfig) -> Admission {
    let envelope = admit::envelope(&frame).expect("the frame is IGMP over IPv4");
    admit::admit(&frame, envelope.ip, frame.len(), config)
}

/// Why a frame is refused, the records of a version 3 report included; `None` where it is accepted.
#[track_caller]
pub(crate) fn refusal(frame: &[u8], config: &InterfaceConfig) -> Option<Refusal> {
    match judge(frame, config).outcome {
        Ok(Message::Report(walk)) => admit::fits(&frame, &walk).err(),
        outcome => outcome.err(),
    }
}

/// The records of a frame with a version 3 report, each with its sources.
#[track_caller]
pub(crate) fn records(frame: &[u8], config: &InterfaceConfig) -> Vec<(Record, Vec<Ipv4Addr>)> {
    let Ok(Message::Report(mut walk)) = judge(frame, config).outcome else {
        panic!("not an accepted version 3 report");
    };
    let mut records = Vec::new();
    while let Some(record) = walk.next(&frame).expect("the records fit") {
        records.push((record, addresses(frame, record.sources, record.source_count)));
    }
    records
}

/// The addresses at an offset of a frame.
#[track_caller]
pub(crate) fn addresses(frame: &[u8], offset: usize, count: u16) -> Vec<Ipv4Addr> {
    (0..usize::from(count))
        .map(|index| {
            let bytes = frame[offset + 4 * index..].first_chunk::<4>();
            Ipv4Addr::from(*bytes.expect("the addresses are within the frame"))
        })
        .collect()
}
