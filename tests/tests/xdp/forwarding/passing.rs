//! What is not forwarded by XDP passes untouched: other traffic, and what takes the way through the network stack.

use std::{collections::BTreeMap, net::Ipv4Addr};

use igmp_wire::{
    Refusal,
    abi::{EventKind, InterfaceConfig, InterfaceFlags, PortSetFlags},
    emit::Message,
    ethernet::Vlan,
};
use tests::stream::{Datagram, datagram::udp_sum};

use super::bench::{Bench, GROUP, NOWHERE, PORTS, REMOTE, SOME, SSM, data, forwarding_config};
use crate::{
    frames::{IP, fix_ip_checksum, frame, frame_from},
    harness::{HOST, ROUTER, SLOT, VLAN_SLOT, Verdict, default_config},
};

/// RFC 5771 §4: what is sent to 224.0.0.0/24 stays on its link, whatever its TTL, and is for the router itself.
#[test]
fn groups_of_the_link() {
    let mut bench = Bench::new();
    for last in [0, 1, 2, 5, 18, 102, 251, 255] {
        let group = Ipv4Addr::new(224, 0, 0, last);
        bench.route(group, None, SOME);
        bench.commit();
        for ttl in [0, 1, 2, 255] {
            bench.passed(&data(HOST, group).with(|it| it.ttl = ttl).frame());
            bench.passed(
                &data(NOWHERE, group)
                    .with(|it| it.header_checksum_error = 1)
                    .frame(),
            );
        }
    }
}

#[test]
fn unicast_and_broadcast() {
    let mut bench = Bench::with_route();
    for destination in [
        ROUTER,
        REMOTE,
        Ipv4Addr::new(223, 255, 255, 255),
        Ipv4Addr::new(240, 0, 0, 1),
        Ipv4Addr::new(10, 1, 1, 255),
        Ipv4Addr::BROADCAST,
    ] {
        for ttl in [1, 64] {
            let packet = data(HOST, destination).with(|it| it.ttl = ttl);
            bench.passed(&packet.frame());
            // Even where something is wrong with them.
            bench.passed(&packet.clone().with(|it| it.header_checksum_error = 1).frame());
            bench.passed(&packet.clone().with(|it| it.cut = Some(40)).frame());
            bench.passed(
                &packet
                    .with(|it| it.destination_mac = Some([1, 0, 0x5e, 1, 2, 3]))
                    .frame(),
            );
        }
    }
}

#[test]
fn other_protocols() {
    let mut bench = Bench::with_route();
    for ethertype in [0x0806_u16, 0x86dd, 0x88cc, 0x8847, 0x0000, 0x05dc, 0xffff] {
        let mut frame = data(HOST, GROUP).frame();
        frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
        bench.passed(&frame);
    }
}

#[test]
fn interfaces_that_do_not_forward() {
    let mut bench = Bench::with_route();
    bench.xdp.configure(0, &default_config());
    bench.passed(&data(HOST, GROUP).frame());
    bench.passed(&data(HOST, SSM).frame());
    bench.passed(
        &data(NOWHERE, GROUP)
            .with(|it| it.header_checksum_error = 1)
            .frame(),
    );
}

/// Memberships are learned as before, and what is learned is not data.
#[test]
fn igmp() {
    let mut bench = Bench::with_route();
    assert_eq!(bench.xdp.receive(&frame(Message::ReportV2(GROUP))), Verdict::Drop);
    let kinds: Vec<u8> = bench.xdp.events().iter().map(|(event, _)| event.kind).collect();
    assert_eq!(kinds, [EventKind::ReportV2 as u8]);
    assert!(bench.xdp.group(GROUP).is_some());
    let wrong = frame_from(ROUTER, Vlan::Untagged, Message::ReportV2(GROUP));
    bench.frame_refused(&wrong, Refusal::Source);
    assert_eq!(bench.flow(HOST, GROUP), None);
}

/// Tagged frames belong to their VLAN: its routes to sources, its counters.
#[test]
fn configured_vlans() {
    let mut bench = Bench::with_route();
    let vlan = InterfaceConfig {
        slot: VLAN_SLOT,
        ..forwarding_config(0)
    };
    bench.xdp.configure(7, &vlan);
    bench.sources("192.0.2.0/24", VLAN_SLOT);
    bench.commit();
    for priority in 0..8 {
        bench.forwarded(
            &data(REMOTE, GROUP).with(|it| {
                it.vlans = vec![7];
                it.priority = priority;
            }),
            SOME,
        );
    }
    bench.refused(&data(REMOTE, GROUP), Refusal::Rpf);
    let tagged = |source| data(source, GROUP).with(|it| it.vlans = vec![7]);
    let verdict = bench.xdp.receive(&tagged(HOST).frame());
    assert_eq!(
        (verdict, bench.refusals()),
        (Verdict::Drop, BTreeMap::from([((VLAN_SLOT, Refusal::Rpf), 1)]))
    );
    // What comes in on the VLAN may leave on the interface below it.
    bench.port_set(8, &[SLOT]);
    bench.route(SSM, None, 8);
    bench.commit();
    bench.forwarded(&tagged(REMOTE).with(|it| it.destination = SSM), 8);
    // A tag of the other kind is a tag, too.
    let mut service = tagged(REMOTE).frame();
    service[12..14].copy_from_slice(&[0x88, 0xa8]);
    bench.frame_forwarded(&service, 1);
    for len in 14..18 + 20 {
        let verdict = bench.xdp.receive(&tagged(REMOTE).frame()[..len]);
        let refusals = bench.refusals();
        if len < 18 {
            assert_eq!((verdict, refusals), (Verdict::Pass, BTreeMap::new()), "{len}");
        } else {
            let expected = BTreeMap::from([((VLAN_SLOT, Refusal::TooShort), 1)]);
            assert_eq!((verdict, refusals), (Verdict::Drop, expected), "{len}");
        }
    }
}

/// Somebody else may have them.
#[test]
fn vlans_that_are_not_configured() {
    let mut bench = Bench::with_route();
    for vlans in [
        vec![9],
        vec![4_095],
        vec![7, 9],
        vec![9, 7],
        vec![0, 7],
        vec![7, 0],
        vec![7, 7, 7],
    ] {
        bench.passed(&data(HOST, GROUP).with(|it| it.vlans = vlans).frame());
    }
}

/// VLAN 0 is none: the tag carries a priority alone (IEEE 802.1Q).
#[test]
fn priority_tags() {
    let mut bench = Bench::with_route();
    for priority in [0, 5] {
        let packet = data(HOST, GROUP).with(|it| {
            it.vlans = vec![0];
            it.priority = priority;
        });
        bench.forwarded(&packet, SOME);
    }
}

/// Packets that sockets of the router want pass, and the classifier makes the copies for others.
#[test]
fn groups_of_the_router_itself() {
    let mut bench = Bench::with_route();
    let only_local = Ipv4Addr::new(239, 7, 7, 7);
    let join = |bench: &mut Bench, slot: u32, group: Ipv4Addr, joined: bool| {
        bench
            .xdp
            .kernel
            .set_local_group(slot, group, joined)
            .expect("the kernel is told");
    };
    // On another interface.
    join(&mut bench, PORTS[0], GROUP, true);
    bench.flags(InterfaceFlags::LOCAL_GROUPS);
    bench.forwarded(&data(HOST, GROUP), SOME);

    join(&mut bench, SLOT, GROUP, true);
    join(&mut bench, SLOT, only_local, true);
    bench.passed(&data(HOST, GROUP).frame());
    bench.passed(&data(HOST, only_local).frame());
    bench.passed(&data(HOST, only_local).with(|it| it.ttl = 1).frame());
    bench.refused(&data(HOST, Ipv4Addr::new(239, 7, 7, 8)), Refusal::NoMembers);
    // The others do not get it, which is counted; the router itself does.
    for (packet, refusal) in [
        (data(HOST, GROUP).with(|it| it.ttl = 1), Refusal::Ttl),
        (data(NOWHERE, GROUP), Refusal::Rpf),
    ] {
        assert_eq!(bench.xdp.receive(&packet.frame()), Verdict::Pass);
        assert_eq!(bench.refusals(), BTreeMap::from([((SLOT, refusal), 1)]));
    }
    // What is broken is nobody's.
    bench.refused(
        &data(HOST, only_local).with(|it| it.header_checksum_error = 1),
        Refusal::Checksum,
    );
    bench.refused(&data(ROUTER, only_local), Refusal::Source);

    join(&mut bench, SLOT, GROUP, false);
    join(&mut bench, SLOT, only_local, false);
    bench.forwarded(&data(HOST, GROUP), SOME);
    bench.refused(&data(HOST, only_local), Refusal::NoMembers);
}

/// In generic mode, and to ports that cannot be redirected to, packets take the other way, which counts them. What nobody
/// is to get still ends here.
#[test]
fn the_way_through_the_stack() {
    let mut bench = Bench::with_route();
    let check = |bench: &mut Bench| {
        let packet = data(HOST, GROUP);
        bench.passed(&packet.frame());
        bench.refused(&packet.clone().with(|it| it.ttl = 1), Refusal::Ttl);
        bench.refused(&packet.with(|it| it.source = NOWHERE), Refusal::Rpf);
        bench.refused(&data(HOST, SSM), Refusal::NoMembers);
        let flow = bench.flow(HOST, GROUP);
        assert_eq!(flow.map_or(0, |flow| flow.packets), 0, "the classifier counts");
    };
    bench.flags(InterfaceFlags::STACK);
    check(&mut bench);
    bench.flags(0);
    bench.port_set_with(SOME, &PORTS, PortSetFlags::STACK);
    check(&mut bench);
    bench.port_set(SOME, &PORTS);
    bench.forwarded(&data(HOST, GROUP), SOME);
}

/// The packet with the sum of the pseudo header (RFC 768) in place of its checksum, as the network stack leaves it.
fn with_partial_checksum(packet: &Datagram) -> Vec<u8> {
    let mut frame = packet.frame();
    let header_len = usize::from(frame[IP] & 0x0f) * 4;
    let udp = IP + header_len;
    let len = frame[udp + 4..udp + 6].to_vec();
    // An empty packet of that length: nothing but the pseudo header, whose length field `udp_sum` sets to 0.
    let pseudo = udp_sum(packet.source, packet.destination, &[]);
    let mut sum = u32::from(pseudo) + (u32::from(len[0]) << 8 | u32::from(len[1]));
    sum = (sum & 0xffff) + (sum >> 16);
    frame[udp + 6..udp + 8].copy_from_slice(&(sum as u16).to_be_bytes());
    frame
}

#[test]
fn checksums_that_are_still_to_be_computed() {
    let mut bench = Bench::with_route();
    for size in [16, 17, 33, 200, 201, 1_400] {
        for options in [0, 4, 40] {
            let packet = data(HOST, GROUP).with(|it| {
                it.size = size;
                it.options = vec![1; options];
            });
            let partial = with_partial_checksum(&packet);
            bench.flags(InterfaceFlags::PARTIAL_CHECKSUMS);
            bench.passed(&partial);
            bench.forwarded(&packet, SOME);
            bench.forwarded(&packet.clone().with(|it| it.checksum_error = 1), SOME);
            // From a wire such a packet is just wrong.
            bench.flags(0);
            bench.frame_forwarded(&partial, 0);
        }
    }
}

/// Complete checksums that happen to be the sum of the pseudo header are complete.
#[test]
fn complete_checksums_that_look_partial() {
    let mut bench = Bench::with_route();
    bench.flags(InterfaceFlags::PARTIAL_CHECKSUMS);
    for size in [16, 17, 100, 1_471] {
        let packet = data(HOST, GROUP).with(|it| it.size = size);
        let mut frame = with_partial_checksum(&packet);
        bench.passed(&frame);
        // The source port makes the sum of everything what it has to be.
        let (header, udp) = frame.split_at_mut(IP + 20);
        let udp = &mut udp[..8 + size];
        udp[..2].fill(0);
        let _ = header;
        let rest = udp_sum(HOST, GROUP, udp);
        udp[..2].copy_from_slice(&(!rest).to_be_bytes());
        assert_eq!(udp_sum(HOST, GROUP, udp), 0xffff);
        bench.frame_forwarded(&frame, 0);
    }
}

/// What is not UDP may be a tunnel with something incomplete inside. Fragments are complete.
#[test]
fn what_is_not_certainly_complete() {
    let mut bench = Bench::with_route();
    bench.flags(InterfaceFlags::PARTIAL_CHECKSUMS);
    let partial = with_partial_checksum(&data(HOST, GROUP));
    bench.passed(&partial);
    let changed = |at: usize, value: u8| {
        let mut frame = partial.clone();
        frame[IP + at] = value;
        fix_ip_checksum(&mut frame);
        frame
    };
    for protocol in [6, 47, 50] {
        bench.passed(&changed(9, protocol));
    }
    for (at, value) in [(6, 0x20), (7, 1)] {
        bench.frame_forwarded(&changed(at, value), 0);
    }
}

/// 0.0.0.0 is no group, whatever the Ethernet address says: not even a proxy sends it upstream.
#[test]
fn packets_for_nobody() {
    let mut bench = Bench::with_route();
    let packet =
        data(HOST, Ipv4Addr::UNSPECIFIED).with(|it| it.destination_mac = Some([1, 0, 0x5e, 0, 0, 0]));
    bench.passed(&packet.frame());
    bench.default_port_set(SOME);
    bench.commit();
    bench.passed(&packet.frame());
}
