//! The engine on a kernel that does what net/ipv4/ipmr.c does, packet by packet.

mod fake;
mod flows;
mod interfaces;
mod limits;
mod model;
mod signals;

use std::{collections::BTreeMap, net::Ipv4Addr};

use igmp_core::{Duration, Instant};

use self::fake::FakeKernel;
use super::{Flow, InterfaceError, KernelRouting, Received, RouteView, Rpf, Traffic, VifWanted};

/// The group of most tests.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

/// A source on the network of this slot, by [`on_its_network`].
fn source(slot: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, slot, 0, 9)
}

/// Sources 10.n.x.x are on the network of slot n.
fn on_its_network(flow: Flow) -> Option<u32> {
    let [net, slot, ..] = flow.source.octets();
    (net == 10).then_some(slot.into())
}

/// The index of the interface that a slot has unless a test says otherwise.
fn ifindex(slot: u32) -> u32 {
    100 + slot
}

/// These slots with interfaces `if<slot>`.
fn wanted(slots: impl IntoIterator<Item = u32>) -> BTreeMap<u32, VifWanted> {
    let interface = |slot| VifWanted {
        ifindex: ifindex(slot),
        name: format!("if{slot}"),
    };
    slots.into_iter().map(|slot| (slot, interface(slot))).collect()
}

/// This many packets.
fn traffic(packets: u64) -> Traffic {
    Traffic {
        packets,
        bytes: packets * fake::PACKET,
    }
}

/// An engine on a fake kernel, and a clock.
struct Bench {
    routing: KernelRouting<FakeKernel>,
    now: Instant,
}

impl Bench {
    /// The slots 1 to `count` with an interface each, and room for 1,000 entries.
    fn new(count: u32) -> Self {
        Self::with_room(count, 1_000)
    }

    fn with_room(count: u32, max_entries: usize) -> Self {
        let mut kernel = FakeKernel::default();
        kernel.interfaces.extend((1..=count).map(ifindex));
        let mut bench = Self {
            routing: KernelRouting::new(kernel, max_entries),
            now: Instant::ZERO + Duration::from_secs(1_000),
        };
        assert!(bench.interfaces(&wanted(1..=count)).is_empty());
        bench
    }

    fn kernel(&mut self) -> &mut FakeKernel {
        &mut self.routing.socket
    }

    fn interfaces(&mut self, wanted: &BTreeMap<u32, VifWanted>) -> Vec<InterfaceError> {
        self.routing.set_interfaces(self.now, wanted)
    }

    fn route(&mut self, source: Option<Ipv4Addr>, outgoing: &[u32]) {
        self.route_by(source, outgoing, Rpf::Lookup(&on_its_network));
    }

    fn route_by(&mut self, source: Option<Ipv4Addr>, outgoing: &[u32], rpf: Rpf<'_>) {
        self.routing.set_route(self.now, GROUP, source, outgoing, rpf);
    }

    fn no_route(&mut self, source: Option<Ipv4Addr>) {
        self.no_route_by(source, Rpf::Lookup(&on_its_network));
    }

    fn no_route_by(&mut self, source: Option<Ipv4Addr>, rpf: Rpf<'_>) {
        self.routing.remove_route(self.now, GROUP, source, rpf);
    }

    /// A packet of 100 bytes arrives on the interface of a slot. Returns the slots that it leaves on once the engine has
    /// answered.
    fn packet(&mut self, slot: u32, source: Ipv4Addr) -> Vec<u32> {
        self.packet_by(slot, source, Rpf::Lookup(&on_its_network))
    }

    fn packet_by(&mut self, slot: u32, source: Ipv4Addr, rpf: Rpf<'_>) -> Vec<u32> {
        let flow = Flow { group: GROUP, source };
        let now = self.now;
        self.kernel().receive_packet(now, ifindex(slot), flow);
        self.answer(rpf);
        let mut left: Vec<u32> = self
            .kernel()
            .sent
            .drain(..)
            .map(|ifindex| ifindex - 100)
            .collect();
        left.sort_unstable();
        left
    }

    /// Answers all that the kernel asks.
    fn answer(&mut self, rpf: Rpf<'_>) {
        loop {
            match self.routing.receive(self.now, rpf) {
                Received::Empty => return,
                Received::More => {}
                Received::Paused(later) => self.now = later,
            }
        }
    }

    /// Lets time pass, and does what is due.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        let mut rounds = 0;
        while let Some(due) = self.routing.poll_timeout().filter(|&due| due <= end) {
            self.now = self.now.max(due);
            self.routing.handle_timeout(self.now);
            rounds += 1;
            assert!(rounds < 100_000, "timeouts lead to timeouts");
        }
        self.now = end;
        self.routing.handle_timeout(end);
    }

    fn views(&mut self) -> Vec<RouteView> {
        self.routing.routes(self.now, None, usize::MAX)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.routing.entries.is_consistent());
        }
    }
}
