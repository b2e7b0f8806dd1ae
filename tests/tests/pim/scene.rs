//! A scene with something to harm, for messages made by hand.

use std::{collections::BTreeMap, fs, net::Ipv4Addr};

use tests::{Igmpd, PATIENCE, Packet, RawSocket, json::Neighbor, pim::plain_hello, wait_for};

use crate::{
    any_source::wait_joined,
    chain::{Chain, GROUP, SOURCE, SSM},
};

/// A router that has said Hello.
pub(crate) const ACQUAINTANCE: Ipv4Addr = Ipv4Addr::new(10, 0, 12, 77);
/// What bad input must not change.
pub(crate) type State = (
    Vec<Ipv4Addr>,
    Vec<(String, Ipv4Addr, String)>,
    Vec<(String, Ipv4Addr, Vec<String>)>,
);

pub(crate) fn state(igmpd: &Igmpd) -> State {
    let neighbors = igmpd
        .neighbors()
        .into_iter()
        .map(|neighbor: Neighbor| neighbor.address);
    let joins = igmpd
        .joins()
        .into_iter()
        .map(|join| (join.source_address, join.group_address, join.state));
    let routes = igmpd.routes().into_iter().map(|route| {
        (
            route.source_address,
            route.group_address,
            route.outgoing_interface,
        )
    });
    (neighbors.collect(), joins.collect(), routes.collect())
}

/// A chain with a member each of an any-source and of a source-specific group, and an end to send to the router from.
pub(crate) struct Scene {
    pub(crate) igmpd: Igmpd,
    pub(crate) raw: RawSocket,
    pub(crate) chain: Chain,
}

impl Scene {
    #[track_caller]
    pub(crate) fn new(top: &str) -> Self {
        let chain = Chain::new(1);
        let igmpd = chain.start_with(&format!("{top}\n{}", chain.config("immediate")));
        chain.station(1).receiver.join(GROUP);
        chain.station(1).receiver.join_source(SSM, SOURCE);
        wait_joined(&chain, &igmpd, "*", GROUP);
        wait_joined(&chain, &igmpd, &SOURCE.to_string(), SSM);
        for group in [GROUP, SSM] {
            chain.wait_delivered(&mut chain.send_to(group), &[1]);
        }
        Self {
            igmpd,
            raw: RawSocket::open(&chain.peer, "core0"),
            chain,
        }
    }

    /// Sends each packet, given with a description and the reason to refuse it, and sees that one more is counted under this
    /// reason, none under any other, and nothing has changed.
    #[track_caller]
    pub(crate) fn assert_refused(&self, cases: Vec<(&str, &str, Packet)>) {
        let before = state(&self.igmpd);
        for (what, reason, packet) in cases {
            let mut expected = self.dropped();
            *expected
                .get_mut(reason)
                .unwrap_or_else(|| panic!("{reason} is a reason")) += 1;
            self.raw.send(&packet);
            wait_for(&format!("{what} to be counted as {reason}"), PATIENCE, || {
                let dropped = self.dropped();
                if dropped == expected {
                    Ok(())
                } else {
                    Err(format!("{dropped:?}"))
                }
            });
            assert_eq!(state(&self.igmpd), before, "{what}");
        }
    }

    #[track_caller]
    pub(crate) fn dropped(&self) -> BTreeMap<String, u64> {
        let statistics = self.igmpd.statistics("core0").pim;
        statistics.expect("PIM is on").dropped
    }

    /// Makes [`ACQUAINTANCE`] a neighbor for as long as the test takes.
    #[track_caller]
    pub(crate) fn introduce(&self) {
        self.raw.send(&Packet::pim(ACQUAINTANCE, plain_hello(600, 7)));
        wait_for("a neighbor", PATIENCE, || {
            let neighbors = self.igmpd.neighbors();
            if neighbors.iter().any(|neighbor| neighbor.address == ACQUAINTANCE) {
                Ok(())
            } else {
                Err(format!("{neighbors:?}"))
            }
        });
    }

    /// Bytes of memory that the agent has.
    pub(crate) fn resident(&mut self) -> u64 {
        let path = format!("/proc/{}/status", self.igmpd.process().pid());
        let status = fs::read_to_string(path).expect("igmpd runs");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("the kernel counts memory");
        let kilobytes = line
            .split_whitespace()
            .nth(1)
            .and_then(|number| number.parse::<u64>().ok());
        kilobytes.expect("a number") << 10
    }
}
