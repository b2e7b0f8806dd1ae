//! Options of Hellos.

use std::net::Ipv4Addr;

use igmp_wire::pim::{LanPruneDelay, Refusal};

use super::build::{hello, refusal};
use crate::build::HOST;

/// An option.
fn option(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut option = kind.to_be_bytes().to_vec();
    option.extend((value.len() as u16).to_be_bytes());
    option.extend(value);
    option
}

fn addresses(options: &[u8]) -> Vec<Ipv4Addr> {
    hello(options, |hello| hello.secondary_addresses().collect())
}

/// The Encoded-Unicast address of IPv6 2001:db8::1.
const IPV6: [u8; 18] = [2, 0, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

#[test]
fn each_option() {
    hello(&[], |hello| {
        assert_eq!(hello.holdtime, None);
        assert_eq!(hello.lan_prune_delay, None);
        assert_eq!((hello.dr_priority, hello.generation_id), (None, None));
        assert_eq!(hello.secondary_addresses().next(), None);
    });
    let options = [
        option(20, &[0xde, 0xad, 0xbe, 0xef]),
        option(1, &[0, 105]),
        option(24, &[1, 0, 192, 0, 2, 11, 1, 0, 192, 0, 2, 12]),
        option(2, &[0x81, 0xf4, 0x09, 0xc4]),
        option(19, &[0, 0, 1, 0]),
    ];
    hello(&options.concat(), |hello| {
        assert_eq!(hello.holdtime, Some(105));
        let delay = LanPruneDelay {
            tracking: true,
            propagation_delay: 500,
            override_interval: 2500,
        };
        assert_eq!(hello.lan_prune_delay, Some(delay));
        assert_eq!(hello.dr_priority, Some(256));
        assert_eq!(hello.generation_id, Some(0xdead_beef));
        let expected = [Ipv4Addr::new(192, 0, 2, 11), Ipv4Addr::new(192, 0, 2, 12)];
        assert!(hello.secondary_addresses().eq(expected));
    });
}

#[test]
fn extreme_values() {
    let goodbye = hello(&option(1, &[0, 0]), |hello| hello.holdtime);
    assert_eq!(goodbye, Some(0));
    let forever = hello(&option(1, &[0xff, 0xff]), |hello| hello.holdtime);
    assert_eq!(forever, Some(igmp_wire::pim::HOLDTIME_FOREVER));
    let delay = |value: [u8; 4]| {
        hello(&option(2, &value), |hello| hello.lan_prune_delay)
            .map(|delay| (delay.tracking, delay.propagation_delay, delay.override_interval))
    };
    assert_eq!(delay([0x7f, 0xff, 0xff, 0xff]), Some((false, 0x7fff, 0xffff)));
    assert_eq!(delay([0x80, 0, 0, 0]), Some((true, 0, 0)));
    let priority = hello(&option(19, &[0xff; 4]), |hello| hello.dr_priority);
    assert_eq!(priority, Some(u32::MAX));
}

#[test]
fn a_length_that_is_not_the_options_own() {
    for (kind, right) in [(1, 2), (2, 4), (19, 4), (20, 4)] {
        for len in (0..8).filter(|len| *len != right) {
            let value = vec![0; len];
            assert_eq!(
                refusal(0, &option(kind, &value)),
                Refusal::Malformed,
                "{kind} {len}"
            );
        }
        hello(&option(kind, &vec![0; right]), |_| {});
    }
}

#[test]
fn unknown_options_are_ignored() {
    let known = option(1, &[0, 30]);
    for kind in [0, 3, 17, 18, 21, 22, 25, 65_000, 65_001, 0xffff] {
        for len in [0, 1, 4, 300] {
            let unknown = option(kind, &vec![0xee; len]);
            let options = [&known[..], &unknown, &option(19, &[0, 0, 0, 9])].concat();
            let found = hello(&options, |hello| (hello.holdtime, hello.dr_priority));
            assert_eq!(found, (Some(30), Some(9)));
        }
    }
}

#[test]
fn options_end_with_the_message() {
    let whole = [option(1, &[0, 105]), option(77, &[1, 2, 3])].concat();
    for len in 0..whole.len() {
        let message = &whole[..len];
        if len == 0 || len == 6 {
            hello(message, |_| {});
        } else {
            assert_eq!(refusal(0, message), Refusal::Malformed, "{len}");
        }
    }
    hello(&whole, |_| {});
    // A byte behind the last option is the beginning of another one.
    assert_eq!(refusal(0, &[&whole[..], &[0]].concat()), Refusal::Malformed);
    assert_eq!(refusal(0, &[0, 77, 0xff, 0xff, 0]), Refusal::Malformed);
}

#[test]
fn the_last_of_the_same_option_holds() {
    let options = [
        option(1, &[0, 1]),
        option(2, &[0x80, 1, 0, 1]),
        option(1, &[0, 2]),
        option(2, &[0, 2, 0, 2]),
    ];
    hello(&options.concat(), |hello| {
        assert_eq!(hello.holdtime, Some(2));
        let delay = LanPruneDelay {
            tracking: false,
            propagation_delay: 2,
            override_interval: 2,
        };
        assert_eq!(hello.lan_prune_delay, Some(delay));
    });
    // One that is malformed is not made good by another.
    let options = [option(1, &[0]), option(1, &[0, 2])].concat();
    assert_eq!(refusal(0, &options), Refusal::Malformed);
}

#[test]
fn address_lists_add_up() {
    let first = option(24, &[1, 0, 192, 0, 2, 11]);
    let second = option(24, &IPV6);
    let third = option(24, &[1, 0, 192, 0, 2, 12]);
    let expected = [Ipv4Addr::new(192, 0, 2, 11), Ipv4Addr::new(192, 0, 2, 12)];
    assert_eq!(addresses(&[first.clone(), second, third].concat()), expected);
    let other = option(1, &[0, 105]);
    let empty = option(24, &[]);
    assert_eq!(
        addresses(&[other.clone(), empty, first, other].concat()),
        expected[..1]
    );
}

#[test]
fn addresses_that_are_none() {
    let [a, b, c, d] = HOST.octets();
    let list = [
        &[1, 0, 0, 0, 0, 0][..],
        &[1, 0, 127, 0, 0, 1],
        &[1, 0, 224, 0, 0, 13],
        &[1, 0, 255, 255, 255, 255],
        &IPV6,
        // The sender's primary address.
        &[1, 0, a, b, c, d],
        &[1, 0, 10, 0, 0, 9],
    ];
    assert_eq!(
        addresses(&option(24, &list.concat())),
        [Ipv4Addr::new(10, 0, 0, 9)]
    );
}

#[test]
fn address_lists_that_cannot_be_read() {
    for list in [
        &[1][..],
        &[1, 0, 10, 0, 0],
        &[1, 0, 10, 0, 0, 1, 1],
        &IPV6[..17],
        // No such family, and no such encoding.
        &[0, 0, 10, 0, 0, 1],
        &[3, 0, 10, 0, 0, 1],
        &[1, 1, 10, 0, 0, 1],
    ] {
        assert_eq!(refusal(0, &option(24, list)), Refusal::Malformed, "{list:?}");
    }
}
