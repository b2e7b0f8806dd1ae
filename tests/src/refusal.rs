//! Packets that are to be refused: a scene with something to harm, and a check that nothing was.

use std::net::Ipv4Addr;

use crate::{
    Host, Igmpd, Lan, Membership, PATIENCE, Packet,
    json::{FilterMode, Group},
    lan::Station,
    wait_for,
};

/// The group that the scene's host is a member of.
pub const MEMBER_OF: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

/// A LAN with a real member of [`MEMBER_OF`], an agent that knows it, and a station to send from.
#[derive(Debug)]
pub struct Scene {
    /// The agent on `lan0`.
    pub igmpd: Igmpd,
    /// Sends what is to be refused.
    pub station: Station,
    _membership: Membership,
    _host: Host,
    _lan: Lan,
}

impl Scene {
    /// Sets the scene, with these further keys in the `igmp` table of `lan0`.
    #[track_caller]
    pub fn new(keys: &str) -> Self {
        let lan = Lan::new();
        let host = lan.host(2);
        let station = lan.station("station");
        let igmpd = lan.igmpd(keys);
        let membership = host.join(MEMBER_OF);
        igmpd.wait_joined("lan0", MEMBER_OF);
        Self {
            igmpd,
            station,
            _membership: membership,
            _host: host,
            _lan: lan,
        }
    }
}

/// What of a group must not change. Timers run, and real hosts refresh.
// Not the compatibility mode: a forged query of an old version that the router refuses still makes hosts on the link speak
// that version (RFC 9776 §7.2.1), and their next report is a real one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Essence {
    group: Ipv4Addr,
    mode: FilterMode,
    sources: Vec<(Ipv4Addr, bool)>,
}

/// The essence of all groups.
pub fn state(groups: &[Group]) -> Vec<Essence> {
    let of = |group: &Group| Essence {
        group: group.group_address,
        mode: group.filter_mode,
        sources: group
            .source
            .iter()
            .map(|source| (source.source_address, source.forwarding))
            .collect(),
    };
    groups.iter().map(of).collect()
}

/// Sends each packet, given with a description and the reason to refuse it, and sees that one more is counted under this
/// reason, none under any other, and the groups are as they were.
#[track_caller]
pub fn assert_refused(igmpd: &Igmpd, station: &Station, cases: Vec<(&str, &str, Packet)>) {
    let groups = state(&igmpd.groups());
    for (what, reason, packet) in cases {
        let mut expected = igmpd.statistics("lan0").dropped;
        *expected.get_mut(reason).expect("a reason of the interface") += 1;
        station.raw.send(&packet);
        wait_for(&format!("{what} to be counted as {reason}"), PATIENCE, || {
            let dropped = igmpd.statistics("lan0").dropped;
            if dropped == expected {
                Ok(())
            } else {
                Err(format!("{dropped:?}"))
            }
        });
        assert_eq!(state(&igmpd.groups()), groups, "{what}");
    }
}
