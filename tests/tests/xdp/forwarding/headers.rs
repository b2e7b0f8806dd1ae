//! IP headers, right and wrong, and lengths of frames.

use std::{collections::BTreeMap, net::Ipv4Addr};

use igmp_wire::Refusal;
use tests::stream::datagram::group_mac;

use super::bench::{Bench, GROUP, HEADROOM, PORTS, REMOTE, SOME, SSM, after_hop, data};
use crate::{
    frames::{IP, fix_ip_checksum},
    harness::{HOST, ROUTER, SLOT, Verdict},
};

fn edited(mut frame: Vec<u8>, edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    edit(&mut frame);
    frame
}

#[test]
fn time_to_live() {
    let mut bench = Bench::with_route();
    for ttl in 0..=u8::MAX {
        let packet = data(HOST, GROUP).with(|it| it.ttl = ttl);
        if ttl <= 1 {
            bench.refused(&packet, Refusal::Ttl);
        } else {
            bench.forwarded(&packet, SOME);
        }
    }
}

/// Options are carried along, whatever they are, and are part of the checksum.
#[test]
fn options() {
    let mut bench = Bench::with_route();
    for words in 1..=10 {
        for options in [
            vec![1; words * 4],
            vec![0; words * 4],
            vec![0xff; words * 4],
            [&[0x94, 4, 0, 0][..], &vec![0; words * 4 - 4]].concat(),
            [&[7, words as u8 * 4 - 1, 4][..], &vec![0; words * 4 - 3]].concat(),
        ] {
            let packet = data(HOST, GROUP).with(|it| it.options = options);
            bench.forwarded(&packet, SOME);
            bench.refused(&packet.clone().with(|it| it.ttl = 1), Refusal::Ttl);
            let wrong = edited(packet.frame(), |frame| frame[IP + 19 + words * 4] ^= 0x10);
            bench.frame_refused(&wrong, Refusal::Checksum);
        }
    }
}

#[test]
fn fragments() {
    let mut bench = Bench::with_route();
    let packet = data(REMOTE, GROUP).with(|it| it.size = 3_000);
    let fragments = packet.fragments(1_000);
    assert_eq!(fragments.len(), 4);
    for frame in &fragments {
        bench.frame_forwarded(frame, 0);
        bench.frame_refused(
            &edited(frame.clone(), |frame| {
                frame[IP + 8] = 1;
                fix_ip_checksum(frame);
            }),
            Refusal::Ttl,
        );
    }
    // A later part so short that it would not hold a UDP header.
    let tiny = data(REMOTE, GROUP).with(|it| it.size = 17).fragments(24);
    for frame in &tiny {
        bench.frame_forwarded(frame, 0);
    }
}

#[test]
fn every_cut() {
    let mut bench = Bench::with_route();
    for options in [0, 40] {
        let packet = data(HOST, GROUP).with(|it| it.options = vec![1; options]);
        let whole = packet.frame();
        assert!(whole.len() > 60, "no padding");
        // A test run takes no frame that is shorter than an Ethernet header.
        for len in IP..whole.len() {
            bench.frame_refused(&whole[..len], Refusal::TooShort);
        }
        bench.forwarded(&packet, SOME);
    }
}

/// A header that cannot be read is nobody's: dropped only where the frame is sent to a group's Ethernet address.
#[test]
fn unreadable_headers_of_other_frames_pass() {
    let mut bench = Bench::with_route();
    for mac in [[0xff; 6], [2, 0, 0, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 1]] {
        let packet = data(HOST, GROUP).with(|it| it.destination_mac = Some(mac));
        for len in IP..IP + 20 {
            bench.passed(&packet.frame()[..len]);
        }
        bench.passed(&packet.with(|it| it.version_ihl = Some(0x65)).frame());
    }
}

#[test]
fn versions_and_header_lengths() {
    let mut bench = Bench::with_route();
    for version in 0..16 {
        for words in 0..16 {
            let frame = edited(data(HOST, GROUP).frame(), |frame| {
                frame[IP] = version << 4 | words;
                if words >= 5 {
                    fix_ip_checksum(frame);
                }
            });
            if version == 4 && words >= 5 {
                // What was payload is options now.
                bench.frame_forwarded(&frame, 0);
            } else {
                bench.frame_refused(&frame, Refusal::Malformed);
            }
        }
    }
}

#[test]
fn total_lengths() {
    let mut bench = Bench::with_route();
    let packet = data(HOST, GROUP).with(|it| it.options = vec![1; 8]);
    let len = packet.frame().len() - IP;
    for (total_len, expected) in [
        (0, Some(Refusal::Malformed)),
        (20, Some(Refusal::Malformed)),
        (27, Some(Refusal::Malformed)),
        (28, None),
        (len - 1, None),
        (len, None),
        (len + 1, Some(Refusal::TooShort)),
        (65_535, Some(Refusal::TooShort)),
    ] {
        let packet = packet.clone().with(|it| it.total_len = Some(total_len as u16));
        match expected {
            Some(refusal) => bench.refused(&packet, refusal),
            None => bench.forwarded(&packet, SOME),
        }
    }
}

#[test]
fn checksums() {
    let mut bench = Bench::with_route();
    let good = data(HOST, GROUP);
    for error in [1, 0x0100, 0x8000, 0xfffe] {
        let bad = good.clone().with(|it| it.header_checksum_error = error);
        bench.refused(&bad, Refusal::Checksum);
    }
    for bit in 0..20 * 8 {
        let frame = edited(good.frame(), |frame| frame[IP + bit / 8] ^= 1 << (bit % 8));
        let (verdict, refusals) = (bench.xdp.receive(&frame), bench.refusals());
        // With the destination or the protocol, a wrong bit takes the packet away from multicast data.
        let elsewhere = (128..132).contains(&(bit ^ 7)) || bit / 8 == 16 && bit % 8 >= 4;
        if elsewhere {
            assert_eq!((verdict, refusals), (Verdict::Pass, BTreeMap::new()), "bit {bit}");
        } else {
            assert_eq!(verdict, Verdict::Drop, "bit {bit}");
            assert_eq!(refusals.values().sum::<u64>(), 1, "bit {bit}");
        }
    }
    // What UDP carries is not this router's business: a wrong checksum there stays for the receiver to see.
    bench.forwarded(&good.with(|it| it.checksum_error = 1), SOME);
}

#[test]
fn martians_and_own_sources() {
    let mut bench = Bench::with_route();
    bench.sources("0.0.0.0/0", SLOT);
    bench.commit();
    for source in [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [127, 255, 255, 255],
        [224, 0, 0, 1],
        [239, 1, 2, 3],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
        ROUTER.octets(),
    ] {
        bench.refused(&data(source.into(), GROUP), Refusal::Source);
        // Whatever else is wrong.
        bench.refused(&data(source.into(), SSM).with(|it| it.ttl = 0), Refusal::Source);
    }
    for source in [[1, 0, 0, 1], [126, 0, 0, 1], [128, 0, 0, 1], [223, 255, 255, 254]] {
        bench.forwarded(&data(source.into(), GROUP), SOME);
    }
}

#[test]
fn padding_stays() {
    let mut bench = Bench::with_route();
    for (size, padding) in [(16, 0), (16, 40), (200, 1), (200, 4)] {
        let packet = data(HOST, GROUP).with(|it| {
            it.size = size;
            it.padding = padding;
        });
        assert!(packet.frame().len() > IP + 28 + size);
        bench.forwarded(&packet, SOME);
    }
}

#[test]
fn the_ethernet_destination_is_that_of_the_group() {
    let mut bench = Bench::new();
    for (group, mac) in [
        (Ipv4Addr::new(239, 129, 2, 3), [1, 0, 0x5e, 1, 2, 3]),
        (Ipv4Addr::new(232, 255, 255, 255), [1, 0, 0x5e, 0x7f, 255, 255]),
        (Ipv4Addr::new(224, 0, 1, 0), [1, 0, 0x5e, 0, 1, 0]),
    ] {
        assert_eq!(group_mac(group), mac);
        bench.route(group, None, SOME);
        bench.commit();
        // The address of a group that shares only some of its bits.
        let packet = data(HOST, group).with(|it| it.destination_mac = Some([1, 0, 0x5e, 9, 9, 9]));
        let (verdict, output) = bench.xdp.forward(&packet.frame());
        assert_eq!((verdict, &output[..6]), (Verdict::Redirect, &mac[..]));
    }
}

/// The kernel skips ports that are too small when it redirects, so the program counts for them. A port that takes the
/// frame but not the packet counts for itself, when it leaves.
#[test]
fn ports_that_are_too_small() {
    let mut bench = Bench::new();
    let mtus = [1_500, 1_000, 600];
    for (slot, mtu) in PORTS.into_iter().zip(mtus) {
        bench.port(slot, mtu);
    }
    bench.port(SLOT, 100);
    bench.port_set(9, &[PORTS[0], PORTS[1], PORTS[2], SLOT]);
    bench.route(GROUP, None, 9);
    bench.commit();
    for len in [
        82, 83, 500, 600, 604, 605, 1_000, 1_004, 1_005, 1_500, 1_504, 1_505, 2_000,
    ] {
        for padding in [0, 3] {
            let packet = data(HOST, GROUP).with(|it| {
                it.size = len - 28;
                it.padding = padding;
            });
            let frame = packet.frame();
            let (verdict, output) = bench.xdp.forward(&frame);
            assert_eq!(
                (verdict, output),
                (Verdict::Redirect, after_hop(&frame, 0)),
                "{len}"
            );
            let expected: BTreeMap<_, _> = PORTS
                .into_iter()
                .zip(mtus)
                .filter(|(_, mtu)| frame.len() > (mtu + HEADROOM) as usize)
                .map(|(slot, _)| ((slot, Refusal::Mtu), 1))
                .collect();
            assert_eq!(bench.refusals(), expected, "{len} and {padding}");
        }
    }
}
