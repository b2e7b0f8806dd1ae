//! Several routers on the LAN of a member: one of them sends to it, and another when that one is gone.

use std::{net::Ipv4Addr, time::Duration};

use nix::sys::signal::Signal;
use tests::{
    Frr, Host, Igmpd, PATIENCE, Switch, Topology,
    frr::Mroute,
    stream::{Sender, Station},
    topology::{Router, end},
    wait_for,
};

use crate::chain::{
    GROUP, PEER, RP, SOURCE, SSM, defaults, frr_defaults, frr_interface, wait_arrived, within,
};

/// Packets in one go.
const PACKETS: u64 = 200;
/// The addresses of the routers on the member's LAN: two under test and FRR, the highest.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 2);
const THIRD: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 3);
/// The longest hold time of the Hellos here: 3.5 times one each second, in whole seconds.
const HOLD_TIME: Duration = Duration::from_secs(4);
/// Lines for FRR's interface on the LAN. FRR 8.4 goes on sending to members that it knew as the DR when it is that no more,
/// so it is never made to lose that office here. And it takes up what members say only as the DR: one that becomes the DR knows of
/// them with their next reports, so it takes over the querier's part quickly too, after 2 · 2 s + 1 s / 2.
const FRR_IGMP: &str = " ip igmp query-max-response-time 10\n ip igmp query-interval 2\n";
/// What a busy machine takes.
const SLACK: Duration = Duration::from_secs(6);

/// A sender behind FRR, the RP; a network of it and three more routers; and a network of these three and a member.
struct SharedLan {
    station: Station,
    sender: Sender,
    host: Host,
    up: Frr,
    third: Frr,
    first: Router,
    second: Router,
    core: Switch,
    lan: Switch,
    topology: Topology,
    peers: [Router; 2],
}

impl SharedLan {
    /// With a DR priority of the FRR on the LAN.
    #[track_caller]
    fn new(priority: u32) -> Self {
        let mut topology = Topology::new();
        let (core, lan) = (topology.network.switch("core"), topology.network.switch("lan"));
        let (up, third) = (topology.peer("up"), topology.peer("third"));
        let (first, second) = (topology.router("first"), topology.router("second"));
        let sender = topology.host("sender", SOURCE.octets(), end(&up, "src0", [10, 10, 0, 1]));
        topology.plug(&core, "above", end(&up, "core0", PEER));
        for (router, role, number) in [(&first, "first", 1), (&second, "second", 2), (&third, "third", 3)] {
            topology.plug(&core, role, end(router, "core0", [10, 0, 12, 10 + number]));
            topology.plug(&lan, role, end(router, "lan0", [10, 1, 1, number]));
            router.routes(&[("10.10.0.0/24", PEER), ("10.9.9.9/32", PEER)]);
        }
        let host = topology.host_on(&lan, "host", [10, 1, 1, 20]);
        up.loopback(RP);
        let interfaces: String = ["lo", "src0", "core0"].map(frr_interface).concat();
        let frr_up = Frr::start(&topology.network, &up, &format!("{}{interfaces}", frr_defaults()));
        let config = format!(
            "{}{}{} ip pim drpriority {priority}\n ip igmp\n{FRR_IGMP}",
            frr_defaults(),
            frr_interface("core0"),
            frr_interface("lan0")
        );
        let frr_third = Frr::start(&topology.network, &third, &config);
        Self {
            station: Station::new(host),
            sender: Sender::new(&sender, GROUP),
            host: sender,
            up: frr_up,
            third: frr_third,
            first,
            second,
            core,
            lan,
            topology,
            peers: [up, third],
        }
    }

    /// Starts a router under test with a DR priority.
    #[track_caller]
    fn igmpd(&self, router: &Router, priority: u32) -> Igmpd {
        let config = format!(
            "{}
[interfaces.core0.pim]
hello-interval = 1
[interfaces.lan0]
igmp = {{}}
pim = {{ hello-interval = 1, dr-priority = {priority} }}
",
            // FRR takes over the interval of the querier, and with it how long it waits for the next query.
            defaults("immediate").replace("[igmp]", "[igmp]\nquery-interval = 2")
        );
        Igmpd::start_on(&self.topology.network, router, &["core0", "lan0"], &config)
    }

    /// Sends until the member gets all packets through one router, and then some more, each of which it must get once, all
    /// of them from there. Where there are several routers that this may be, an Assert decided between them, and its winner
    /// stays even though another one is the DR (RFC 7761 §4.1.6, `pim_include`).
    #[track_caller]
    fn assert_forwarder(&mut self, what: &str, candidates: &[Ipv4Addr]) {
        let macs: Vec<_> = candidates.iter().map(|address| self.mac(*address)).collect();
        let mac = wait_for(
            &format!("one of {candidates:?} to send, {what}"),
            PATIENCE,
            || {
                let sequence = self.sender.send_many(5).start;
                std::thread::sleep(Duration::from_millis(50));
                let seen: Vec<_> = self.frames(sequence).iter().map(|(_, mac)| *mac).collect();
                match macs.iter().find(|mac| seen == [**mac; 5]) {
                    Some(mac) => Ok(*mac),
                    None => Err(format!("{seen:02x?}, not {macs:02x?}; {:?}", self.up.channels())),
                }
            },
        );
        let sent = self.sender.send_many(PACKETS);
        wait_arrived(&self.station, &self.sender, sent.end - 1);
        within(self.station.got(&self.sender), sent.clone()).assert_exactly("the receiver", sent.clone());
        within(self.station.saw(&self.sender), sent.clone()).assert_exactly("the LAN", sent.clone());
        let foreign = self
            .frames(sent.start)
            .iter()
            .filter(|(_, from)| *from != mac)
            .count();
        assert_eq!(foreign, 0, "packets from others, {what}");
    }

    /// What arrived at the member from a number on, and the Ethernet address that it came from.
    fn frames(&self, first: u64) -> Vec<(u64, [u8; 6])> {
        let frames = self.station.tap.to(self.sender.group());
        let numbered = frames.iter().filter_map(|frame| {
            let payload = frame.payload()?;
            (payload.stream == self.sender.stream() && payload.sequence >= first)
                .then_some((payload.sequence, frame.source_mac()))
        });
        numbered.collect()
    }

    /// The Ethernet address of a router's interface on the LAN.
    fn mac(&self, address: Ipv4Addr) -> [u8; 6] {
        let router = match address {
            FIRST => &self.first,
            SECOND => &self.second,
            _ => &self.peers[1],
        };
        let text = router.ip("-j link show dev lan0");
        let links: serde_json::Value = serde_json::from_str(&text).expect("ip -j prints JSON");
        let text = links[0]["address"].as_str().expect("an address").to_owned();
        let bytes: Vec<u8> = text
            .split(':')
            .map(|byte| u8::from_str_radix(byte, 16).expect("a byte"))
            .collect();
        bytes.try_into().expect("six bytes")
    }

    /// Waits until all agree on the designated router of the LAN.
    #[track_caller]
    fn wait_dr(&self, timeout: Duration, agents: &[(&Igmpd, Ipv4Addr)], dr: Ipv4Addr) {
        for (igmpd, own) in agents {
            wait_for(&format!("{own} to take {dr} for the DR"), timeout, || {
                let pim = igmpd.pim("lan0");
                if pim.dr == Some(dr) && pim.is_dr == (dr == *own) {
                    Ok(())
                } else {
                    Err(format!("{pim:?}"))
                }
            });
        }
        wait_for(&format!("FRR to take {dr} for the DR"), timeout, || {
            let found = self.third.designated_router("lan0");
            if found == Some(dr) {
                Ok(())
            } else {
                Err(format!("{found:?}"))
            }
        });
    }

    /// Cuts a router off from both networks; its interfaces stay up, so to the others it has died without a word.
    #[track_caller]
    fn cut(&self, port: &str) {
        self.core.unplug(port);
        self.lan.unplug(port);
    }
}

/// Whether FRR sends the group to the LAN.
fn is_to_lan(mroute: &Mroute) -> bool {
    mroute.group == GROUP && mroute.outgoing.iter().any(|name| name == "lan0")
}

/// With equal priorities the highest address decides, and that is FRR.
#[test]
fn the_highest_address_sends() {
    let mut shared = SharedLan::new(1);
    let (first, second) = (shared.igmpd(&shared.first, 1), shared.igmpd(&shared.second, 1));
    shared.wait_dr(PATIENCE, &[(&first, FIRST), (&second, SECOND)], THIRD);
    shared.station.receiver.join(GROUP);
    for igmpd in [&first, &second] {
        igmpd.wait_joined("lan0", GROUP);
    }
    shared.up.wait_joined("core0", "*", GROUP);
    shared.assert_forwarder("the highest address", &[THIRD]);
    // Who is not the DR keeps what members say, and asks for nothing.
    for igmpd in [&first, &second] {
        assert!(igmpd.group("lan0", GROUP).is_some());
        assert_eq!(igmpd.joins(), []);
        assert_eq!(igmpd.routes(), []);
    }
}

/// A priority goes before addresses. The router with the lowest address comes later and takes over what there is.
#[test]
fn the_highest_priority_sends() {
    let mut shared = SharedLan::new(1);
    let second = shared.igmpd(&shared.second, 7);
    shared.wait_dr(PATIENCE, &[(&second, SECOND)], SECOND);
    shared.station.receiver.join(GROUP);
    second.wait_joined("lan0", GROUP);
    shared.up.wait_joined("core0", "*", GROUP);
    shared.assert_forwarder("the highest priority", &[SECOND]);

    let first = shared.igmpd(&shared.first, 8);
    shared.wait_dr(PATIENCE, &[(&first, FIRST), (&second, SECOND)], FIRST);
    // It learns of members that are there already from the answers to a query.
    first.wait_joined("lan0", GROUP);
    shared.assert_forwarder("a higher priority", &[FIRST, SECOND]);
    let from_third = shared.third.mroutes();
    assert!(!from_third.iter().any(is_to_lan), "{from_third:?}");
}

/// The DR dies, and the next one, each time within the hold time of its Hellos; then the first one returns.
#[test]
fn the_next_router_takes_over() {
    let mut shared = SharedLan::new(1);
    let first = shared.igmpd(&shared.first, 9);
    let second = shared.igmpd(&shared.second, 5);
    let agents = [(&first, FIRST), (&second, SECOND)];
    shared.wait_dr(PATIENCE, &agents, FIRST);
    shared.station.receiver.join(GROUP);
    first.wait_joined("lan0", GROUP);
    second.wait_joined("lan0", GROUP);
    shared.up.wait_joined("core0", "*", GROUP);
    shared.assert_forwarder("the DR", &[FIRST]);

    shared.cut("first");
    let second_alone = [(&second, SECOND)];
    shared.wait_dr(HOLD_TIME + SLACK, &second_alone, SECOND);
    shared.assert_forwarder("after the DR died", &[SECOND]);

    // It is back: both take themselves for the DR until they hear each other.
    for (switch, port) in [(&shared.core, "first"), (&shared.lan, "first")] {
        switch.namespace().ip(&format!("link set {port} master br0"));
    }
    shared.wait_dr(PATIENCE, &agents, FIRST);
    shared.assert_forwarder("after its return", &[FIRST, SECOND]);

    shared.cut("first");
    shared.cut("second");
    shared.wait_dr(HOLD_TIME + SLACK, &[], THIRD);
    shared.assert_forwarder("with FRR alone", &[THIRD]);
}

/// The DR is stopped: its goodbye makes the next one take over at once, and its successor has the office again.
#[test]
fn a_stopped_router_hands_over() {
    let mut shared = SharedLan::new(1);
    let mut first = shared.igmpd(&shared.first, 9);
    let second = shared.igmpd(&shared.second, 5);
    shared.wait_dr(PATIENCE, &[(&first, FIRST), (&second, SECOND)], FIRST);
    shared.station.receiver.join(GROUP);
    second.wait_joined("lan0", GROUP);
    shared.up.wait_joined("core0", "*", GROUP);
    shared.assert_forwarder("the DR", &[FIRST]);
    first.stop();
    shared.wait_dr(SLACK, &[(&second, SECOND)], SECOND);
    shared.assert_forwarder("after its goodbye", &[SECOND]);
    let again = shared.igmpd(&shared.first, 9);
    shared.wait_dr(PATIENCE, &[(&again, FIRST), (&second, SECOND)], FIRST);
    again.wait_joined("lan0", GROUP);
    shared.assert_forwarder("after its return", &[FIRST, SECOND]);
}

/// The agent of the DR is killed. What it left in the kernel stops sending before its neighbors have forgotten it and the
/// next router begins, so that nothing is sent twice; and its successor finds its place again.
#[test]
fn a_killed_router_stops_sending() {
    let mut shared = SharedLan::new(1);
    let mut first = shared.igmpd(&shared.first, 9);
    let second = shared.igmpd(&shared.second, 5);
    shared.wait_dr(PATIENCE, &[(&first, FIRST), (&second, SECOND)], FIRST);
    shared.station.receiver.join(GROUP);
    for igmpd in [&first, &second] {
        igmpd.wait_joined("lan0", GROUP);
    }
    shared.up.wait_joined("core0", "*", GROUP);
    shared.assert_forwarder("the DR", &[FIRST]);
    first.process().signal(Signal::SIGKILL);
    first.process().wait(PATIENCE);
    shared.wait_dr(HOLD_TIME + SLACK, &[(&second, SECOND)], SECOND);
    shared.assert_forwarder("after the DR was killed", &[SECOND]);
    let mut again = Igmpd::spawn(&shared.first, first.paths().clone());
    again.wait_ready();
    shared.wait_dr(PATIENCE, &[(&again, FIRST), (&second, SECOND)], FIRST);
    again.wait_joined("lan0", GROUP);
    shared.assert_forwarder("after its return", &[FIRST, SECOND]);
}

/// The same for a source-specific group, of two routers under test.
#[test]
fn one_router_sends_a_source_specific_group() {
    let mut shared = SharedLan::new(0);
    shared.sender = Sender::new(&shared.host, SSM);
    let first = shared.igmpd(&shared.first, 3);
    let second = shared.igmpd(&shared.second, 3);
    shared.wait_dr(PATIENCE, &[(&first, FIRST), (&second, SECOND)], SECOND);
    shared.station.receiver.join_source(SSM, SOURCE);
    shared.up.wait_joined("core0", &SOURCE.to_string(), SSM);
    shared.assert_forwarder("the highest address", &[SECOND]);
    shared.cut("second");
    shared.wait_dr(HOLD_TIME + SLACK, &[(&first, FIRST)], FIRST);
    shared.assert_forwarder("after the DR died", &[FIRST]);
}

/// The agent of the DR is killed: its programs forward for as long as others take it for alive, and then another router does.
#[test]
fn a_killed_agent_makes_room() {
    let mut shared = SharedLan::new(1);
    let mut first = shared.igmpd(&shared.first, 9);
    let second = shared.igmpd(&shared.second, 5);
    shared.wait_dr(PATIENCE, &[(&first, FIRST), (&second, SECOND)], FIRST);
    shared.station.receiver.join(GROUP);
    first.wait_joined("lan0", GROUP);
    second.wait_joined("lan0", GROUP);
    shared.up.wait_joined("core0", "*", GROUP);
    shared.assert_forwarder("the DR", &[FIRST]);
    first.process().signal(Signal::SIGKILL);
    first.process().wait(PATIENCE);
    shared.assert_forwarder("just after it was killed", &[FIRST]);
    shared.wait_dr(HOLD_TIME + SLACK, &[(&second, SECOND)], SECOND);
    shared.assert_forwarder("when it is forgotten", &[SECOND]);
}
