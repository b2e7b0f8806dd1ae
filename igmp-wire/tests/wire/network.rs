//! IPv4 headers: lengths, fragments, options.

use igmp_wire::{Refusal, ipv4, packet::MAX_FRAME_LEN};

use crate::build::{Ip, ROUTER_ALERT, config, frame, judge, refusal, with_checksum};

const REPORT: &[u8] = &[0x16, 0, 0xf8, 0xfa, 0xef, 1, 2, 3];

#[track_caller]
fn check(ip: Ip, expected: Option<Refusal>) {
    assert_eq!(refusal(&ip.frame(REPORT), &config()), expected, "{ip:?}");
}

#[test]
fn header_length() {
    for words in 0..5 {
        let header_words = Some(words);
        check(
            Ip {
                header_words,
                ..Ip::default()
            },
            Some(Refusal::Malformed),
        );
    }
    // A header of 32 bytes takes in the message and leaves no payload.
    let header_words = Some(8);
    check(
        Ip {
            header_words,
            ..Ip::default()
        },
        Some(Refusal::TooShort),
    );
    // A header of 36 bytes in a packet of 32.
    let header_words = Some(9);
    check(
        Ip {
            header_words,
            ..Ip::default()
        },
        Some(Refusal::Malformed),
    );
}

#[test]
fn version() {
    for version in (0..16).filter(|version| *version != 4) {
        let packet = Ip {
            version,
            ..Ip::default()
        }
        .packet(REPORT);
        assert_eq!(
            ipv4::parse(&&packet[..], 0, packet.len()),
            Err(Refusal::Malformed)
        );
        assert_eq!(ipv4::content(&&packet[..], 0), None);
    }
}

#[test]
fn total_length() {
    let with = |total_len| Ip {
        total_len: Some(total_len),
        ..Ip::default()
    };
    // The header has 24 bytes, the message 8.
    check(with(0), Some(Refusal::Malformed));
    check(with(23), Some(Refusal::Malformed));
    check(with(24), Some(Refusal::TooShort));
    check(with(31), Some(Refusal::TooShort));
    check(with(32), None);
    check(with(33), Some(Refusal::TooShort));
    check(with(u16::MAX), Some(Refusal::TooShort));
}

#[test]
fn fragments() {
    // Don't Fragment and the reserved bit make no fragment, More Fragments and any offset do.
    for (fragment, expected) in [
        (0x0000, None),
        (0x4000, None),
        (0x8000, None),
        (0x2000, Some(Refusal::Fragment)),
        (0x0001, Some(Refusal::Fragment)),
        (0x1fff, Some(Refusal::Fragment)),
        (0x6000, Some(Refusal::Fragment)),
    ] {
        check(
            Ip {
                fragment,
                ..Ip::default()
            },
            expected,
        );
    }
}

#[test]
fn header_checksum() {
    let right_checksum = false;
    check(
        Ip {
            right_checksum,
            ..Ip::default()
        },
        Some(Refusal::Checksum),
    );
}

#[test]
fn time_to_live() {
    for ttl in [0, 2, 64, 255] {
        check(Ip { ttl, ..Ip::default() }, Some(Refusal::Ttl));
    }
}

#[test]
fn router_alert_among_the_options() {
    const RECORD_ROUTE: &[u8] = &[7, 7, 4, 0, 0, 0, 0];
    const MISSING: Option<Refusal> = Some(Refusal::RouterAlert);
    let nops = |count: usize| vec![1; count];
    for (options, expected) in [
        (ROUTER_ALERT.to_vec(), None),
        // The value is to be ignored (RFC 2113 §2.2).
        (vec![0x94, 4, 0xff, 0xff], None),
        ([&nops(1)[..], ROUTER_ALERT].concat(), None),
        ([&nops(36)[..], ROUTER_ALERT].concat(), None),
        ([RECORD_ROUTE, ROUTER_ALERT].concat(), None),
        ([RECORD_ROUTE, &nops(1), ROUTER_ALERT].concat(), None),
        ([ROUTER_ALERT, RECORD_ROUTE].concat(), None),
        // An option without data is two bytes long.
        ([&[0x88, 2], &nops(2)[..], ROUTER_ALERT].concat(), None),
        (vec![], MISSING),
        (nops(4), MISSING),
        (nops(40), MISSING),
        (RECORD_ROUTE.to_vec(), MISSING),
        // Behind the end of the list there is nothing.
        ([&[0, 0, 0, 0], ROUTER_ALERT].concat(), MISSING),
        // The same bytes as data of another option are no option.
        ([&[7, 8, 4, 0], ROUTER_ALERT].concat(), MISSING),
        // Not copied into fragments: another option.
        (vec![0x14, 4, 0, 0], MISSING),
        // Lengths that cannot be.
        (vec![0x94, 0, 0, 0], MISSING),
        (vec![0x94, 3, 0, 0], MISSING),
        (vec![0x94, 5, 0, 0, 0], MISSING),
        ([&[7, 0, 1, 1], ROUTER_ALERT].concat(), MISSING),
        ([&[7, 1, 1, 1], ROUTER_ALERT].concat(), MISSING),
        ([&[7, 255, 1, 1], ROUTER_ALERT].concat(), MISSING),
        // Options that end behind the header.
        ([&nops(1)[..], &[0x94, 4, 0]].concat(), MISSING),
        ([&nops(2)[..], &[0x94, 4]].concat(), MISSING),
        ([&nops(3)[..], &[0x94]].concat(), MISSING),
        ([&nops(38)[..], &[0x94, 4]].concat(), MISSING),
        ([&nops(39)[..], &[0x94]].concat(), MISSING),
    ] {
        check(
            Ip {
                options,
                ..Ip::default()
            },
            expected,
        );
    }
}

#[test]
fn frames_beyond_the_bound() {
    // A version 2 report with bytes behind it, so that the frame is as long as is wanted.
    let report = |frame_len: usize| {
        let mut message = REPORT.to_vec();
        message.resize(frame_len - 14 - 24, 0);
        Ip::default().packet(&with_checksum(&message))
    };
    let config = config();
    assert_eq!(refusal(&frame(&[], &report(MAX_FRAME_LEN)), &config), None);
    let over = frame(&[], &report(MAX_FRAME_LEN + 1));
    assert_eq!(refusal(&over, &config), Some(Refusal::Malformed));
    let tagged = frame(&[(0x8100, 7)], &report(MAX_FRAME_LEN));
    assert_eq!(refusal(&tagged, &config), Some(Refusal::Malformed));

    let mut padded = Ip::default().frame(REPORT);
    padded.resize(MAX_FRAME_LEN + 1_000, 0);
    assert_eq!(refusal(&padded, &config), None);
    assert_eq!(
        judge(&padded, &config),
        judge(&Ip::default().frame(REPORT), &config)
    );
}
