//! Messages that FRRouting's pimd 8.4.4 sent, captured on its interfaces with everything behind the Ethernet header.
//! What they mean is what pimd's own commands showed, and tshark's decoder. The emitter makes the very same messages.

use std::net::Ipv4Addr;

use igmp_wire::{
    emit::pim::{self as emit, GroupSet},
    pim::{self, Assert, Entry, LanPruneDelay, Message},
};

use Entry::{Sg, SgRpt, StarG};

const fn at(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const PIMD: Ipv4Addr = at(10, 0, 0, 2);
const UPSTREAM: Ipv4Addr = at(10, 0, 0, 1);
const RP: Ipv4Addr = at(10, 9, 9, 9);
const GROUP: Ipv4Addr = at(239, 1, 2, 3);

/// The bytes of a packet in hexadecimal digits.
fn bytes(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits"))
        .collect()
}

#[track_caller]
fn open(packet: &[u8], source: Ipv4Addr) -> Message<'_> {
    let received = pim::open(packet).expect("pimd's messages are in order");
    assert_eq!(received.source, source);
    received.message
}

/// The emitter's message is the one in the packet.
#[track_caller]
fn same(message: emit::Message<'_>, packet: &[u8]) {
    let mut buffer = vec![0xa5; message.buffer_len()];
    assert_eq!(message.emit(&mut buffer), Ok(buffer.len()));
    assert_eq!(buffer, packet[20..]);
}

/// A Join/Prune of 210 seconds with these sets and no others, read and written.
#[track_caller]
fn join_prune(digits: &str, expected: &[(Ipv4Addr, &[Entry], &[Entry])]) {
    let packet = bytes(digits);
    let Message::JoinPrune(message) = open(&packet, PIMD) else {
        panic!("a Join/Prune");
    };
    assert_eq!(message.upstream_neighbor, UPSTREAM);
    assert_eq!((message.holdtime, message.skipped), (210, 0));
    let found: Vec<(_, Vec<_>, Vec<_>)> = message
        .groups()
        .map(|set| (set.group, set.joins().collect(), set.prunes().collect()))
        .collect();
    let found: Vec<(_, &[Entry], &[Entry])> = found
        .iter()
        .map(|(group, joins, prunes)| (*group, &joins[..], &prunes[..]))
        .collect();
    assert_eq!(found, expected);

    let sets: Vec<_> = expected
        .iter()
        .map(|&(group, joins, prunes)| GroupSet { group, joins, prunes })
        .collect();
    let mut messages = emit::JoinPrune::pack(UPSTREAM, 210, &sets, 1480);
    let message = messages.next().expect("a message");
    same(emit::Message::JoinPrune(message), &packet);
    assert_eq!(messages.next(), None);
}

#[test]
fn joins_and_prunes_of_single_entries() {
    join_prune(
        "45c00036000700000167ce8b0a000002e000000d2300c3d301000a000001000100d201000020ef01020300010000010007200a090909",
        &[(GROUP, &[StarG(RP)], &[])],
    );
    join_prune(
        "45c00036000a00000167ce880a000002e000000d23001ee301000a000001000100d201000020e80102030001000001000420c0000202",
        &[(at(232, 1, 2, 3), &[Sg(at(192, 0, 2, 2))], &[])],
    );
    join_prune(
        "45c00036001000000167ce820a000002e000000d2300c3d301000a000001000100d201000020ef01020300000001010007200a090909",
        &[(GROUP, &[], &[StarG(RP)])],
    );
    join_prune(
        "45c00036001300000167ce7f0a000002e000000d23001ee401000a000001000100d201000020e80102030000000101000420c0000201",
        &[(at(232, 1, 2, 3), &[], &[Sg(at(192, 0, 2, 1))])],
    );
}

#[test]
fn prunes_of_the_shared_tree() {
    join_prune(
        "45c0003e005400000167ce360a000002e000000d2300fb6401000a000001000100d201000020ef010203000100010100\
         07200a09090901000520c000024d",
        &[(GROUP, &[StarG(RP)], &[SgRpt(at(192, 0, 2, 77))])],
    );
    join_prune(
        "45c00046005c00000167ce260a000002e000000d2300333901000a000001000100d201000020ef010203000100020100\
         07200a09090901000520c000020a01000520c000024d",
        &[(
            GROUP,
            &[StarG(RP)],
            &[SgRpt(at(192, 0, 2, 10)), SgRpt(at(192, 0, 2, 77))],
        )],
    );
}

#[test]
fn periodic_joins_of_several_groups() {
    let ssm = (
        at(232, 1, 2, 3),
        &[Sg(at(192, 0, 2, 1)), Sg(at(192, 0, 2, 2))][..],
        &[][..],
    );
    join_prune(
        "45c00066000e00000167ce540a000002e000000d2300981d01000a000001000300d201000020e8010203000200000100\
         0420c000020101000420c000020201000020e80102040001000001000420c000020101000020ef010203000100000100\
         07200a090909",
        &[
            ssm,
            (at(232, 1, 2, 4), &[Sg(at(192, 0, 2, 1))], &[]),
            (GROUP, &[StarG(RP)], &[]),
        ],
    );
    join_prune(
        "45c00076005600000167cdfc0a000002e000000d2300088301000a000001000300d201000020e8010203000200000100\
         0420c000020101000420c000020201000020e80102040001000001000420c000020101000020ef010203000200010100\
         07200a09090901000420c000020a01000520c000024d",
        &[
            ssm,
            (at(232, 1, 2, 4), &[Sg(at(192, 0, 2, 1))], &[]),
            (
                GROUP,
                &[StarG(RP), Sg(at(192, 0, 2, 10))],
                &[SgRpt(at(192, 0, 2, 77))],
            ),
        ],
    );
}

const DEFAULT_DELAY: LanPruneDelay = LanPruneDelay {
    tracking: false,
    propagation_delay: 500,
    override_interval: 2500,
};

/// From 10.0.0.2 with the secondary addresses 172.16.5.1 and 10.0.0.22, and two of IPv6 in an Address List of their
/// own.
const TWO_LISTS: &str = "\
    45c0006e000c00000167ce4e0a000002e000000d200016fe0001000200690002000401f409c400130004000000010014\
    000404939c900018000c0100ac10050101000a00001600180024020020010db80000000000000000000000020200fe80\
    0000000000001cea5dfffe6ab46b";
/// The same when pimd ends.
const GOODBYE: &str = "\
    45c0006e006f00000167cdeb0a000002e000000d200017670001000200000002000401f409c400130004000000010014\
    000404939c900018000c0100ac10050101000a00001600180024020020010db80000000000000000000000020200fe80\
    0000000000001cea5dfffe6ab46b";
/// From 10.0.0.1 with DR Priority 77 and the secondary address 10.0.0.3, and one of IPv6.
const PRIORITY_77: &str = "\
    45c00056004400000167ce2f0a000001e000000d200092c90001000200690002000401f409c4001300040000004d0014\
    00040ee8da490018000601000a000003001800120200fe8000000000000008668ffffe11b51a";

#[test]
fn hellos() {
    let look = |digits, source, holdtime, priority, generation, addresses: &[Ipv4Addr]| {
        let packet = bytes(digits);
        let Message::Hello(hello) = open(&packet, source) else {
            panic!("a Hello");
        };
        assert_eq!(hello.holdtime, Some(holdtime));
        assert_eq!(hello.lan_prune_delay, Some(DEFAULT_DELAY));
        assert_eq!(hello.dr_priority, Some(priority));
        assert_eq!(hello.generation_id, Some(generation));
        assert!(hello.secondary_addresses().eq(addresses.iter().copied()));
    };
    let addresses = [at(172, 16, 5, 1), at(10, 0, 0, 22)];
    look(TWO_LISTS, PIMD, 105, 1, 0x0493_9c90, &addresses);
    look(GOODBYE, PIMD, 0, 1, 0x0493_9c90, &addresses);
    look(PRIORITY_77, UPSTREAM, 105, 77, 0x0ee8_da49, &[at(10, 0, 0, 3)]);
}

#[test]
fn hellos_as_pimd_writes_them() {
    // The emitter has no list of IPv6 addresses, so that one and the checksum are cut off for the comparison.
    let packet = bytes(TWO_LISTS);
    let hello = emit::Hello {
        holdtime: Some(105),
        lan_prune_delay: Some(DEFAULT_DELAY),
        dr_priority: Some(1),
        generation_id: Some(0x0493_9c90),
        secondary_addresses: &[at(172, 16, 5, 1), at(10, 0, 0, 22)],
    };
    let message = emit::Message::Hello(hello);
    let mut buffer = vec![0xa5; message.buffer_len()];
    assert_eq!(message.emit(&mut buffer), Ok(buffer.len()));
    assert_eq!(buffer[..2], packet[20..22]);
    assert_eq!(buffer[4..], packet[24..packet.len() - 40]);
}

#[test]
fn asserts() {
    // Data of a group arrived on the interface that it goes out of. The source is reached by a static route.
    let packet =
        bytes("45c0002e006800000167adffc6336401e000000d25002cd901000020e80102030100c00002010000000000000000");
    let expected = Assert {
        group: at(232, 1, 2, 3),
        source: at(192, 0, 2, 1),
        rpt: false,
        metric_preference: 0,
        metric: 0,
    };
    assert_eq!(open(&packet, at(198, 51, 100, 1)), Message::Assert(expected));
    same(emit::Message::Assert(expected), &packet);
}
