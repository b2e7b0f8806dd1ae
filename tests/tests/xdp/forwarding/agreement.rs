//! The XDP program and a model in user space come to the same for the same frames: verdict, output, counters, and what is
//! known of sources in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use igmp_wire::{
    Refusal,
    abi::{
        EMPTY_PORT_SET, INCOMING_ANY, INCOMING_ASK, INCOMING_NONE, INCOMING_RPF, InterfaceConfig,
        InterfaceFlags, PortSetFlags,
    },
};
use tests::stream::datagram::sum;

use super::{
    bench::{Bench, ELSEWHERE, GROUP, MANY_WAYS, MTU, NOWHERE, PORTS, REMOTE, SSM, data, forwarding_config},
    model::{Incoming, Interface, World},
};
use crate::{
    frames::{IP, fix_ip_checksum},
    harness::{HOST, ROUTER, SLOT, VLAN_SLOT, Verdict, default_config},
    numbers::Numbers,
};

/// How many frames are generated.
const FRAMES: u32 = 100_000;
/// After how many frames something changes.
const CHANGE: u32 = 250;

const GROUPS: [Ipv4Addr; 5] = [
    GROUP,
    SSM,
    Ipv4Addr::new(224, 1, 2, 3),
    Ipv4Addr::new(224, 0, 1, 1),
    Ipv4Addr::new(239, 255, 255, 255),
];
const SOURCES: [Ipv4Addr; 5] = [HOST, REMOTE, ELSEWHERE, MANY_WAYS, NOWHERE];

/// A configuration of the interface and its VLAN 7, and the router as the model sees it.
struct Scene {
    bench: Bench,
    world: World,
}

impl Scene {
    fn new(flags: u32, proxy: bool) -> Self {
        let mut scene = Self {
            bench: Bench::new(),
            world: World::default(),
        };
        scene.interface(0, SLOT, forwarding_config(flags));
        scene.interface(7, VLAN_SLOT, forwarding_config(flags));
        // Known, but not forwarding.
        scene.interface(
            8,
            5,
            InterfaceConfig {
                slot: 5,
                ..default_config()
            },
        );
        for (slot, mtu) in PORTS
            .into_iter()
            .zip([MTU, 1_000, 600])
            .chain([(SLOT, MTU), (VLAN_SLOT, MTU)])
        {
            scene.bench.port(slot, mtu);
            scene.world.mtus.insert(slot, mtu);
        }
        scene.set(EMPTY_PORT_SET, &[], false);
        scene.set(1, &PORTS[..2], false);
        scene.set(2, &PORTS[2..], false);
        scene.set(3, &[SLOT], false);
        scene.set(4, &[SLOT, PORTS[0], PORTS[2]], false);
        scene.set(5, &[VLAN_SLOT, PORTS[1]], true);
        scene.set(6, &PORTS, true);
        for (network, len, slot) in [
            ([10, 1, 1, 0], 24, SLOT),
            ([192, 0, 2, 0], 24, SLOT),
            ([192, 0, 2, 0], 29, VLAN_SLOT),
            ([198, 51, 100, 0], 24, PORTS[0]),
            ([203, 0, 113, 0], 24, INCOMING_ASK),
        ] {
            scene.prefix(network.into(), len, slot);
        }
        for (slot, group) in [(SLOT, GROUPS[2]), (SLOT, GROUPS[4]), (VLAN_SLOT, GROUP)] {
            let kernel = &mut scene.bench.xdp.kernel;
            kernel
                .set_local_group(slot, group, true)
                .expect("the kernel is told");
            scene.world.local.insert((slot, group));
        }
        if proxy {
            scene.bench.default_port_set(2);
            scene.world.default_set = 2;
        }
        scene.bench.commit();
        scene
    }

    fn interface(&mut self, vlan: u16, slot: u32, config: InterfaceConfig) {
        let config = InterfaceConfig { slot, ..config };
        self.bench.xdp.configure(vlan, &config);
        let has = |flag| config.flags & flag != 0;
        let interface = Interface {
            slot,
            forward: has(InterfaceFlags::FORWARD),
            stack: has(InterfaceFlags::STACK),
            partial_checksums: has(InterfaceFlags::PARTIAL_CHECKSUMS),
            local_groups: has(InterfaceFlags::LOCAL_GROUPS),
            own: ROUTER,
        };
        self.world.interfaces.insert(vlan, interface);
    }

    fn set(&mut self, number: u32, slots: &[u32], stack: bool) {
        let flags = if stack { PortSetFlags::STACK } else { 0 };
        self.bench.port_set_with(number, slots, flags);
        self.world
            .sets
            .insert(number, (slots.iter().copied().collect::<BTreeSet<_>>(), stack));
    }

    fn prefix(&mut self, network: Ipv4Addr, len: u32, slot: u32) {
        self.bench.sources(&format!("{network}/{len}"), slot);
        self.world
            .prefixes
            .retain(|known| (known.0, known.1) != (network, len));
        let incoming = match slot {
            INCOMING_ANY => Incoming::Any,
            INCOMING_NONE | INCOMING_ASK => Incoming::Nowhere,
            slot => Incoming::Slot(slot),
        };
        self.world.prefixes.push((network, len, incoming));
    }

    /// Changes some route or prefix, and lets it count.
    fn change(&mut self, numbers: &mut Numbers) {
        for _ in 0..3 {
            let group = numbers.pick(&GROUPS);
            let source = if numbers.one_in(2) {
                None
            } else {
                Some(numbers.pick(&SOURCES))
            };
            if numbers.one_in(4) {
                self.bench.no_route(group, source);
                self.world.routes.remove(&(group, source));
            } else {
                let set = numbers.below(7) as u32;
                let (incoming, expected) = numbers.pick(&[
                    (INCOMING_RPF, None),
                    (INCOMING_RPF, None),
                    (INCOMING_RPF, None),
                    (INCOMING_ANY, Some(Incoming::Any)),
                    (SLOT, Some(Incoming::Slot(SLOT))),
                ]);
                self.bench.route_from(group, source, set, incoming);
                self.world.routes.insert((group, source), (set, expected));
            }
        }
        let slot = numbers.pick(&[SLOT, SLOT, VLAN_SLOT, PORTS[1], INCOMING_NONE, INCOMING_ANY]);
        let network = numbers.pick(&SOURCES);
        self.prefix(network, 32, slot);
        self.bench.commit();
    }
}

fn generate(numbers: &mut Numbers) -> Vec<u8> {
    let source = if numbers.one_in(10) {
        numbers.pick(&[
            ROUTER,
            Ipv4Addr::LOCALHOST,
            Ipv4Addr::new(0, 0, 0, 1),
            GROUP,
            Ipv4Addr::BROADCAST,
        ])
    } else {
        numbers.pick(&SOURCES)
    };
    let group = if numbers.one_in(8) {
        numbers.pick(&[
            Ipv4Addr::new(224, 0, 0, 5),
            Ipv4Addr::new(10, 1, 1, 9),
            Ipv4Addr::BROADCAST,
            Ipv4Addr::new(239, 9, 9, 9),
        ])
    } else {
        numbers.pick(&GROUPS)
    };
    let packet = data(source, group).with(|it| {
        it.ttl = numbers.pick(&[0, 1, 2, 64, 64, 64, 255]);
        it.options = vec![numbers.next() as u8; numbers.pick(&[0, 0, 0, 4, 8, 24, 40])];
        it.size = numbers.pick(&[16, 17, 100, 101, 572, 700, 990, 1_472]);
        it.padding = numbers.pick(&[0, 0, 1, 9]);
        it.vlans = match numbers.below(12) {
            0 | 1 => vec![7],
            2 => vec![9],
            3 => vec![7, 9],
            4 => vec![0],
            5 => vec![8],
            6 => vec![0, 7],
            _ => Vec::new(),
        };
        it.priority = numbers.below(8) as u16;
        if numbers.one_in(20) {
            it.destination_mac = Some(numbers.pick(&[[0xff; 6], [2, 0, 0, 0, 0, 1], [1, 0, 0x5e, 9, 9, 9]]));
        }
    });
    let ip = IP + 4 * packet.vlans.len();
    let mut frame = if numbers.one_in(8) {
        let fragments = packet.clone().with(|it| it.size += 500).fragments(256);
        fragments[numbers.below(fragments.len())].clone()
    } else {
        packet.frame()
    };
    if numbers.one_in(4) {
        leave_checksum(numbers, &mut frame, ip);
    }
    for _ in 0..numbers.pick(&[0, 0, 0, 0, 1, 2]) {
        spoil(numbers, &mut frame, ip);
    }
    frame
}

/// Leaves the checksum of UDP to hardware, now and then in a packet for which that is the right one.
fn leave_checksum(numbers: &mut Numbers, frame: &mut [u8], ip: usize) {
    let udp = ip + usize::from(frame[ip] & 0x0f) * 4;
    let end = ip + usize::from(u16::from_be_bytes([frame[ip + 2], frame[ip + 3]]));
    if end < udp + 8 {
        return;
    }
    let pseudo = [&frame[ip + 12..ip + 20], &[0, 17], &frame[udp + 4..udp + 6]].concat();
    let field = sum(&pseudo);
    frame[udp + 6..udp + 8].copy_from_slice(&field.to_be_bytes());
    if numbers.one_in(2) {
        frame[udp..udp + 2].fill(0);
        let rest = sum(&[&pseudo[..], &frame[udp..end]].concat());
        frame[udp..udp + 2].copy_from_slice(&(!rest).to_be_bytes());
    }
}

/// Breaks a frame, and mends the checksum of its header half of the time so that what is broken is reached.
fn spoil(numbers: &mut Numbers, frame: &mut Vec<u8>, ip: usize) {
    match numbers.below(5) {
        0 => {
            let len = 14 + numbers.below(frame.len() - 13);
            frame.truncate(len);
        }
        1 => frame.extend(std::iter::repeat_n(0xee, numbers.below(40))),
        2 if frame.len() > ip + 20 => frame[ip + numbers.below(20)] = numbers.next() as u8,
        3 if frame.len() > ip + 4 => {
            let value = numbers.pick(&[0x40, 0x44, 0x45, 0x46, 0x4f, 0x55, 0x65]);
            frame[ip] = value;
        }
        _ => {
            let at = numbers.below(frame.len());
            frame[at] ^= 1 << numbers.below(8);
        }
    }
    let header = frame.get(IP).map_or(0, |first| usize::from(first & 0x0f) * 4);
    let untagged = ip == IP && header >= 20 && frame.len() >= IP + header;
    if untagged && numbers.one_in(2) {
        fix_ip_checksum(frame);
    }
}

/// Whether a readable header names no destination at all, which is neither multicast nor anybody's.
fn is_for_nobody(frame: &[u8]) -> bool {
    (0..=2).any(|tags| {
        let ip = IP + 4 * tags;
        frame.get(ip + 16..ip + 20) == Some(&[0; 4]) && frame[ip] >> 4 == 4
    })
}

#[test]
fn kernel_and_model_agree() {
    let scenes = [
        (0, false),
        (InterfaceFlags::PARTIAL_CHECKSUMS, false),
        (
            InterfaceFlags::PARTIAL_CHECKSUMS | InterfaceFlags::LOCAL_GROUPS,
            false,
        ),
        (InterfaceFlags::STACK | InterfaceFlags::LOCAL_GROUPS, false),
        (InterfaceFlags::PARTIAL_CHECKSUMS, true),
    ];
    let mut refused = BTreeMap::new();
    let mut verdicts = [0_u32; 3];
    for (seed, (flags, proxy)) in scenes.into_iter().enumerate() {
        let mut numbers = Numbers(seed as u64);
        let mut scene = Scene::new(flags, proxy);
        let mut flows: BTreeMap<(Ipv4Addr, Ipv4Addr), (u64, u64)> = BTreeMap::new();
        for round in 0..FRAMES / scenes.len() as u32 {
            if round % CHANGE == 0 {
                scene.change(&mut numbers);
            }
            let frame = generate(&mut numbers);
            if is_for_nobody(&frame) {
                continue;
            }
            let Some(expected) = scene.world.judge(&frame) else {
                continue;
            };
            let (verdict, output) = scene.bench.xdp.forward(&frame);
            let context = format!("seed {seed}, round {round}: {frame:02x?}");
            assert_eq!(verdict, expected.verdict, "{context}");
            assert_eq!(scene.bench.refusals(), expected.refusals, "{context}");
            assert_eq!(output, expected.output, "{context}");
            if let Some((source, group, len)) = expected.forwarded {
                let (packets, bytes) = flows.entry((source, group)).or_default();
                *packets += 1;
                *bytes += len;
            }
            for ((_, refusal), count) in expected.refusals {
                *refused.entry(refusal).or_insert(0) += count;
            }
            verdicts[match verdict {
                Verdict::Drop => 0,
                Verdict::Pass => 1,
                Verdict::Redirect => 2,
            }] += 1;
        }
        let kept: BTreeMap<_, _> = scene
            .bench
            .xdp
            .kernel
            .flows()
            .read()
            .into_iter()
            .filter(|(_, flow)| flow.packets > 0)
            .map(|(key, flow)| {
                let addresses = (Ipv4Addr::from_bits(key.source), Ipv4Addr::from_bits(key.group));
                (addresses, (flow.packets, flow.bytes))
            })
            .collect();
        assert_eq!(kept, flows, "seed {seed}");
    }
    // The frames must have reached every reason that there is for data.
    for refusal in [
        Refusal::TooShort,
        Refusal::Malformed,
        Refusal::Checksum,
        Refusal::Source,
        Refusal::NoMembers,
        Refusal::Rpf,
        Refusal::Ttl,
        Refusal::Mtu,
    ] {
        let count = refused.remove(&refusal).unwrap_or(0);
        assert!(count >= 200, "only {count} frames were refused for {refusal:?}");
    }
    assert_eq!(refused, BTreeMap::new(), "these are no reasons to refuse data");
    assert!(
        verdicts.iter().all(|&count| count >= FRAMES / 20),
        "dropped, passed and redirected: {verdicts:?}"
    );
}
