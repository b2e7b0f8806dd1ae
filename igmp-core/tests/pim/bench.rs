//! One router, whose neighbours are written down.

use core::net::Ipv4Addr;

use igmp_core::{
    Duration, Instant, InterfaceId, Pim, PimAction, PimEvent,
    pim::{
        Hello, LanPruneDelay, Message, NeighborDownReason, PimConfig, PimInterfaceConfig, PimInterfaceView,
        PimNotification, Surroundings, Towards,
    },
};

pub(crate) const START: Instant = Instant::from_nanos(9_000_000_000_000);
/// The link that tests are about.
pub(crate) const LAN: InterfaceId = InterfaceId(1);
/// This router's number there.
pub(crate) const OWN: u8 = 10;

/// A router of the link by its number.
pub(crate) fn at(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, number)
}

pub(crate) fn secs(seconds: f64) -> Duration {
    Duration::from_nanos((seconds * 1e9).round() as u64)
}

/// What all routers say where nothing else is configured (§4.9.2, §4.11).
pub(crate) fn hello() -> Hello {
    Hello {
        hold_time: Some(105),
        lan_prune_delay: Some(LanPruneDelay {
            tracking: false,
            propagation_delay: 500,
            override_interval: 2_500,
        }),
        dr_priority: Some(1),
        generation_id: Some(77),
        secondary_addresses: Vec::new(),
    }
}

/// No route leads anywhere.
struct Nowhere;

impl Surroundings for Nowhere {
    fn towards(&mut self, _: Ipv4Addr) -> Towards {
        Towards::Nowhere
    }

    fn last_packet(&mut self, _: Ipv4Addr, _: Ipv4Addr) -> Option<Instant> {
        None
    }
}

/// A Hello that the router sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    /// Seconds after the start.
    pub(crate) at: f64,
    pub(crate) source: Ipv4Addr,
    pub(crate) hello: Hello,
}

/// A router with one link.
pub(crate) struct Bench {
    pub(crate) pim: Pim,
    pub(crate) now: Instant,
    pub(crate) said: Vec<Said>,
    /// Notifications and warnings in words.
    pub(crate) told: Vec<String>,
}

impl Bench {
    /// A router without interfaces.
    pub(crate) fn empty(seed: u64, config: PimConfig) -> Self {
        Self {
            pim: Pim::new(seed, config),
            now: START,
            said: Vec::new(),
            told: Vec::new(),
        }
    }

    /// A router with the link.
    pub(crate) fn new() -> Self {
        let mut bench = Self::empty(1, PimConfig::default());
        bench.up(Some(PimInterfaceConfig::default()), Some(OWN), &[]);
        bench
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.now.since(START).as_secs_f64()
    }

    pub(crate) fn event(&mut self, event: PimEvent) {
        let mut actions = Vec::new();
        self.pim.handle(self.now, event, &mut Nowhere, &mut actions);
        self.follow(actions);
    }

    pub(crate) fn up(&mut self, config: Option<PimInterfaceConfig>, own: Option<u8>, secondary: &[u8]) {
        self.event(PimEvent::InterfaceUp {
            interface: LAN,
            config,
            address: own.map(at),
            secondary_addresses: secondary.iter().copied().map(at).collect(),
            mtu: 1500,
        });
    }

    pub(crate) fn down(&mut self) {
        self.event(PimEvent::InterfaceDown { interface: LAN });
    }

    pub(crate) fn close(&mut self) {
        let mut actions = Vec::new();
        self.pim.close(self.now, &mut Nowhere, &mut actions);
        self.follow(actions);
    }

    /// A message of another router arrives.
    pub(crate) fn message(&mut self, sender: Ipv4Addr, message: Message) {
        self.event(PimEvent::Message {
            interface: LAN,
            sender,
            message,
        });
    }

    pub(crate) fn hear(&mut self, sender: u8, hello: &Hello) {
        self.message(at(sender), Message::Hello(hello.clone()));
    }

    /// Serves deadlines up to `second` after the start.
    pub(crate) fn run_to(&mut self, second: f64) {
        let end = START + secs(second);
        while let Some(next) = self.pim.poll_timeout().filter(|&next| next <= end) {
            self.now = self.now.max(next);
            let mut actions = Vec::new();
            self.pim.handle_timeout(self.now, &mut Nowhere, &mut actions);
            self.follow(actions);
        }
        self.now = self.now.max(end);
    }

    /// When Hellos were sent since this was last asked.
    pub(crate) fn times(&mut self) -> Vec<f64> {
        self.said.drain(..).map(|said| said.at).collect()
    }

    /// Source and hold time of the Hellos since this was last asked.
    pub(crate) fn hold_times(&mut self) -> Vec<(Ipv4Addr, Option<u16>)> {
        let said = self.said.drain(..);
        said.map(|said| (said.source, said.hello.hold_time)).collect()
    }

    pub(crate) fn view(&self) -> PimInterfaceView {
        self.pim.interface(LAN).expect("PIM runs there")
    }

    /// The last byte of the neighbours' addresses.
    pub(crate) fn neighbors(&self) -> Vec<u8> {
        let neighbors = self.pim.neighbors(self.now);
        neighbors.map(|neighbor| neighbor.address.octets()[3]).collect()
    }

    fn follow(&mut self, actions: Vec<PimAction>) {
        for action in actions {
            match action {
                PimAction::Send {
                    interface,
                    source,
                    message: Message::Hello(hello),
                } => {
                    assert_eq!(interface, LAN);
                    self.said.push(Said {
                        at: self.seconds(),
                        source,
                        hello,
                    });
                }
                PimAction::Notify(notification) => self.told.push(describe(&notification)),
                PimAction::Warn(warning) => self.told.push(format!("{warning:?}")),
                action => panic!("{action:?}"),
            }
        }
    }
}

fn describe(notification: &PimNotification) -> String {
    let number = |address: &Ipv4Addr| address.octets()[3];
    match notification {
        PimNotification::NeighborUp { address, .. } => format!("{} up", number(address)),
        PimNotification::NeighborDown { address, reason, .. } => {
            let reason = match reason {
                NeighborDownReason::Goodbye => "goodbye",
                NeighborDownReason::Timeout => "timeout",
                NeighborDownReason::Restarted => "restarted",
                NeighborDownReason::Interface => "interface",
            };
            format!("{} down: {reason}", number(address))
        }
        PimNotification::DrChanged { dr, .. } => format!("DR {}", number(dr)),
    }
}
