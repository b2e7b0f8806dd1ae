//! Routes that say where their packets come in, and packets that PIM acts on (RFC 7761 §4.2).

use super::*;
use crate::mroute::{IDLE, Refused};

/// Routes as PIM makes them: the slot that packets of all sources come in on, and those of sources with a route of
/// their own.
#[derive(Clone, Debug, Default)]
struct Trees {
    shared: Option<u32>,
    own: BTreeMap<Ipv4Addr, u32>,
}

/// A bench whose routes say where packets come in.
struct Pim {
    bench: Bench,
    trees: Trees,
}

impl Pim {
    fn new(count: u32) -> Self {
        let mut bench = Bench::new(count);
        bench.routing.set_signals(bench.now, true);
        Self {
            bench,
            trees: Trees::default(),
        }
    }

    fn by<T>(&mut self, work: impl FnOnce(&mut Bench, Rpf<'_>) -> T) -> T {
        let Self { bench, trees } = self;
        let towards = |flow: Flow| trees.own.get(&flow.source).copied().or(trees.shared);
        work(bench, Rpf::Lookup(&towards))
    }

    /// Sets the route of a source, or that of all others.
    fn route(&mut self, source: Option<Ipv4Addr>, incoming: u32, outgoing: &[u32]) {
        match source {
            Some(source) => {
                self.trees.own.insert(source, incoming);
            }
            None => self.trees.shared = Some(incoming),
        }
        self.by(|bench, rpf| bench.route_by(source, outgoing, rpf));
    }

    fn no_route(&mut self, source: Option<Ipv4Addr>) {
        match source {
            Some(source) => {
                self.trees.own.remove(&source);
            }
            None => self.trees.shared = None,
        }
        self.by(|bench, rpf| bench.no_route_by(source, rpf));
    }

    fn packet(&mut self, slot: u32, source: Ipv4Addr) -> Vec<u32> {
        self.by(|bench, rpf| bench.packet_by(slot, source, rpf))
    }

    /// What was told since the last call: slots and sources.
    fn told(&mut self) -> Vec<(u32, Ipv4Addr)> {
        let packets = self.bench.routing.take_packets().into_iter();
        packets.map(|(slot, flow)| (slot, flow.source)).collect()
    }

    fn pass(&mut self, seconds: u64) {
        self.bench.pass(Duration::from_secs(seconds));
    }

    fn last_packet(&mut self, source: Ipv4Addr) -> Option<Instant> {
        let flow = Flow { group: GROUP, source };
        self.bench.routing.last_packet(self.bench.now, flow)
    }
}

/// Behind the RP at slot 1, and behind slot 2 by the shortest way.
const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

#[test]
fn a_route_says_where_its_packets_come_in() {
    let mut pim = Pim::new(4);
    pim.route(None, 1, &[3]);
    assert_eq!(pim.packet(1, FAR), [3]);
    assert_eq!(pim.packet(2, FAR), [0_u32; 0]);
    // The switch to the source's own tree (RFC 7761 §4.2.1), and back.
    pim.route(Some(FAR), 2, &[3, 4]);
    assert_eq!(pim.packet(2, FAR), [3, 4]);
    assert_eq!(pim.packet(1, FAR), [0_u32; 0]);
    assert_eq!(pim.packet(1, source(1)), [3], "others stay on the shared tree");
    pim.no_route(Some(FAR));
    assert_eq!(pim.packet(1, FAR), [3]);
    assert_eq!(pim.packet(2, FAR), [0_u32; 0]);
    // The way to the RP changes, and nothing else of the route.
    pim.route(None, 4, &[3]);
    assert_eq!(pim.packet(4, FAR), [3]);
    assert_eq!(pim.packet(1, source(1)), [0_u32; 0]);
    // No way leads to the RP.
    pim.trees.shared = None;
    pim.by(|bench, rpf| bench.route_by(None, &[3], rpf));
    assert_eq!(pim.packet(4, FAR), [0_u32; 0]);
    let refused: Vec<_> = pim.bench.views().iter().map(|view| view.refused).collect();
    assert_eq!(refused, [Some(Refused::Rpf); 2]);
    pim.route(None, 1, &[3]);
    assert_eq!(pim.packet(1, FAR), [3]);
}

/// Where a route moves and leads elsewhere at once, the kernel never has the one without the other: packets would go
/// round.
#[test]
fn a_change_is_one_change_to_the_kernel() {
    let mut pim = Pim::new(4);
    pim.route(None, 1, &[2, 3]);
    pim.packet(1, FAR);
    pim.bench.kernel().calls.clear();
    pim.route(None, 2, &[1, 3]);
    assert_eq!(pim.bench.kernel().calls, ["set_entry"]);
    pim.route(Some(FAR), 3, &[1, 2]);
    assert_eq!(pim.bench.kernel().calls, ["set_entry"; 2]);
    pim.no_route(Some(FAR));
    assert_eq!(pim.bench.kernel().calls, ["set_entry"; 3]);
    pim.route(Some(FAR), 2, &[1, 3]);
    pim.route(None, 2, &[1, 3]);
    assert_eq!(pim.bench.kernel().calls, ["set_entry"; 3], "nothing has changed");
}

#[test]
fn the_first_packet_of_a_source_is_told() {
    let mut pim = Pim::new(4);
    pim.packet(1, source(1));
    assert_eq!(pim.told(), [], "nobody has asked for the group");
    pim.route(None, 1, &[3]);
    pim.packet(1, FAR);
    assert_eq!(pim.told(), [(1, FAR)]);
    for _ in 0..5 {
        pim.packet(1, FAR);
    }
    assert_eq!(pim.told(), []);
    // It comes in where it should not: by another router's mistake, or because the source is there.
    let other = Ipv4Addr::new(192, 0, 2, 2);
    pim.packet(2, other);
    // The kernel tells of it as a packet without an entry, and then as one on a wrong interface.
    assert_eq!(pim.told(), [(2, other); 2]);
    assert_eq!(pim.last_packet(other), None, "it is not forwarded");
    assert_eq!(pim.last_packet(FAR), Some(pim.bench.now));
}

#[test]
fn without_signals_nothing_is_told() {
    let mut pim = Pim::new(4);
    pim.bench.routing.set_signals(pim.bench.now, false);
    pim.route(None, 1, &[3]);
    pim.packet(1, FAR);
    pim.pass(10);
    pim.packet(3, FAR);
    pim.route(None, 1, &[2, 3]);
    pim.packet(1, FAR);
    pim.pass(100);
    assert_eq!(pim.told(), []);
    // What is known by then is told where PIM begins later.
    pim.bench.routing.set_signals(pim.bench.now, true);
    pim.packet(1, FAR);
    pim.pass(1);
    assert_eq!(pim.told(), [(1, FAR)]);
}

/// The kernel tells one packet in three seconds of each flow (`MFC_ASSERT_THRESH`).
#[test]
fn packets_on_a_wrong_interface_are_told() {
    let mut pim = Pim::new(4);
    pim.route(None, 1, &[3]);
    pim.packet(1, FAR);
    pim.told();
    for slot in [2, 3, 2, 4] {
        for _ in 0..3 {
            pim.packet(slot, FAR);
        }
        assert_eq!(pim.told(), [(slot, FAR)]);
        pim.pass(4);
    }
    // As with the shared tree, so with a route of its own.
    pim.route(Some(FAR), 2, &[3]);
    pim.packet(3, FAR);
    assert_eq!(pim.told(), [(3, FAR)]);
}

/// A source whose group is joined after it began has an entry, so that the kernel does not ask.
#[test]
fn a_source_that_was_there_first_is_told() {
    let mut pim = Pim::new(4);
    for sender in [FAR, source(1)] {
        pim.packet(1, sender);
    }
    pim.route(None, 1, &[3]);
    pim.pass(1);
    assert_eq!(pim.told(), [], "what came before does not count");
    pim.packet(1, FAR);
    // Looked at after one second and after three.
    pim.pass(2);
    assert_eq!(pim.told(), [(1, FAR)]);
    // The other one sends rarely. It is looked at each time after twice as long.
    pim.pass(4);
    pim.packet(1, source(1));
    pim.pass(8);
    assert_eq!(pim.told(), [(1, source(1))]);
}

/// PIM has forgotten the source, and its packets go along the shared tree again.
#[test]
fn a_source_without_its_own_route_again_is_told() {
    let mut pim = Pim::new(4);
    pim.route(None, 1, &[3]);
    pim.packet(1, FAR);
    pim.route(Some(FAR), 1, &[3]);
    assert_eq!(pim.told(), [(1, FAR)]);
    pim.pass(30);
    pim.packet(1, FAR);
    pim.pass(100);
    assert_eq!(pim.told(), [], "PIM knows it");
    pim.no_route(Some(FAR));
    pim.pass(1);
    assert_eq!(pim.told(), [], "it is silent");
    pim.packet(1, FAR);
    pim.pass(2);
    assert_eq!(pim.told(), [(1, FAR)]);
}

/// Changes of routes have the same source told once in five seconds at most.
#[test]
fn changes_do_not_tell_a_source_too_often() {
    let mut pim = Pim::new(4);
    pim.route(None, 1, &[3]);
    pim.packet(1, FAR);
    assert_eq!(pim.told().len(), 1);
    let mut told = 0;
    for second in 0..60 {
        pim.route(None, 1, if second % 2 == 0 { &[3, 4] } else { &[3] });
        pim.packet(1, FAR);
        pim.pass(1);
        told += pim.told().len();
    }
    assert!((10..=12).contains(&told), "{told} times in a minute");
}

/// While a source is on the shared tree, PIM is reminded of it: it may have been told while it had no room.
#[test]
fn a_source_on_the_shared_tree_is_told_from_time_to_time() {
    let mut pim = Pim::new(4);
    pim.route(None, 1, &[3]);
    let mut told = 0;
    for _ in 0..700 {
        pim.packet(1, FAR);
        pim.pass(1);
        told += pim.told().len();
    }
    assert_eq!(told, 11, "at first, and every 70 seconds");
}

#[test]
fn a_source_that_nobody_here_wants_stays_alive() {
    let mut pim = Pim::new(4);
    // Only hosts where the packets come in want them.
    pim.route(None, 1, &[1]);
    assert_eq!(pim.packet(1, FAR), [0_u32; 0]);
    assert_eq!(pim.told(), [(1, FAR)]);
    pim.route(Some(FAR), 1, &[1]);
    for _ in 0..50 {
        pim.pass(10);
        pim.packet(1, FAR);
        assert_eq!(pim.last_packet(FAR), Some(pim.bench.now));
    }
    let last = pim.bench.now;
    pim.pass(100);
    assert_eq!(pim.last_packet(FAR), Some(last));
    // Packets on a wrong interface are no life.
    pim.packet(2, FAR);
    assert_eq!(pim.last_packet(FAR), Some(last));
    pim.pass(IDLE.as_nanos() / 1_000_000_000 + 71);
    assert_eq!(pim.last_packet(FAR), None, "the entry is gone");
}
