//! The way through the network stack, attached to a real interface, without XDP in front of it.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    net::{Ipv4Addr, UdpSocket},
    time::Duration,
};

use igmp_wire::{Refusal, abi::InterfaceFlags};
use tests::{
    PATIENCE, RawSocket,
    stream::{Datagram, PORT},
};

use super::{
    bench::{GROUP, MTU, NOWHERE, PORTS, REMOTE, SSM, data, forwarding_config, total_len},
    links::{Inside, Links, leaving, port_mac},
};
use crate::harness::{HOST, ROUTER, SLOT, VLAN_SLOT};

/// A group of the fence: what came before it has arrived when it arrives.
const FENCE: Ipv4Addr = Ipv4Addr::new(239, 254, 0, 1);
/// The set with every port.
const ALL: u32 = 1;

/// Attaches the classifier, with routes of [`GROUP`] and [`FENCE`] to every port.
fn attach(inside: &mut Inside<'_>) {
    inside.bench.port_set(ALL, &PORTS);
    for group in [GROUP, FENCE] {
        inside.bench.route(group, None, ALL);
    }
    inside.bench.sources("198.18.0.0/15", VLAN_SLOT);
    inside.interface(0, 7, VLAN_SLOT, forwarding_config(0));
    inside.bench.commit();
    let index = inside.links.index(0);
    inside
        .bench
        .xdp
        .kernel
        .attach_classifier(index, "in0")
        .expect("the classifier is attached");
}

/// Sends a packet and waits until whatever is behind it has reached every port.
fn send(inside: &mut Inside<'_>, raw: &RawSocket, packet: &Datagram) -> u16 {
    raw.send_frame(&packet.frame());
    fence(inside, raw);
    packet.id
}

fn fence(inside: &mut Inside<'_>, raw: &RawSocket) {
    let last = data(HOST, FENCE).with(|it| it.id = inside.number());
    raw.send_frame(&last.frame());
    for number in 1..=PORTS.len() {
        inside.wait_for(number, last.id);
    }
}

#[test]
fn every_port_gets_a_frame_of_its_own() {
    let links = Links::new();
    let raw = RawSocket::open(links.sender(), "eth0");
    links.inside(|inside| {
        attach(inside);
        // The last port is a VLAN.
        inside.port(3, PORTS[2], MTU, 9);
        for (vlans, priority, source) in [
            (vec![], 0, REMOTE),
            (vec![0], 5, REMOTE),
            (vec![0], 0, REMOTE),
            (vec![7], 0, [198, 18, 0, 1].into()),
            (vec![7], 6, [198, 18, 0, 1].into()),
        ] {
            for (size, options) in [(16, 0), (301, 0), (1_472, 0), (200, 40)] {
                let packet = data(source, GROUP).with(|it| {
                    it.vlans = vlans.clone();
                    it.priority = priority;
                    it.size = size;
                    it.options = vec![1; options];
                    it.id = inside.number();
                });
                let frame = packet.frame();
                raw.send_frame(&frame);
                for (number, slot) in (1..).zip(PORTS) {
                    let seen = inside.wait_for(number, packet.id);
                    assert_eq!(seen.bytes, leaving(&frame, vlans.len(), slot), "{packet:?}");
                    assert_eq!(seen.tag, (number == 3).then_some(9), "{packet:?}");
                    assert!(seen.is_checksum_right());
                    assert_eq!(
                        inside.left(slot),
                        (1, total_len(&frame, vlans.len()), BTreeMap::new())
                    );
                }
            }
        }
        for number in 1..=PORTS.len() {
            assert_eq!(
                inside.seen(number, GROUP),
                (1..=20).collect::<Vec<_>>(),
                "each once, in order"
            );
        }
    });
}

#[test]
fn what_is_refused_is_counted_and_ends() {
    let links = Links::new();
    let raw = RawSocket::open(links.sender(), "eth0");
    links.inside(|inside| {
        attach(inside);
        let good = data(HOST, GROUP);
        for (packet, refusal) in [
            (good.clone().with(|it| it.destination = SSM), Refusal::NoMembers),
            (good.clone().with(|it| it.source = NOWHERE), Refusal::Rpf),
            (good.clone().with(|it| it.ttl = 1), Refusal::Ttl),
            (good.clone().with(|it| it.ttl = 0), Refusal::Ttl),
            (
                good.clone().with(|it| it.header_checksum_error = 1),
                Refusal::Checksum,
            ),
            (good.clone().with(|it| it.source = ROUTER), Refusal::Source),
            (
                good.clone().with(|it| it.source = Ipv4Addr::LOCALHOST),
                Refusal::Source,
            ),
            (
                good.clone().with(|it| it.total_len = Some(19)),
                Refusal::Malformed,
            ),
            (
                good.clone().with(|it| it.total_len = Some(1_000)),
                Refusal::TooShort,
            ),
        ] {
            send(inside, &raw, &packet);
            let refused = inside.bench.xdp.counted().dropped();
            assert_eq!(refused, [(refusal, 1)].into(), "{packet:?}");
        }
        for number in 1..=PORTS.len() {
            assert_eq!(inside.seen(number, GROUP), [0_u16; 0], "interface {number}");
        }
    });
}

/// The verdict of what is not forwarded at all: somebody else may want it.
#[test]
fn other_traffic_reaches_the_stack() {
    let links = Links::new();
    let raw = RawSocket::open(links.sender(), "eth0");
    links.inside(|inside| {
        attach(inside);
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        socket
            .join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 77), &ROUTER)
            .expect("the group is joined");
        let router_mac = links.router().ip("-br link show dev in0");
        let mac: Vec<u8> = router_mac
            .split_whitespace()
            .find(|word| word.matches(':').count() == 5)
            .expect("an address")
            .split(':')
            .map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal"))
            .collect();
        let mut buffer = [0; 2_000];
        for (destination, mac) in [
            (Ipv4Addr::new(224, 0, 0, 77), None),
            (ROUTER, mac.first_chunk::<6>().copied()),
            (Ipv4Addr::new(10, 1, 1, 255), Some([0xff; 6])),
        ] {
            for ttl in [1, 7] {
                let packet = data(HOST, destination).with(|it| {
                    it.ttl = ttl;
                    it.destination_mac = mac;
                });
                raw.send_frame(&packet.frame());
                let (len, from) = socket.recv_from(&mut buffer).expect("it arrives");
                assert_eq!((len, from.ip()), (packet.size, HOST.into()), "{packet:?}");
            }
        }
        assert!(inside.bench.xdp.counted().dropped().is_empty());
    });
}

/// A socket of the router gets the packet as it came, and the ports get theirs.
#[test]
fn groups_of_the_router_itself() {
    let links = Links::new();
    let raw = RawSocket::open(links.sender(), "eth0");
    links.inside(|inside| {
        attach(inside);
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).expect("a socket");
        let only_local = Ipv4Addr::new(239, 7, 7, 7);
        for group in [GROUP, only_local] {
            socket
                .join_multicast_v4(&group, &ROUTER)
                .expect("the group is joined");
        }
        let mut buffer = [0; 2_000];
        let mut got = |patience: Duration| {
            socket.set_read_timeout(Some(patience)).expect("a timeout");
            match socket.recv(&mut buffer) {
                Ok(len) => Some(len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                Err(error) => panic!("{error}"),
            }
        };
        // Unless the agent says so, nobody on the router wants it.
        let packet = data(HOST, GROUP).with(|it| it.id = inside.number());
        send(inside, &raw, &packet);
        assert_eq!(got(Duration::from_millis(1)), None);

        inside.interface(0, 0, SLOT, forwarding_config(InterfaceFlags::LOCAL_GROUPS));
        for group in [GROUP, only_local] {
            let kernel = &mut inside.bench.xdp.kernel;
            kernel
                .set_local_group(SLOT, group, true)
                .expect("the kernel is told");
        }
        for (size, group, ttl, forwarded) in [
            (100, GROUP, 8, true),
            (101, GROUP, 1, false),
            (102, only_local, 8, false),
            (103, only_local, 1, false),
            (1_400, GROUP, 2, true),
        ] {
            let packet = data(HOST, group).with(|it| {
                it.size = size;
                it.ttl = ttl;
                it.id = inside.number();
            });
            let id = send(inside, &raw, &packet);
            assert_eq!(got(PATIENCE), Some(size), "{packet:?}");
            for (number, slot) in (1..).zip(PORTS) {
                assert_eq!(inside.seen(number, group).contains(&id), forwarded, "{packet:?}");
                if forwarded {
                    let seen = inside.wait_for(number, id);
                    assert_eq!(seen.bytes, leaving(&packet.frame(), 0, slot));
                }
            }
        }
        assert_eq!(got(Duration::from_millis(1)), None, "each once");
        // XDP counts what it lets pass; without it in front, nothing is counted here.
        assert!(inside.bench.xdp.counted().dropped().is_empty());
    });
}

#[test]
fn ports_that_are_too_small() {
    let links = Links::new();
    let raw = RawSocket::open(links.sender(), "eth0");
    links.inside(|inside| {
        attach(inside);
        for (small, small_slot) in PORTS.into_iter().enumerate() {
            for (index, slot) in PORTS.into_iter().enumerate() {
                inside.port(index + 1, slot, if index == small { 600 } else { MTU }, 0);
            }
            for len in [600, 601, 1_500] {
                let packet = data(HOST, GROUP).with(|it| {
                    it.size = len - 28;
                    it.id = inside.number();
                });
                let id = send(inside, &raw, &packet);
                for (index, slot) in PORTS.into_iter().enumerate() {
                    let fits = len <= 600 || index != small;
                    assert_eq!(
                        inside.seen(index + 1, GROUP).contains(&id),
                        fits,
                        "{len} {small} {slot}"
                    );
                }
                let refused = inside.bench.refusals();
                let expected = (len > 600).then_some(((small_slot, Refusal::Mtu), 1));
                assert_eq!(refused, expected.into_iter().collect(), "{len} {small}");
            }
        }
    });
}

/// A host that leaves checksums to hardware which is not there: the receiver still gets what it can verify.
#[test]
fn checksums_that_are_still_to_be_computed() {
    let links = Links::new();
    links.sender().address("eth0", HOST, 24);
    let raw = RawSocket::open(links.sender(), "eth0");
    let socket = links.sender().enter(|| {
        let socket = UdpSocket::bind((HOST, 0)).expect("a socket");
        socket.set_multicast_ttl_v4(8).expect("a TTL");
        socket.connect((GROUP, PORT)).expect("a destination");
        socket
    });
    links.sender().ip("route add 224.0.0.0/4 dev eth0");
    links.inside(|inside| {
        attach(inside);
        socket.send(&[7; 333]).expect("it is sent");
        fence(inside, &raw);
        for (number, slot) in (1..).zip(PORTS) {
            let frame = inside.wait_for_data(number, GROUP);
            assert_eq!((frame.ttl(), frame.source_mac()), (7, port_mac(slot)));
            assert!(frame.is_header_checksum_right());
            assert!(frame.checksum_pending || frame.is_checksum_right());
            assert_eq!(frame.udp()[8..], [7; 333]);
        }
    });
}
