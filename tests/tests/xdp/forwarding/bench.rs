//! An interface with routes, ports and sources to forward by.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use igmp_user::kernel::LoadOptions;
use igmp_wire::{
    Refusal,
    abi::{
        FlowDecision, FlowEntry, ForwardingSignals, ForwardingState, INCOMING_ASK, INCOMING_RPF,
        InterfaceConfig, InterfaceFlags, Port, PortSet, PortSetFlags, RouteEntry, RouteKey,
    },
};
use tests::stream::{
    Datagram, Payload,
    datagram::{group_mac, sum},
};

use crate::harness::{IFINDEX, SLOT, Verdict, Xdp, default_config};

/// A group that many tests have a route for.
pub(crate) const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
/// A group of the source-specific range.
pub(crate) const SSM: Ipv4Addr = Ipv4Addr::new(232, 1, 2, 3);
/// A source that is a few hops away, behind the interface under test.
pub(crate) const REMOTE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
/// A source that is behind the first port.
pub(crate) const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// A source to which there is more than one way.
pub(crate) const MANY_WAYS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
/// A source to which no route leads.
pub(crate) const NOWHERE: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);

/// The slots of the ports, in different words of the bitmap.
pub(crate) const PORTS: [u32; 3] = [10, 70, 1_023];
/// The MTU of each port by default.
pub(crate) const MTU: u32 = 1_500;

/// What the kernel allows beyond the MTU when it redirects: an Ethernet header and a tag (`xdp_ok_fwd_dev`).
pub(crate) const HEADROOM: u32 = 18;

/// Routes whose meaning does not matter to a test lead to this set: the first two ports.
pub(crate) const SOME: u32 = 1;

/// A packet that is right in every respect.
pub(crate) fn data(source: Ipv4Addr, group: Ipv4Addr) -> Datagram {
    let payload = Payload {
        stream: 1,
        sequence: 2,
    };
    Datagram::new(source, group, payload)
}

/// Length of the IP packet in a frame with this many tags.
pub(crate) fn total_len(frame: &[u8], tags: usize) -> u64 {
    let at = 16 + 4 * tags;
    u64::from(frame[at]) << 8 | u64::from(frame[at + 1])
}

/// The frame as XDP hands it to all ports: TTL one less, the checksum computed from the beginning, and the Ethernet
/// address of the group. The IPv4 header begins behind `tags` tags.
pub(crate) fn after_hop(frame: &[u8], tags: usize) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let (link, ip) = frame.split_at_mut(14 + 4 * tags);
    let header_len = usize::from(ip[0] & 0x0f) * 4;
    let header = &mut ip[..header_len];
    header[8] -= 1;
    header[10..12].fill(0);
    let checksum = !sum(header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    let group = Ipv4Addr::new(header[16], header[17], header[18], header[19]);
    link[..6].copy_from_slice(&group_mac(group));
    frame
}

/// A route's or a flow's key; no source is every source.
pub(crate) fn route_key(group: Ipv4Addr, source: Option<Ipv4Addr>) -> RouteKey {
    RouteKey {
        group: group.to_bits(),
        source: source.map_or(0, Ipv4Addr::to_bits),
    }
}

/// The programs with routes.
pub(crate) struct Bench {
    /// The programs and their maps.
    pub(crate) xdp: Xdp,
    state: ForwardingState,
    ports: BTreeMap<u32, Port>,
}

/// The configuration of the interface under test, with more flags.
pub(crate) fn forwarding_config(flags: u32) -> InterfaceConfig {
    let config = default_config();
    InterfaceConfig {
        flags: config.flags | InterfaceFlags::FORWARD | flags,
        ..config
    }
}

impl Bench {
    /// An interface that forwards; three ports, of which the first two are a set; sources behind the interface itself,
    /// behind the first port, and behind more than one.
    pub(crate) fn new() -> Self {
        Self::with(&LoadOptions::default())
    }

    /// The same with maps of other sizes.
    pub(crate) fn with(options: &LoadOptions) -> Self {
        let mut bench = Self {
            xdp: Xdp::with(options, &forwarding_config(0)),
            state: ForwardingState::default(),
            ports: BTreeMap::new(),
        };
        for slot in PORTS.into_iter().chain([SLOT]) {
            bench.port(slot, MTU);
        }
        bench.port_set(SOME, &PORTS[..2]);
        bench.sources("10.1.1.0/24", SLOT);
        bench.sources("192.0.2.0/24", SLOT);
        bench.sources("198.51.100.0/24", PORTS[0]);
        bench.sources("203.0.113.0/24", INCOMING_ASK);
        bench
    }

    /// A bench with a route for everything that is sent to [`GROUP`].
    pub(crate) fn with_route() -> Self {
        let mut bench = Self::new();
        bench.route(GROUP, None, SOME);
        bench.commit();
        bench
    }

    /// Switches further [`InterfaceFlags`] on, and all others but forwarding off.
    pub(crate) fn flags(&mut self, flags: u32) {
        self.xdp.configure(0, &forwarding_config(flags));
    }

    /// Describes a port. A test run sends nothing, so any device does.
    pub(crate) fn port(&mut self, slot: u32, mtu: u32) {
        let port = Port {
            valid_until: 0,
            ifindex: IFINDEX,
            mtu,
            vlan: 0,
            mac: [2, 0, 0, 0, 0, slot as u8],
        };
        self.real_port(slot, port);
    }

    /// Describes a port as it is. To be called before the sets are made that it is in.
    pub(crate) fn real_port(&mut self, slot: u32, port: Port) {
        self.ports.insert(slot, port);
        self.xdp
            .kernel
            .set_port(slot, &port)
            .expect("the port is described");
    }

    /// Makes a port set.
    pub(crate) fn port_set(&mut self, number: u32, slots: &[u32]) {
        self.port_set_with(number, slots, 0);
    }

    /// Makes a port set with these flags.
    pub(crate) fn port_set_with(&mut self, number: u32, slots: &[u32], flags: u32) {
        let mut set = PortSet {
            count: slots.len() as u32,
            span: slots.iter().max().map_or(0, |highest| highest + 1),
            max_frame_len: slots
                .iter()
                .map(|slot| self.ports[slot].mtu + HEADROOM)
                .min()
                .unwrap_or(0),
            flags,
            ..PortSet::default()
        };
        for &slot in slots {
            set.slots[slot as usize / 64] |= 1 << (slot % 64);
        }
        let devices: Vec<(u32, u32)> = match flags & PortSetFlags::STACK {
            0 => slots
                .iter()
                .map(|&slot| (slot, self.ports[&slot].ifindex))
                .collect(),
            _ => Vec::new(),
        };
        self.xdp
            .kernel
            .set_port_set(number, &set, &devices)
            .expect("the port set is made");
    }

    /// Adds a route whose packets come in on the interface towards their source.
    pub(crate) fn route(&mut self, group: Ipv4Addr, source: Option<Ipv4Addr>, port_set: u32) {
        self.route_from(group, source, port_set, INCOMING_RPF);
    }

    /// Adds a route.
    pub(crate) fn route_from(
        &mut self,
        group: Ipv4Addr,
        source: Option<Ipv4Addr>,
        port_set: u32,
        incoming: u32,
    ) {
        let entry = RouteEntry { port_set, incoming };
        self.xdp
            .kernel
            .set_route(route_key(group, source), entry)
            .expect("the route is set");
        self.write_routes();
    }

    fn write_routes(&mut self) {
        let refused = self.xdp.kernel.write_routes().expect("the routes are written");
        assert_eq!(refused, 0, "routes without room");
    }

    /// Removes a route.
    pub(crate) fn no_route(&mut self, group: Ipv4Addr, source: Option<Ipv4Addr>) {
        self.xdp
            .kernel
            .remove_route(route_key(group, source))
            .expect("the route is removed");
        self.write_routes();
    }

    /// Tells where sources are.
    pub(crate) fn sources(&mut self, prefix: &str, incoming: u32) {
        let prefix = prefix.parse().expect("a prefix");
        self.xdp
            .kernel
            .set_source_prefix(prefix, incoming)
            .expect("the prefix is set");
    }

    /// Forgets where sources are.
    pub(crate) fn no_sources(&mut self, prefix: &str) {
        let prefix = prefix.parse().expect("a prefix");
        self.xdp
            .kernel
            .remove_source_prefix(prefix)
            .expect("the prefix is removed");
    }

    /// Where packets go for which there is no route.
    pub(crate) fn default_port_set(&mut self, port_set: u32) {
        self.state.default_port_set = port_set;
    }

    /// Asks for events about packets that PIM acts on.
    pub(crate) fn signals(&mut self) {
        self.state.signals = ForwardingSignals::PACKETS;
    }

    /// Lets all changes count for sources that are known.
    pub(crate) fn commit(&mut self) {
        self.state.generation += 1;
        let refused = self.xdp.kernel.set_forwarding_state(&self.state);
        assert_eq!(refused.expect("the state is set"), 0, "routes without room");
    }

    /// What is known of a source.
    pub(crate) fn flow(&self, source: Ipv4Addr, group: Ipv4Addr) -> Option<FlowEntry> {
        self.xdp.kernel.flows().get(route_key(group, Some(source)))
    }

    /// What was counted since the last call for the interface and all ports: refusals by slot.
    pub(crate) fn refusals(&mut self) -> BTreeMap<(u32, Refusal), u64> {
        let slots: BTreeSet<u32> = self
            .ports
            .keys()
            .copied()
            .chain([crate::harness::VLAN_SLOT])
            .collect();
        let mut refusals = BTreeMap::new();
        for slot in slots {
            let counted = self.xdp.counted_in(slot);
            for (refusal, count) in counted.dropped() {
                refusals.insert((slot, refusal), count);
            }
        }
        refusals
    }

    /// Feeds a packet that is to be forwarded to a port set, and nothing else.
    #[track_caller]
    pub(crate) fn forwarded(&mut self, packet: &Datagram, port_set: u32) {
        let frame = packet.frame();
        self.frame_forwarded(&frame, packet.vlans.len());
        let flow = self
            .flow(packet.source, packet.destination)
            .expect("there is an entry");
        assert_eq!(FlowDecision::from_bits(flow.decision).port_set, port_set);
    }

    /// Feeds a frame that is to be forwarded.
    #[track_caller]
    pub(crate) fn frame_forwarded(&mut self, frame: &[u8], tags: usize) {
        let (verdict, output) = self.xdp.forward(frame);
        assert_eq!(
            (verdict, self.refusals()),
            (Verdict::Redirect, BTreeMap::new()),
            "{frame:02x?}"
        );
        assert_eq!(output, after_hop(frame, tags), "of {frame:02x?}");
    }

    /// Feeds a packet that is to be dropped and counted.
    #[track_caller]
    pub(crate) fn refused(&mut self, packet: &Datagram, refusal: Refusal) {
        self.frame_refused(&packet.frame(), refusal);
    }

    /// Feeds a frame that is to be dropped and counted.
    #[track_caller]
    pub(crate) fn frame_refused(&mut self, frame: &[u8], refusal: Refusal) {
        let verdict = self.xdp.receive(frame);
        assert_eq!(
            (verdict, self.refusals()),
            (Verdict::Drop, BTreeMap::from([((SLOT, refusal), 1)])),
            "{frame:02x?}"
        );
    }

    /// Feeds a frame that is none of the program's business.
    #[track_caller]
    pub(crate) fn passed(&mut self, frame: &[u8]) {
        let verdict = self.xdp.receive(frame);
        assert_eq!(
            (verdict, self.refusals()),
            (Verdict::Pass, BTreeMap::new()),
            "{frame:02x?}"
        );
    }
}
