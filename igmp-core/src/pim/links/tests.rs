//! What trees are told of links, and what they may ask. The values are those of RFC 7761, by its sections.

use core::net::Ipv4Addr;

use super::{
    super::{
        Hello, LanPruneDelay, Message, PimAction, PimConfig, PimInterfaceConfig, PimWarning,
        context::Context, key::Key,
    },
    LinkChange, Links,
    neighbors::MAX_SECONDARY_ADDRESSES,
};
use crate::{
    InterfaceId,
    random::Random,
    time::{Duration, Instant},
    timers::Timers,
};

const LAN: InterfaceId = InterfaceId(1);

fn at(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, number)
}

struct Bench {
    links: Links,
    now: Instant,
    config: PimConfig,
    random: Random,
    timers: Timers<Key>,
    actions: Vec<PimAction>,
}

impl Bench {
    /// A link with this router as 192.0.2.10.
    fn new() -> Self {
        let mut bench = Self {
            links: Links::default(),
            now: Instant::from_nanos(5_000_000_000),
            config: PimConfig::default(),
            random: Random::new(3),
            timers: Timers::default(),
            actions: Vec::new(),
        };
        bench.up(Some(PimInterfaceConfig::default()), Some(at(10)));
        assert_eq!(bench.changes(), [LinkChange::Up(LAN)]);
        bench
    }

    fn with<T>(&mut self, call: impl FnOnce(&mut Links, &mut Context<'_, ()>) -> T) -> T {
        let cx = &mut Context {
            now: self.now,
            config: &self.config,
            random: &mut self.random,
            timers: &mut self.timers,
            surroundings: &mut (),
            actions: &mut self.actions,
        };
        call(&mut self.links, cx)
    }

    fn up(&mut self, config: Option<PimInterfaceConfig>, address: Option<Ipv4Addr>) {
        self.with(|links, cx| links.up(LAN, config, address, Vec::new(), 1500, cx));
    }

    fn hello(&mut self, sender: u8, hello: &Hello) {
        self.with(|links, cx| links.hello(LAN, at(sender), hello, cx));
    }

    fn changes(&mut self) -> Vec<LinkChange> {
        self.links.take_changes()
    }

    /// Serves deadlines for so long.
    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(next) = self.timers.next().filter(|&next| next <= end) {
            self.now = next;
            match self.timers.pop_due(next) {
                Some(Key::Hello(id)) => self.with(|links, cx| links.hello_timer(id, cx)),
                Some(Key::Neighbor(id, address)) => {
                    self.with(|links, cx| links.neighbor_timer(id, address, cx));
                }
                key => panic!("{key:?}"),
            }
        }
        self.now = end;
    }

    /// The messages since this was last asked: the hold times of Hellos, `None` for others.
    fn sent(&mut self) -> Vec<Option<u16>> {
        let actions = core::mem::take(&mut self.actions);
        let messages = actions.into_iter().filter_map(|action| match action {
            PimAction::Send { message, .. } => Some(message),
            _ => None,
        });
        messages
            .map(|message| match message {
                Message::Hello(hello) => hello.hold_time,
                _ => None,
            })
            .collect()
    }

    fn delays(&self) -> [u64; 2] {
        [
            self.links.override_interval(LAN),
            self.links.join_prune_override_interval(LAN),
        ]
        .map(|span| span.as_nanos() / 1_000_000)
    }
}

fn hello() -> Hello {
    Hello {
        hold_time: Some(105),
        lan_prune_delay: delay(false, 500, 2_500),
        dr_priority: Some(1),
        generation_id: Some(7),
        secondary_addresses: Vec::new(),
    }
}

fn delay(tracking: bool, propagation_delay: u16, override_interval: u16) -> Option<LanPruneDelay> {
    Some(LanPruneDelay {
        tracking,
        propagation_delay,
        override_interval,
    })
}

fn listing(addresses: &[u8]) -> Hello {
    Hello {
        secondary_addresses: addresses.iter().copied().map(at).collect(),
        ..hello()
    }
}

fn join() -> Message {
    Message::JoinPrune(super::super::JoinPrune {
        upstream_neighbor: at(20),
        hold_time: 210,
        groups: Vec::new(),
    })
}

#[test]
fn trees_hear_of_neighbors_once() {
    let mut bench = Bench::new();
    bench.hello(5, &hello());
    assert_eq!(bench.changes(), [LinkChange::NeighborUp(LAN, at(5))]);
    bench.hello(5, &hello());
    assert_eq!(bench.changes(), []);
    let restarted = Hello {
        generation_id: Some(8),
        ..hello()
    };
    bench.hello(5, &restarted);
    assert_eq!(bench.changes(), [LinkChange::NeighborRestarted(LAN, at(5))]);
    bench.hello(
        5,
        &Hello {
            hold_time: Some(0),
            ..restarted
        },
    );
    assert_eq!(bench.changes(), [LinkChange::NeighborDown(LAN, at(5))]);
    bench.hello(
        5,
        &Hello {
            hold_time: Some(0),
            ..hello()
        },
    );
    assert_eq!(bench.changes(), []);
}

#[test]
fn trees_hear_who_is_designated() {
    let mut bench = Bench::new();
    assert!(bench.links.is_dr(LAN));
    bench.hello(20, &hello());
    let changes = bench.changes();
    assert_eq!(
        changes,
        [LinkChange::NeighborUp(LAN, at(20)), LinkChange::Dr(LAN)]
    );
    assert!(!bench.links.is_dr(LAN));
    bench.wait(Duration::from_secs(106));
    let changes = bench.changes();
    assert_eq!(
        changes,
        [LinkChange::NeighborDown(LAN, at(20)), LinkChange::Dr(LAN)]
    );
    assert!(bench.links.is_dr(LAN));
}

#[test]
fn trees_hear_of_interfaces() {
    let mut bench = Bench::new();
    bench.hello(20, &hello());
    bench.changes();
    bench.up(Some(PimInterfaceConfig::default()), Some(at(10)));
    assert_eq!(bench.changes(), [], "nothing has changed");
    bench.up(Some(PimInterfaceConfig::default()), Some(at(30)));
    assert_eq!(bench.changes(), [LinkChange::Up(LAN), LinkChange::Dr(LAN)]);
    bench.up(None, Some(at(30)));
    let gone = LinkChange::NeighborDown(LAN, at(20));
    assert_eq!(bench.changes(), [gone, LinkChange::Up(LAN)]);
    assert!(bench.links.is_up(LAN) && bench.links.is_dr(LAN) && !bench.links.can_send(LAN));
    bench.with(|links, cx| links.down(LAN, cx));
    assert_eq!(bench.changes(), [LinkChange::Down(LAN)]);
    assert!(!bench.links.is_up(LAN) && !bench.links.is_dr(LAN));
    assert_eq!(bench.timers.next(), None);
}

/// §4.3.1: nobody accepts a Join/Prune or Assert of a router that has not said Hello.
#[test]
fn a_join_is_not_sent_before_a_hello() {
    let mut bench = Bench::new();
    bench.with(|links, cx| links.send(LAN, join(), cx));
    assert_eq!(bench.sent(), [Some(105), None]);
    bench.with(|links, cx| links.send(LAN, join(), cx));
    assert_eq!(bench.sent(), [None]);
    // The Hello Timer went on as it was.
    bench.wait(Duration::from_secs(5));
    assert_eq!(bench.sent(), [Some(105)]);
    bench.hello(20, &hello());
    bench.with(|links, cx| links.send(LAN, join(), cx));
    assert_eq!(bench.sent(), [Some(105), None]);
    // It has said Hello to the new neighbour by that.
    bench.wait(Duration::from_secs(5));
    assert_eq!(bench.sent(), []);
}

#[test]
fn nothing_is_sent_without_an_address() {
    let mut bench = Bench::new();
    bench.up(Some(PimInterfaceConfig::default()), None);
    bench.sent();
    bench.with(|links, cx| links.send(LAN, join(), cx));
    bench.wait(Duration::from_secs(100));
    assert_eq!(bench.sent(), []);
    assert!(!bench.links.can_send(LAN));
    bench.hello(5, &hello());
    assert_eq!(bench.links.neighbor(LAN, at(5)), Some(at(5)));
    assert!(
        !bench.links.is_dr(LAN),
        "a neighbour that cannot know of this router acts"
    );
}

/// §4.3.1: who is admitted, and how the others are counted.
#[test]
fn only_neighbors_are_admitted() {
    let mut bench = Bench::new();
    bench.hello(5, &listing(&[6]));
    assert!(bench.links.admits(LAN, at(5)));
    // A secondary address is not what messages are sent from.
    assert!(!bench.links.admits(LAN, at(6)));
    assert!(!bench.links.admits(LAN, at(7)));
    assert_eq!(bench.links.refusals(LAN).unknown_neighbor, 2);
    assert!(!bench.links.admits(LAN, at(10)));
    bench.hello(10, &hello());
    assert_eq!(bench.links.refusals(LAN).own_address, 2);
    assert_eq!(bench.links.neighbors_count(LAN), 1);
    assert!(!bench.links.admits(InterfaceId(9), at(5)));
    assert_eq!(bench.links.refusals(InterfaceId(9)).not_enabled, 1);
    bench.with(|links, cx| {
        let config = Some(PimInterfaceConfig::default());
        links.up(LAN, config, Some(at(10)), vec![at(11)], 1500, cx);
    });
    bench.hello(11, &hello());
    assert_eq!(bench.links.refusals(LAN).own_address, 3);
    bench.up(None, Some(at(10)));
    assert!(!bench.links.admits(LAN, at(5)));
    bench.hello(5, &hello());
    assert_eq!(bench.links.refusals(LAN).not_enabled, 2);
}

/// §4.3.4.
#[test]
fn a_neighbor_is_found_by_each_of_its_addresses() {
    let mut bench = Bench::new();
    let found = |bench: &Bench, address: u8| bench.links.neighbor(LAN, at(address));
    // The primary address is none of the others, even where it is listed.
    bench.hello(5, &listing(&[51, 5, 52, 51]));
    assert_eq!(bench.changes(), [LinkChange::NeighborUp(LAN, at(5))]);
    assert_eq!(
        [5, 51, 52, 53].map(|address| found(&bench, address)),
        [Some(at(5)), Some(at(5)), Some(at(5)), None]
    );
    // The list is replaced as a whole.
    bench.hello(5, &listing(&[53, 52]));
    assert_eq!(bench.changes(), [LinkChange::NeighborUp(LAN, at(5))]);
    assert_eq!(
        [51, 52, 53].map(|address| found(&bench, address)),
        [None, Some(at(5)), Some(at(5))]
    );
    bench.hello(5, &hello());
    assert_eq!(
        [5, 51, 52, 53].map(|address| found(&bench, address)),
        [Some(at(5)), None, None, None]
    );
}

/// §4.3.4: of two that claim an address the last one has it, and that is logged now and then.
#[test]
fn the_last_one_to_claim_an_address_has_it() {
    let mut bench = Bench::new();
    bench.hello(5, &listing(&[50]));
    bench.hello(6, &listing(&[50, 60]));
    assert_eq!(bench.links.neighbor(LAN, at(50)), Some(at(6)));
    let warning = |before, now| {
        PimAction::Warn(PimWarning::AddressConflict {
            interface: LAN,
            address: at(50),
            before: at(before),
            now: at(now),
        })
    };
    assert!(bench.actions.contains(&warning(5, 6)));
    bench.actions.clear();
    bench.changes();
    bench.hello(5, &listing(&[50]));
    assert_eq!(bench.links.neighbor(LAN, at(50)), Some(at(5)));
    assert_eq!(bench.links.neighbor(LAN, at(60)), Some(at(6)));
    assert_eq!(
        bench.changes(),
        [5, 6].map(|address| LinkChange::NeighborUp(LAN, at(address)))
    );
    assert_eq!(bench.actions, [], "less than a minute ago it was said");
    bench.wait(Duration::from_secs(61));
    bench.hello(6, &listing(&[50, 60]));
    assert!(bench.actions.contains(&warning(5, 6)));
    // Who has lost the address does not take it along.
    bench.hello(
        5,
        &Hello {
            hold_time: Some(0),
            ..hello()
        },
    );
    assert_eq!(bench.links.neighbor(LAN, at(50)), Some(at(6)));
    // Who sends from an address has it before anybody who lists it.
    bench.hello(7, &listing(&[6]));
    assert_eq!(bench.links.neighbor(LAN, at(6)), Some(at(6)));
}

#[test]
fn more_addresses_than_allowed_are_refused() {
    let mut bench = Bench::new();
    let addresses = |count: usize| Hello {
        secondary_addresses: (0..count)
            .map(|number| Ipv4Addr::new(10, 9, (number / 256) as u8, (number % 256) as u8))
            .collect(),
        ..hello()
    };
    bench.hello(5, &addresses(MAX_SECONDARY_ADDRESSES));
    assert_eq!(bench.links.refusals(LAN).limit, 0);
    bench.hello(5, &addresses(MAX_SECONDARY_ADDRESSES + 3));
    assert_eq!(bench.links.refusals(LAN).limit, 3);
    let last = Ipv4Addr::new(10, 9, 1, 0);
    assert_eq!(bench.links.neighbor(LAN, last), None);
}

/// §4.3.3: `Effective_Propagation_Delay`, `Effective_Override_Interval`, `Suppression_Enabled`. In milliseconds: the
/// Override Interval, and the sum of both.
#[test]
fn delays_are_the_largest_of_all_if_all_tell_theirs() {
    let mut bench = Bench::new();
    assert_eq!(bench.delays(), [2_500, 3_000]);
    let mut said = |sender, lan_prune_delay| {
        bench.hello(
            sender,
            &Hello {
                lan_prune_delay,
                ..hello()
            },
        );
        (bench.delays(), bench.links.is_suppression_enabled(LAN))
    };
    assert_eq!(said(5, delay(true, 100, 1_000)), ([2_500, 3_000], false));
    assert_eq!(said(6, delay(true, 700, 100)), ([2_500, 3_200], false));
    assert_eq!(said(7, delay(false, 0, 60_000)), ([60_000, 60_700], true));
    assert_eq!(said(8, None), ([2_500, 3_000], true));
    assert_eq!(said(8, delay(true, 32_767, 0)), ([60_000, 92_767], true));
    assert_eq!(said(7, delay(true, 0, 65_535)), ([65_535, 98_302], false));

    let slow = PimInterfaceConfig {
        propagation_delay: Duration::from_millis(40_000),
        override_interval: Duration::from_millis(70_000),
        ..PimInterfaceConfig::default()
    };
    // More than the option has room for is not told, and does not hold.
    bench.up(Some(slow.clone()), Some(at(10)));
    assert_eq!(bench.delays(), [65_535, 65_535 + 32_767]);
    let quick = PimInterfaceConfig {
        propagation_delay: Duration::from_millis(50),
        override_interval: Duration::from_millis(200),
        ..slow
    };
    bench.with(|links, cx| links.down(LAN, cx));
    bench.up(Some(quick), Some(at(10)));
    assert_eq!(bench.delays(), [200, 250]);
    bench.hello(5, &hello());
    assert_eq!(bench.delays(), [2_500, 3_000]);
    bench.hello(
        5,
        &Hello {
            hold_time: Some(0),
            ..hello()
        },
    );
    assert_eq!(bench.delays(), [200, 250]);
}

#[test]
fn a_clean_end_is_silent_afterwards() {
    let mut bench = Bench::new();
    bench.wait(Duration::from_secs(6));
    assert_eq!(bench.sent(), [Some(105)]);
    bench.with(|links, cx| links.close(cx));
    assert_eq!(bench.sent(), [Some(0)]);
    bench.hello(5, &hello());
    bench.wait(Duration::from_secs(1_000));
    assert_eq!(bench.sent(), []);
}
