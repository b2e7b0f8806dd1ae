//! UDP packets made by hand, right or wrong in any field.

use std::net::Ipv4Addr;

use super::{PORT, Payload, payload::new_stream, sender::SIZE};
use crate::{Namespace, RawSocket};

/// An Ethernet address that no interface here has.
pub const SENDER_MAC: [u8; 6] = [0x02, 0x00, 0x00, 0xee, 0x00, 0x02];

/// A UDP packet with a numbered payload. [`Datagram::frame`] fills in lengths and checksums as they should be, unless they
/// were given.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// Ethernet destination, where it is not that of the group.
    pub destination_mac: Option<[u8; 6]>,
    /// VLAN IDs of the tags, the outer one first.
    pub vlans: Vec<u16>,
    /// The priority bits of the outer tag, 0 to 7.
    pub priority: u16,
    /// IP version and header length in words, where they are not to be right.
    pub version_ihl: Option<u8>,
    /// IP source.
    pub source: Ipv4Addr,
    /// IP destination.
    pub destination: Ipv4Addr,
    /// IP time to live.
    pub ttl: u8,
    /// IP type of service.
    pub tos: u8,
    /// IP identification.
    pub id: u16,
    /// IP options, a multiple of four bytes.
    pub options: Vec<u8>,
    /// The IP header's total length, where it is not to be right.
    pub total_len: Option<u16>,
    /// What to add to the right checksum of the IP header.
    pub header_checksum_error: u16,
    /// What to add to the right UDP checksum.
    pub checksum_error: u16,
    /// What is carried.
    pub payload: Payload,
    /// Bytes of payload.
    pub size: usize,
    /// Bytes behind the IP packet beyond those that make the frame long enough.
    pub padding: usize,
    /// The frame is cut off after this many bytes.
    pub cut: Option<usize>,
}

impl Datagram {
    /// A packet with nothing wrong.
    pub fn new(source: impl Into<Ipv4Addr>, destination: impl Into<Ipv4Addr>, payload: Payload) -> Self {
        Self {
            destination_mac: None,
            vlans: Vec::new(),
            priority: 0,
            version_ihl: None,
            source: source.into(),
            destination: destination.into(),
            ttl: 16,
            tos: 0,
            id: 0,
            options: Vec::new(),
            total_len: None,
            header_checksum_error: 0,
            checksum_error: 0,
            payload,
            size: SIZE,
            padding: 0,
            cut: None,
        }
    }

    /// A packet changed by hand.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The frame's bytes.
    pub fn frame(&self) -> Vec<u8> {
        let udp = self.udp();
        let mut packet = self.header(20 + self.options.len() + udp.len(), 0);
        packet.extend(udp);
        self.framed(&packet)
    }

    /// The packet in two or more frames, each fragment with at most `most` bytes of IP payload, a multiple of eight.
    pub fn fragments(&self, most: usize) -> Vec<Vec<u8>> {
        assert!(most.is_multiple_of(8), "fragments begin at multiples of 8 bytes");
        let udp = self.udp();
        let last = (udp.len() - 1) / most;
        let parts = udp.chunks(most).enumerate();
        parts
            .map(|(index, part)| {
                let offset = u16::try_from(index * most / 8).expect("13 bits");
                let more = u16::from(index < last) << 13;
                let mut packet = self.header(20 + self.options.len() + part.len(), more | offset);
                packet.extend(part);
                self.framed(&packet)
            })
            .collect()
    }

    fn framed(&self, packet: &[u8]) -> Vec<u8> {
        let mut frame = self
            .destination_mac
            .unwrap_or_else(|| group_mac(self.destination))
            .to_vec();
        frame.extend(SENDER_MAC);
        for (index, vlan) in self.vlans.iter().enumerate() {
            let priority = if index == 0 { self.priority << 13 } else { 0 };
            frame.extend([0x81, 0x00]);
            frame.extend((priority | vlan).to_be_bytes());
        }
        frame.extend([0x08, 0x00]);
        frame.extend(packet);
        let len = frame.len().max(60) + self.padding;
        // Not zeros, so that padding that is taken for a part of the packet is noticed.
        frame.resize(len, 0xa5);
        frame.truncate(self.cut.unwrap_or(len));
        frame
    }

    fn header(&self, len: usize, fragment: u16) -> Vec<u8> {
        let words = u8::try_from(5 + self.options.len() / 4).expect("an IPv4 header has at most 15 words");
        let total = u16::try_from(len).expect("an IPv4 packet has at most 65535 bytes");
        let mut header = vec![self.version_ihl.unwrap_or(0x40 | words), self.tos];
        header.extend(self.total_len.unwrap_or(total).to_be_bytes());
        header.extend(self.id.to_be_bytes());
        header.extend(fragment.to_be_bytes());
        header.extend([self.ttl, 17, 0, 0]);
        header.extend(self.source.octets());
        header.extend(self.destination.octets());
        header.extend(&self.options);
        let checksum = (!sum(&header)).wrapping_add(self.header_checksum_error);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        header
    }

    fn udp(&self) -> Vec<u8> {
        let payload = self.payload.bytes(self.size);
        let len = u16::try_from(8 + payload.len()).expect("a UDP packet has at most 65535 bytes");
        let mut udp = PORT.to_be_bytes().to_vec();
        udp.extend(PORT.to_be_bytes());
        udp.extend(len.to_be_bytes());
        udp.extend([0, 0]);
        udp.extend(payload);
        let checksum = !udp_sum(self.source, self.destination, &udp);
        let checksum = if checksum == 0 { 0xffff } else { checksum };
        udp[6..8].copy_from_slice(&checksum.wrapping_add(self.checksum_error).to_be_bytes());
        udp
    }
}

/// A stream of packets made by hand.
#[derive(Debug)]
pub struct Handmade {
    raw: RawSocket,
    stream: u32,
    next: u64,
}

impl Handmade {
    /// Begins a stream out of an interface of a namespace.
    #[track_caller]
    pub fn new(namespace: &Namespace, interface: &str) -> Self {
        Self {
            raw: RawSocket::open(namespace, interface),
            stream: new_stream(),
            next: 0,
        }
    }

    /// The stream's number.
    pub fn stream(&self) -> u32 {
        self.stream
    }

    /// The next packet of the stream, to be changed and sent.
    #[must_use]
    pub fn next(&mut self, source: impl Into<Ipv4Addr>, group: impl Into<Ipv4Addr>) -> Datagram {
        let payload = Payload {
            stream: self.stream,
            sequence: self.next,
        };
        self.next += 1;
        Datagram::new(source, group, payload)
    }

    /// Sends a packet.
    #[track_caller]
    pub fn send(&self, datagram: &Datagram) {
        self.send_frame(&datagram.frame());
    }

    /// Sends a frame as it is.
    #[track_caller]
    pub fn send_frame(&self, frame: &[u8]) {
        self.raw.send_frame(frame);
    }
}

/// The Ethernet address of a group (RFC 1112 §6.4), broadcast for other addresses.
pub fn group_mac(group: Ipv4Addr) -> [u8; 6] {
    let [_, b, c, d] = group.octets();
    if group.is_multicast() {
        [0x01, 0x00, 0x5e, b & 0x7f, c, d]
    } else {
        [0xff; 6]
    }
}

/// The sum of RFC 1071 over some bytes.
pub fn sum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0)));
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).expect("folded to 16 bits")
}

/// The sum over a UDP packet with its pseudo header (RFC 768): all ones where the checksum in it is right.
pub fn udp_sum(source: Ipv4Addr, destination: Ipv4Addr, udp: &[u8]) -> u16 {
    let mut bytes = source.octets().to_vec();
    bytes.extend(destination.octets());
    bytes.extend([0, 17]);
    bytes.extend(u16::try_from(udp.len()).unwrap_or(0).to_be_bytes());
    bytes.extend(udp);
    sum(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: Payload = Payload {
        stream: 1,
        sequence: 2,
    };

    #[test]
    fn checksums_sum_up_to_ones() {
        let frame = Datagram::new([10, 0, 0, 2], [239, 1, 2, 3], PAYLOAD).frame();
        assert_eq!(sum(&frame[14..34]), 0xffff);
        assert_eq!(
            udp_sum([10, 0, 0, 2].into(), [239, 1, 2, 3].into(), &frame[34..]),
            0xffff
        );
    }

    // RFC 1071 §3 has this sum worked out.
    #[test]
    fn a_sum_of_others() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
    }

    #[test]
    fn fragments_hold_the_whole_packet() {
        let datagram = Datagram::new([10, 0, 0, 2], [239, 1, 2, 3], PAYLOAD).with(|it| it.size = 3_000);
        let fragments = datagram.fragments(1_480);
        let lens: Vec<_> = fragments.iter().map(Vec::len).collect();
        // 3,008 bytes of UDP in parts of 1,480, each behind 34 bytes of headers; the last is padded.
        assert_eq!(lens, [1_514, 1_514, 82]);
        let flags: Vec<_> = fragments.iter().map(|frame| [frame[20], frame[21]]).collect();
        assert_eq!(flags, [[0x20, 0], [0x20, 185], [0x01, 0x72]]);
    }
}
