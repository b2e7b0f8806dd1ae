//! A bench with real interfaces: what is forwarded leaves, and hosts see it.

use std::{collections::BTreeMap, net::Ipv4Addr};

use aya::{
    TestRun,
    programs::{TestRunAttrs, TestRunOptions},
};
use igmp_user::kernel::LoadOptions;
use igmp_wire::{
    Refusal,
    abi::{InterfaceConfig, InterfaceKey, Port, name},
};
use tests::{
    Namespace, Network,
    stream::{Frame, Tap, site::ethtool},
};

use super::bench::{Bench, MTU, PORTS, after_hop, forwarding_config};
use crate::harness::SLOT;

/// The router's interfaces: that under test, and one for each of [`PORTS`].
const NAMES: [&str; 4] = ["in0", "out1", "out2", "out3"];

/// A router with hosts, seen from outside.
pub(super) struct Links {
    router: Namespace,
    hosts: Vec<Namespace>,
    taps: Vec<Tap>,
    _network: Network,
}

/// The same with the programs loaded, in a thread inside the router's namespace.
pub(super) struct Inside<'a> {
    pub(super) bench: Bench,
    pub(super) links: &'a Links,
    /// Frames that were sent so far, which number them.
    sent: u16,
}

impl Links {
    /// Makes the interfaces, each with a host at its other end that can be redirected to.
    pub(super) fn new() -> Self {
        let network = Network::new();
        let router = network.namespace("router");
        let hosts: Vec<Namespace> = (0..NAMES.len())
            .map(|index| network.namespace(&format!("host{index}")))
            .collect();
        for (name, host) in NAMES.into_iter().zip(&hosts) {
            network.link(&router, name, host, "eth0");
            ethtool(host, &["-K", "eth0", "gro", "on"]);
        }
        router.address("in0", crate::harness::ROUTER, 24);
        let taps = hosts.iter().map(|host| Tap::open(host, "eth0")).collect();
        Self {
            router,
            hosts,
            taps,
            _network: network,
        }
    }

    /// The router's namespace.
    pub(super) fn router(&self) -> &Namespace {
        &self.router
    }

    /// The host at the other end of the interface under test.
    pub(super) fn sender(&self) -> &Namespace {
        &self.hosts[0]
    }

    /// The index of one of the router's interfaces.
    pub(super) fn index(&self, number: usize) -> u32 {
        self.router.index(NAMES[number])
    }

    /// Loads the programs inside and runs a test there.
    pub(super) fn inside(&self, test: impl FnOnce(&mut Inside<'_>) + Send) {
        self.router.enter(|| {
            let mut inside = Inside {
                bench: Bench::with(&LoadOptions {
                    max_groups: 64,
                    max_entries: 64,
                    ..LoadOptions::default()
                }),
                links: self,
                sent: 0,
            };
            inside.interface(0, 0, SLOT, forwarding_config(0));
            for (number, slot) in (1..).zip(PORTS) {
                inside.interface(number, 0, slot, forwarding_config(0));
                inside.port(number, slot, 1_500, 0);
            }
            inside.port(0, SLOT, 1_500, 0);
            test(&mut inside);
        });
    }
}

/// The address that the router's frames have where they leave through the port with this slot.
pub(super) fn port_mac(slot: u32) -> [u8; 6] {
    [2, 0xaa, 0, 0, (slot >> 8) as u8, slot as u8]
}

impl Inside<'_> {
    /// Configures an interface, by its place among the router's, or a VLAN of it.
    pub(super) fn interface(&mut self, number: usize, vlan: u16, slot: u32, config: InterfaceConfig) {
        let key = InterfaceKey {
            ifindex: self.links.index(number),
            vlan,
            reserved: 0,
        };
        let mut config = InterfaceConfig { slot, ..config };
        if number != 0 {
            config.prefix_count = 0;
        }
        self.bench
            .xdp
            .kernel
            .set_interface(key, &config)
            .expect("the interface is configured");
    }

    /// Describes a port, by the place of its interface among the router's.
    pub(super) fn port(&mut self, number: usize, slot: u32, mtu: u32, vlan: u16) {
        let port = Port {
            valid_until: 0,
            ifindex: self.links.index(number),
            mtu,
            vlan,
            mac: port_mac(slot),
        };
        self.bench.real_port(slot, port);
    }

    /// Describes a port that packets leave through until this many nanoseconds of `CLOCK_MONOTONIC`.
    pub(super) fn port_until(&mut self, number: usize, slot: u32, valid_until: u64) {
        let port = Port {
            valid_until,
            ifindex: self.links.index(number),
            mtu: MTU,
            vlan: 0,
            mac: port_mac(slot),
        };
        self.bench.real_port(slot, port);
    }

    /// A number for the next frame, to know it again by its IP identification.
    pub(super) fn number(&mut self) -> u16 {
        self.sent += 1;
        self.sent
    }

    /// Lets XDP have a frame on an interface, and do with it what it does with real ones.
    pub(super) fn inject(&self, number: usize, frame: &[u8]) {
        let program = self
            .bench
            .xdp
            .kernel
            .program(name::PROGRAM)
            .expect("the program is there");
        // `struct xdp_md` of linux/bpf.h: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
        let context: Vec<u8> = [0, frame.len() as u32, 0, self.links.index(number), 0, 0]
            .into_iter()
            .flat_map(u32::to_ne_bytes)
            .collect();
        let options = TestRunOptions {
            data_in: Some(frame),
            ctx_in: Some(&context),
            attrs: TestRunAttrs::new().xdp_live_frames(1),
            ..TestRunOptions::default()
        };
        program.test_run(options).expect("the frame is taken");
    }

    /// Waits for the frame with this number at the host of an interface.
    #[track_caller]
    pub(super) fn wait_for(&self, number: usize, id: u16) -> Frame {
        self.links.taps[number].wait_for("a frame that is forwarded", |frame| frame.id() == id)
    }

    /// Waits for the first frame for a group at the host of an interface.
    #[track_caller]
    pub(super) fn wait_for_data(&self, number: usize, group: Ipv4Addr) -> Frame {
        self.links.taps[number].wait_for("data of a group", |frame| frame.destination() == group)
    }

    /// The numbers of the frames for a group that the host of an interface has seen.
    pub(super) fn seen(&self, number: usize, group: Ipv4Addr) -> Vec<u16> {
        let frames = self.links.taps[number].to(group);
        frames.iter().map(Frame::id).collect()
    }

    /// Packets and bytes that were counted as forwarded through a port since the last call, and what it refused.
    pub(super) fn left(&mut self, slot: u32) -> (u64, u64, BTreeMap<Refusal, u64>) {
        let counted = self.bench.xdp.counted_in(slot);
        let refused = counted.dropped().into_iter().collect();
        (counted.0.forwarded_packets, counted.0.forwarded_bytes, refused)
    }
}

/// The frame as it leaves through a port: one hop further, without tag, and from the router.
pub(super) fn leaving(frame: &[u8], tags: usize, slot: u32) -> Vec<u8> {
    let after = after_hop(frame, tags);
    [&after[..6], &port_mac(slot), &after[12 + 4 * tags..]].concat()
}
