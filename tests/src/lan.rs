//! The network that most tests need: one router, one link, some hosts on it.

use std::net::Ipv4Addr;

use crate::{Capture, Host, Igmpd, Namespace, Network, RawSocket, Switch};

/// Timers that let a test run through several query intervals, for `[igmp]`.
///
/// With them, by RFC 9776 §8: Group Membership Interval 2·2 + 2·1 = 6 s, Other Querier Present Interval 2·2 + 1/2 =
/// 4.5 s, Last Member Query Time 2·0.5 = 1 s.
pub const QUICK: &str = "
[igmp]
query-interval = 2
query-max-response-time = 1
last-member-query-interval = 0.5
robustness-variable = 2
";

/// The router's address on `lan0`.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 1);

/// A router whose `lan0`, 10.1.1.1/24, is plugged into a switch.
///
/// Stations behind a switch can vanish without the router's interface going down.
#[derive(Debug)]
pub struct Lan {
    /// Where files and pins are.
    pub network: Network,
    /// The router's namespace.
    pub router: Namespace,
    /// The switch. The router is at port `router`.
    pub switch: Switch,
}

impl Lan {
    /// Makes router and switch.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "making one changes the machine")]
    pub fn new() -> Self {
        let network = Network::new();
        let router = network.namespace("router");
        let switch = network.switch("switch");
        switch.plug(&network, "router", &router, "lan0");
        router.address("lan0", ROUTER, 24);
        Self {
            network,
            router,
            switch,
        }
    }

    /// Makes a host with the address 10.1.1.`number`, at port `host<number>`.
    #[track_caller]
    pub fn host(&self, number: u8) -> Host {
        self.switch
            .host(&self.network, &format!("host{number}"), [10, 1, 1, number])
    }

    /// Cuts a host off without the router's interface going down.
    #[track_caller]
    pub fn unplug(&self, number: u8) {
        self.switch.unplug(&format!("host{number}"));
    }

    /// Starts an agent on `lan0` with [`QUICK`] timers and these further keys of its `igmp` table.
    #[track_caller]
    pub fn igmpd(&self, keys: &str) -> Igmpd {
        self.igmpd_with(&format!("{QUICK}\n[interfaces.lan0.igmp]\n{keys}\n"))
    }

    /// Starts an agent with this configuration and waits until `lan0` is up.
    #[track_caller]
    pub fn igmpd_with(&self, config: &str) -> Igmpd {
        Igmpd::start_on(&self.network, &self.router, &["lan0"], config)
    }

    /// Adds a station that sends packets made by hand, and another end of its link to capture on.
    #[track_caller]
    pub fn station(&self, role: &str) -> Station {
        let namespace = self.network.namespace(role);
        self.switch.plug(&self.network, role, &namespace, "eth0");
        let raw = RawSocket::open(&namespace, "eth0");
        let capture = Capture::open(&namespace, "eth0");
        Station {
            raw,
            capture,
            namespace,
        }
    }
}

/// A station without an address: whatever it says was made by hand.
#[derive(Debug)]
pub struct Station {
    /// Sends to the link.
    pub raw: RawSocket,
    /// Sees what arrives, and what was sent.
    pub capture: Capture,
    /// Where it lives.
    pub namespace: Namespace,
}
