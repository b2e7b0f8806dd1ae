//! What is refused before the content of a message is looked at, and in which order.

use std::net::Ipv4Addr;

use igmp_wire::pim::{self, Refusal};

use super::build::{ip, packet};
use crate::build::{Ip, with_checksum};

/// A Hello without options.
const HELLO: [u8; 4] = [0x20, 0, 0xdf, 0xff];

#[track_caller]
fn check(ip: &Ip, message: &[u8], expected: Option<Refusal>) {
    assert_eq!(
        pim::open(&ip.packet(message)).err(),
        expected,
        "{ip:?} {message:?}"
    );
}

#[test]
fn names() {
    let names = [
        "too-short",
        "checksum",
        "version",
        "unsupported-type",
        "destination",
        "source",
        "malformed",
    ];
    assert_eq!(Refusal::ALL.map(Refusal::name), names);
    for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
        assert_eq!(refusal as usize, index);
    }
    // What IGMP refuses for the same reason has the same name.
    for refusal in igmp_wire::Refusal::ALL {
        let same = format!("{refusal:?}");
        let pim = Refusal::ALL.into_iter().find(|pim| format!("{pim:?}") == same);
        assert_eq!(pim.map_or(refusal.name(), Refusal::name), refusal.name());
    }
}

#[test]
fn lengths_of_the_header() {
    check(&ip(), &HELLO, None);
    for len in 0..24 {
        let whole = packet(0, &[]);
        assert_eq!(pim::open(&whole[..len]).err(), Some(Refusal::TooShort), "{len}");
    }
    for (header_words, expected) in [
        (4, Refusal::Malformed),
        // The header takes in the message.
        (6, Refusal::TooShort),
        (7, Refusal::Malformed),
    ] {
        let header_words = Some(header_words);
        let ip = Ip { header_words, ..ip() };
        check(&ip, &HELLO, Some(expected));
    }
    for (total_len, expected) in [
        (0, Some(Refusal::Malformed)),
        (19, Some(Refusal::Malformed)),
        (20, Some(Refusal::TooShort)),
        (23, Some(Refusal::TooShort)),
        (24, None),
        (25, Some(Refusal::TooShort)),
        (u16::MAX, Some(Refusal::TooShort)),
    ] {
        let total_len = Some(total_len);
        let ip = Ip { total_len, ..ip() };
        check(&ip, &HELLO, expected);
    }
}

#[test]
fn options_and_what_follows_the_packet() {
    let options = vec![0x94, 4, 0, 0];
    check(&Ip { options, ..ip() }, &HELLO, None);
    // Longer than the header says: what is behind is no part of the message.
    let mut padded = packet(0, &[]);
    padded.extend([0xff; 22]);
    assert_eq!(pim::open(&padded), pim::open(&packet(0, &[])));
}

#[test]
fn other_packets() {
    for version in (0..16).filter(|version| *version != 4) {
        check(&Ip { version, ..ip() }, &HELLO, Some(Refusal::Malformed));
    }
    for protocol in [0, 2, 17, 102, 104] {
        check(&Ip { protocol, ..ip() }, &HELLO, Some(Refusal::Malformed));
    }
    for (fragment, expected) in [
        (0x4000, None),
        (0x8000, None),
        (0x2000, Some(Refusal::Malformed)),
        (1, Some(Refusal::Malformed)),
        (0x1fff, Some(Refusal::Malformed)),
    ] {
        check(&Ip { fragment, ..ip() }, &HELLO, expected);
    }
}

#[test]
fn any_ttl() {
    for ttl in [0, 1, 2, 64, 255] {
        check(&Ip { ttl, ..ip() }, &HELLO, None);
    }
}

#[test]
fn versions_and_types() {
    for first in 0..=0xff_u8 {
        let expected = match (first >> 4, first & 0xf) {
            (2, 0) => None,
            // Without content these are malformed, but of a type that is known.
            (2, 3 | 5) => Some(Refusal::Malformed),
            (2, _) => Some(Refusal::UnsupportedType),
            _ => Some(Refusal::Version),
        };
        check(&ip(), &with_checksum(&[first, 0, 0, 0]), expected);
    }
    // The reserved byte is ignored.
    check(&ip(), &with_checksum(&[0x20, 0xff, 0, 0]), None);
}

#[test]
fn a_register_is_unsupported_and_not_a_wrong_checksum() {
    // Its checksum covers the first 8 bytes (RFC 7761 §4.9.3), and it is unicast.
    let mut message = with_checksum(&[0x21, 0, 0, 0, 0, 0, 0, 0]);
    message.extend([0x45; 40]);
    let destination = Ipv4Addr::new(192, 0, 2, 254);
    check(
        &Ip { destination, ..ip() },
        &message,
        Some(Refusal::UnsupportedType),
    );
}

#[test]
fn destinations() {
    for destination in [
        [224, 0, 0, 1],
        [224, 0, 0, 2],
        [224, 0, 0, 14],
        [192, 0, 2, 254],
        [0; 4],
    ] {
        let destination = Ipv4Addr::from(destination);
        check(&Ip { destination, ..ip() }, &HELLO, Some(Refusal::Destination));
    }
}

#[test]
fn sources() {
    for source in [
        [0; 4],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [224, 0, 0, 13],
        [240, 0, 0, 1],
        [255; 4],
    ] {
        let source = Ipv4Addr::from(source);
        check(&Ip { source, ..ip() }, &HELLO, Some(Refusal::Source));
    }
    for source in [
        [1, 0, 0, 0],
        [10, 0, 0, 1],
        [169, 254, 1, 1],
        [223, 255, 255, 255],
    ] {
        let source = Ipv4Addr::from(source);
        check(&Ip { source, ..ip() }, &HELLO, None);
    }
}

#[test]
fn checksums() {
    for bit in 0..32 {
        let mut wrong = HELLO;
        wrong[bit / 8] ^= 1 << (bit % 8);
        let expected = match bit / 4 {
            0 => Refusal::UnsupportedType,
            1 => Refusal::Version,
            _ => Refusal::Checksum,
        };
        // Two of the types are known ones.
        let expected = if matches!(wrong[0], 0x23 | 0x25) {
            Refusal::Checksum
        } else {
            expected
        };
        check(&ip(), &wrong, Some(expected));
    }
    // An odd length is padded with a zero byte: 0x2000 + 0x004d + 0x0001 + 0x0700 is 0x274e, inverted 0xd8b1.
    let odd = [0x20, 0, 0xd8, 0xb1, 0, 77, 0, 1, 7];
    check(&ip(), &odd, None);
    check(&ip(), &[&odd[..8], &[8]].concat(), Some(Refusal::Checksum));
    // The IPv4 header has a checksum of its own, which the kernel looks at.
    let right_checksum = false;
    check(
        &Ip {
            right_checksum,
            ..ip()
        },
        &HELLO,
        None,
    );
}

#[test]
fn the_first_reason_counts() {
    let source = Ipv4Addr::UNSPECIFIED;
    let destination = Ipv4Addr::new(224, 0, 0, 1);
    let wrong = Ip {
        source,
        destination,
        ..ip()
    };
    check(&wrong, &[0x10, 0, 0, 0], Some(Refusal::Version));
    check(&wrong, &[0x2f, 0, 0, 0], Some(Refusal::UnsupportedType));
    check(&wrong, &[0x23, 0, 0, 0], Some(Refusal::Destination));
    check(&Ip { source, ..ip() }, &[0x23, 0, 0, 0], Some(Refusal::Source));
    check(&ip(), &[0x23, 0, 0, 0], Some(Refusal::Checksum));
    check(&ip(), &with_checksum(&[0x23, 0, 0, 0]), Some(Refusal::Malformed));
}
