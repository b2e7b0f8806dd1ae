//! Multicast data: the order in which packets are judged, checksums that are not there yet, and the checksum behind a
//! hop.

use std::net::Ipv4Addr;

use igmp_wire::{
    Refusal,
    abi::{InterfaceConfig, Prefix},
    data::{self, Header},
};
use proptest::{collection::vec, prelude::*};

use crate::{
    build::{HOST, Ip, ROUTER, ROUTER_ALERT, checksum, config},
    model,
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

/// A packet of a host to a group that carries `protocol`.
fn ip(protocol: u8) -> Ip {
    Ip {
        ttl: 64,
        protocol,
        source: HOST,
        destination: GROUP,
        options: Vec::new(),
        ..Ip::default()
    }
}

/// Judges a packet that is all of its frame behind an Ethernet header.
fn judge(packet: &[u8]) -> Result<Header, Refusal> {
    let frame = [&[0xee; 14][..], packet].concat();
    data::judge(&&frame[..], 14, frame.len(), &config())
}

/// Headers with checksums that were computed elsewhere, and what the checksum is with a TTL one lower.
const HEADERS: [(&[u8], u16); 4] = [
    // 115 bytes of UDP from 192.168.0.1, the example of many a textbook.
    (
        &[
            0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0x61, 192, 168, 0, 1, 192, 168, 0, 199,
        ],
        0xb961,
    ),
    (
        &[
            0x45, 0, 0, 0x1c, 0, 0, 0, 0, 0x40, 0x11, 0xc7, 0xc2, 192, 0, 2, 10, 239, 1, 2, 3,
        ],
        0xc8c2,
    ),
    (
        &[
            0x46, 0, 0, 0x1c, 0, 0, 0, 0, 2, 0x11, 0x2e, 0xc6, 10, 1, 1, 2, 232, 1, 2, 3, 0x94, 4, 0, 0,
        ],
        0x2fc6,
    ),
    // Record Route with room for nine addresses.
    (
        &[
            0x4f, 0, 0, 0x3c, 0, 0, 0, 0, 0xff, 0x11, 0x19, 0x6f, 172, 16, 0, 9, 224, 0, 1, 1, //
            7, 39, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        0x1a6f,
    ),
];

#[test]
fn headers_from_elsewhere() {
    for (header, after) in HEADERS {
        let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let mut packet = header.to_vec();
        packet.resize(total_len, 0x5a);
        let found = judge(&packet).expect("all is right with it");
        let address = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
        assert_eq!(
            found,
            Header {
                total_len,
                header_len: header.len(),
                ttl: header[8],
                protocol: header[9],
                fragment: false,
                source: address(12),
                group: address(16),
            }
        );
        let before = u16::from_be_bytes([header[10], header[11]]);
        assert_eq!(data::checksum_after_hop(before, header[8], header[9]), after);
        // Any wrong bit of the header is found, by its checksum at the latest.
        for bit in 0..header.len() * 8 {
            let mut wrong = packet.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(judge(&wrong).is_err(), "bit {bit} of {header:02x?}");
        }
    }
}

/// Something that is wrong with a packet, and the reason that it is refused for.
type Defect = (Refusal, fn(&mut Ip));

/// Defects in the order in which they count, each with what it is counted as.
const DEFECTS: [Defect; 4] = [
    (Refusal::Malformed, |ip| ip.header_words = Some(4)),
    (Refusal::TooShort, |ip| ip.total_len = Some(2_000)),
    (Refusal::Checksum, |ip| ip.right_checksum = false),
    (Refusal::Source, |ip| ip.source = ROUTER),
];

#[test]
fn the_first_of_several_reasons_counts() {
    for defects in 0..1_u32 << DEFECTS.len() {
        let mut ip = ip(17);
        let mut expected = None;
        for (index, (refusal, defect)) in DEFECTS.into_iter().enumerate() {
            if defects >> index & 1 != 0 {
                defect(&mut ip);
                expected = expected.or(Some(refusal));
            }
        }
        assert_eq!(judge(&ip.packet(&[0; 40])).err(), expected, "{ip:?}");
    }
}

#[test]
fn versions_and_header_lengths() {
    for version in 0..16 {
        for words in 0..16 {
            let ip = Ip {
                version,
                header_words: Some(words),
                ..ip(17)
            };
            // What is summed as options is a part of the payload, and nothing is wrong with it.
            let expected = (version != 4 || words < 5).then_some(Refusal::Malformed);
            assert_eq!(judge(&ip.packet(&[0; 40])).err(), expected, "{version} {words}");
        }
    }
}

#[test]
fn options_are_part_of_the_sum_and_nothing_else() {
    for words in 0..=10_usize {
        for filler in [0x00, 0x01, 0x94, 0xff] {
            let options = vec![filler; words * 4];
            let ip = Ip { options, ..ip(17) };
            let found = judge(&ip.packet(&[7; 9])).expect("options are carried along");
            assert_eq!(
                (found.header_len, found.total_len),
                (20 + words * 4, 29 + words * 4)
            );
            let wrong = Ip {
                right_checksum: false,
                ..ip
            };
            assert_eq!(judge(&wrong.packet(&[7; 9])), Err(Refusal::Checksum));
        }
    }
}

#[test]
fn total_length() {
    let with = |total_len: u16| {
        let ip = Ip {
            total_len: Some(total_len),
            options: ROUTER_ALERT.to_vec(),
            ..ip(17)
        };
        judge(&ip.packet(&[0; 16])).map(|header| header.total_len)
    };
    for total_len in 0..24 {
        assert_eq!(with(total_len), Err(Refusal::Malformed), "{total_len}");
    }
    // What follows the packet is padding.
    for total_len in 24..=40 {
        assert_eq!(with(total_len), Ok(usize::from(total_len)));
    }
    for total_len in [41, 1_500, u16::MAX] {
        assert_eq!(with(total_len), Err(Refusal::TooShort), "{total_len}");
    }
}

#[test]
fn every_cut() {
    for options in [0, 4, 40] {
        let ip = Ip {
            options: vec![1; options],
            ..ip(17)
        };
        let packet = ip.packet(&[0; 30]);
        for len in 0..packet.len() {
            assert_eq!(judge(&packet[..len]), Err(Refusal::TooShort), "{len} bytes");
        }
        assert!(judge(&packet).is_ok());
    }
}

/// Jumbo frames are forwarded like others, since nobody looks beyond the headers.
#[test]
fn long_packets() {
    let packet = ip(17).packet(&vec![0; 65_515]);
    assert_eq!(judge(&packet).map(|header| header.total_len), Ok(65_535));
}

#[test]
fn fragments_are_packets_like_any_other() {
    for (field, fragment) in [
        (0x0000, false),
        (0x4000, false),
        (0x8000, false),
        (0xc000, false),
        (0x2000, true),
        (0x0001, true),
        (0x1fff, true),
        (0x2001, true),
        (0x6000, true),
    ] {
        let ip = Ip {
            fragment: field,
            ..ip(17)
        };
        assert_eq!(
            judge(&ip.packet(&[0; 8])).map(|header| header.fragment),
            Ok(fragment),
            "{field:#x}"
        );
    }
}

/// Addresses that no host has (RFC 1812 §5.3.7), and the router's own, which came back.
#[test]
fn sources() {
    let mut two = config();
    two.prefixes[1] = Prefix {
        address: Ipv4Addr::new(10, 9, 8, 1).to_bits(),
        mask: 0xff00_0000,
    };
    let from = |source: [u8; 4], config: &InterfaceConfig| {
        let packet = Ip {
            source: source.into(),
            ..ip(17)
        }
        .packet(&[0; 8]);
        data::judge(&&packet[..], 0, packet.len(), config).err()
    };
    for source in [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [0, 255, 255, 255],
        [127, 0, 0, 1],
        [127, 255, 255, 255],
        [224, 0, 0, 1],
        [239, 1, 2, 3],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
        ROUTER.octets(),
    ] {
        assert_eq!(from(source, &config()), Some(Refusal::Source), "{source:?}");
    }
    // An address counts while there are as many prefixes.
    assert_eq!(from([10, 9, 8, 1], &two), None);
    two.prefix_count = 2;
    assert_eq!(from([10, 9, 8, 1], &two), Some(Refusal::Source));
    // Whose network it is, is not asked here; unused prefixes are no addresses.
    for source in [
        [1, 0, 0, 0],
        [10, 9, 8, 2],
        [126, 255, 255, 255],
        [128, 0, 0, 0],
        [192, 0, 2, 10],
        [223, 255, 255, 255],
    ] {
        assert_eq!(from(source, &two), None, "{source:?}");
    }
}

/// A UDP packet to the group, with this checksum field.
fn udp(payload: &[u8], field: u16) -> Vec<u8> {
    let len = 8 + payload.len() as u16;
    let mut udp = vec![0x13, 0x88, 0x13, 0x88];
    udp.extend(len.to_be_bytes());
    udp.extend(field.to_be_bytes());
    udp.extend(payload);
    udp
}

/// The pseudo header of RFC 768.
fn pseudo_header(len: usize) -> Vec<u8> {
    let mut bytes = [HOST.octets(), GROUP.octets()].concat();
    bytes.extend([0, 17]);
    bytes.extend((len as u16).to_be_bytes());
    bytes
}

/// The checksum as a sender without hardware writes it.
fn complete(payload: &[u8]) -> u16 {
    let udp = udp(payload, 0);
    match checksum(&[pseudo_header(udp.len()), udp].concat()) {
        0 => 0xffff,
        value => value,
    }
}

/// The checksum as the network stack leaves it to hardware: the sum of the pseudo header, not inverted.
fn partial(payload: &[u8]) -> u16 {
    !checksum(&pseudo_header(8 + payload.len()))
}

fn is_incomplete(ip: &Ip, payload: &[u8]) -> bool {
    let packet = ip.packet(payload);
    let header = judge(&packet).expect("all is right with it");
    let frame = [&[0xee; 14][..], &packet].concat();
    !data::has_complete_checksum(&&frame[..], 14, &header)
}

#[test]
fn checksums_left_to_hardware() {
    for len in [0, 1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 100, 1_471, 1_472] {
        let payload: Vec<u8> = (0..len).map(|at| (at * 7 + len) as u8).collect();
        for options in [0, 4, 40] {
            let ip = Ip {
                options: vec![1; options],
                ..ip(17)
            };
            assert!(is_incomplete(&ip, &udp(&payload, partial(&payload))), "{len}");
            assert!(!is_incomplete(&ip, &udp(&payload, complete(&payload))), "{len}");
            // Without one there may be anything inside. A wrong one is not this router's to mend.
            assert!(is_incomplete(&ip, &udp(&payload, 0)), "{len}");
            assert!(
                !is_incomplete(&ip, &udp(&payload, complete(&payload) ^ 0x0100)),
                "{len}"
            );
        }
    }
}

/// One complete checksum in 65,536 is the same number as a partial one. The whole packet tells them apart.
#[test]
fn complete_checksums_that_look_partial() {
    for len in [2, 3, 4, 5, 6, 7, 30, 31, 32, 33, 1_000, 1_471] {
        let mut payload: Vec<u8> = (0..len).map(|at| (at * 11) as u8).collect();
        let word = (0..=u16::MAX).find(|word| {
            payload[..2].copy_from_slice(&word.to_be_bytes());
            complete(&payload) == partial(&payload)
        });
        assert!(word.is_some(), "a word of the payload can make the sum anything");
        assert!(
            !is_incomplete(&ip(17), &udp(&payload, partial(&payload))),
            "{len}"
        );
        // The same number with another payload is a partial one.
        payload[1] ^= 1;
        assert!(is_incomplete(&ip(17), &udp(&payload, partial(&payload))), "{len}");
    }
}

#[test]
fn what_is_not_certainly_complete() {
    let payload = [1, 2, 3, 4];
    let message = udp(&payload, partial(&payload));
    for protocol in (0..=u8::MAX).filter(|&protocol| protocol != 17) {
        assert!(is_incomplete(&ip(protocol), &message), "{protocol}");
    }
    // Checksums are computed before a packet is cut.
    for fragment in [0x2000, 0x0001] {
        assert!(!is_incomplete(&Ip { fragment, ..ip(17) }, &message));
    }
    // Not even a UDP header.
    assert!(is_incomplete(&ip(17), &message[..7]));
}

/// The checksum of a header, computed from all of it.
fn with_checksum(header: &[u8]) -> Vec<u8> {
    let mut header = header.to_vec();
    header[10..12].fill(0);
    let value = checksum(&header);
    header[10..12].copy_from_slice(&value.to_be_bytes());
    header
}

/// RFC 1624 §3: the incremental checksum is that of a computation from the beginning, for headers on both sides of
/// zero.
#[test]
fn checksums_near_zero_after_a_hop() {
    for ttl in 1..=u8::MAX {
        // One word of the header goes through all numbers, and with it the checksum.
        for identification in 0..=u16::MAX {
            let [high, low] = identification.to_be_bytes();
            let header = [
                0x45, 0, 0, 20, high, low, 0, 0, ttl, 17, 0, 0, 1, 0, 0, 1, 224, 0, 1, 1,
            ];
            let sum = |ttl: u8| {
                let words = [
                    0x4500,
                    20,
                    identification,
                    u16::from(ttl) << 8 | 17,
                    0x0100,
                    1,
                    0xe000,
                    0x0101,
                ];
                let total: u32 = words.into_iter().map(u32::from).sum();
                let folded = (total & 0xffff) + (total >> 16);
                !(((folded & 0xffff) + (folded >> 16)) as u16)
            };
            let after = data::checksum_after_hop(sum(ttl), ttl, 17);
            assert_eq!(after, sum(ttl - 1), "{header:02x?}");
        }
    }
}

/// A checksum field of all ones instead of zero is valid, too (RFC 1071 §1); after the hop it is what it would have
/// been.
#[test]
fn a_checksum_of_all_ones() {
    let header = |ttl: u8, identification: u16| {
        let [high, low] = identification.to_be_bytes();
        with_checksum(&[
            0x45, 0, 0, 20, high, low, 0, 0, ttl, 17, 0, 0, 1, 0, 0, 1, 224, 0, 1, 1,
        ])
    };
    let identification = (0..=u16::MAX)
        .find(|&identification| header(9, identification)[10..12] == [0, 0])
        .expect("one of them makes the checksum zero");
    let mut ones = header(9, identification);
    ones[10..12].fill(0xff);
    assert_eq!(judge(&ones).map(|header| header.ttl), Ok(9));
    let expected = header(8, identification);
    let [high, low] = data::checksum_after_hop(0xffff, 9, 17).to_be_bytes();
    assert_eq!([high, low], expected[10..12]);
}

/// Packets that are mostly right, so that all reasons are met.
fn packets() -> impl Strategy<Value = Vec<u8>> {
    let odd_or = |usual: u8| prop_oneof![8 => Just(usual), 1 => any::<u8>()];
    let source = prop_oneof![
        6 => Just(HOST),
        1 => Just(ROUTER),
        2 => any::<Ipv4Addr>(),
    ];
    let ip = (
        prop_oneof![12 => Just(4), 1 => 0..16_u8],
        prop_oneof![8 => Just(None), 1 => (0..16_u8).prop_map(Some)],
        prop_oneof![8 => Just(None), 1 => (0..150_u16).prop_map(Some), 1 => any::<u16>().prop_map(Some)],
        prop_oneof![4 => Just(0), 1 => any::<u16>()],
        any::<u8>(),
        odd_or(17),
        source,
        vec(any::<u8>(), 0..=40),
        prop_oneof![9 => Just(true), 1 => Just(false)],
    );
    (ip, vec(any::<u8>(), 0..80), any::<u8>(), vec(any::<u8>(), 0..8)).prop_map(
        |(
            (version, header_words, total_len, fragment, ttl, protocol, source, options, right_checksum),
            payload,
            make,
            padding,
        )| {
            let ip = Ip {
                version,
                header_words,
                total_len,
                fragment,
                ttl,
                protocol,
                source,
                destination: GROUP,
                options,
                right_checksum,
            };
            let mut message = payload;
            if message.len() >= 8 {
                // UDP whose length is right, and whose checksum often looks like something.
                let len = message.len() as u16;
                message[4..6].copy_from_slice(&len.to_be_bytes());
                let mut pseudo = [source.octets(), GROUP.octets()].concat();
                pseudo.extend([0, 17]);
                pseudo.extend(len.to_be_bytes());
                if make & 1 != 0 {
                    let field = !checksum(&pseudo);
                    message[6..8].copy_from_slice(&field.to_be_bytes());
                }
                if make & 2 != 0 {
                    // The first word makes it a complete one all the same.
                    message[..2].fill(0);
                    let value = checksum(&[&pseudo[..], &message].concat());
                    message[..2].copy_from_slice(&value.to_be_bytes());
                }
            }
            let mut packet = ip.packet(&message);
            packet.extend(padding);
            packet.truncate(
                packet.len()
                    - if make & 0xc0 == 0 {
                        usize::from(make) % packet.len()
                    } else {
                        0
                    },
            );
            packet
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn packets_are_judged_as_by_the_model(packet in packets()) {
        let expected = model::data(&packet, &config());
        let frame = [&[0xee; 14][..], &packet].concat();
        let judged = data::judge(&&frame[..], 14, frame.len(), &config());
        prop_assert_eq!(judged.err(), expected.err());
        if let (Ok(header), Ok(expected)) = (judged, expected) {
            prop_assert_eq!(header.header_len, expected.header_len);
            prop_assert_eq!(header.total_len, expected.total_len);
            prop_assert_eq!(header.fragment, expected.fragment);
            let bytes = [packet[8], packet[9]];
            prop_assert_eq!([header.ttl, header.protocol], bytes);
            let addresses = [header.source.octets(), header.group.octets()].concat();
            prop_assert_eq!(&addresses[..], &packet[12..20]);
            prop_assert_eq!(
                data::has_complete_checksum(&&frame[..], 14, &header),
                expected.complete_checksum
            );
        }
    }

    #[test]
    fn any_checksum_after_a_hop(words in vec(any::<u16>(), 10..=30), ttl in any::<u8>()) {
        let mut header: Vec<u8> = words.into_iter().flat_map(u16::to_be_bytes).collect();
        header[8] = ttl;
        let before = with_checksum(&header);
        header[8] = ttl.wrapping_sub(1);
        let expected = with_checksum(&header);
        let found = data::checksum_after_hop(u16::from_be_bytes([before[10], before[11]]), ttl, header[9]);
        prop_assert_eq!(found.to_be_bytes(), [expected[10], expected[11]]);
    }
}
