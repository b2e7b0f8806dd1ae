//! PIM messages that must change nothing, and too many of those that may.

use std::{fs, net::Ipv4Addr, time::Duration};

use tests::{
    Igmpd, PATIENCE, Packet, RawSocket,
    json::Neighbor,
    pim::{Group, RPT, SPARSE, WILDCARD, hello, join_prune, message, plain_hello},
    wait_for,
};

use crate::{
    any_source::wait_joined,
    chain::{Chain, GROUP, ROUTER, RP, SOURCE, SSM},
};

/// A router that nobody knows.
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 0, 12, 66);
/// A router that has said Hello.
const ACQUAINTANCE: Ipv4Addr = Ipv4Addr::new(10, 0, 12, 77);
/// A group that nobody joined.
const OTHER: Ipv4Addr = Ipv4Addr::new(239, 66, 0, 1);

/// What bad input must not change.
type State = (
    Vec<Ipv4Addr>,
    Vec<(String, Ipv4Addr, String)>,
    Vec<(String, Ipv4Addr, Vec<String>)>,
);

fn state(igmpd: &Igmpd) -> State {
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
struct Scene {
    igmpd: Igmpd,
    raw: RawSocket,
    chain: Chain,
}

impl Scene {
    #[track_caller]
    fn new(top: &str) -> Self {
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
    fn assert_refused(&self, cases: Vec<(&str, &str, Packet)>) {
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
    fn dropped(&self) -> std::collections::BTreeMap<String, u64> {
        let statistics = self.igmpd.statistics("core0").pim;
        statistics.expect("PIM is on").dropped
    }

    /// Makes [`ACQUAINTANCE`] a neighbor for as long as the test takes.
    #[track_caller]
    fn introduce(&self) {
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
}

fn with(mut packet: Packet, change: impl FnOnce(&mut Packet)) -> Packet {
    change(&mut packet);
    packet
}

/// A Join(S,G) to the router.
fn join(group: Ipv4Addr) -> Vec<u8> {
    join_prune(ROUTER, 210, &[Group::new(group).join(SPARSE, SOURCE)])
}

#[test]
fn malformed_and_foreign_messages_change_nothing() {
    let scene = Scene::new("");
    let from_stranger = |message: Vec<u8>| Packet::pim(STRANGER, message);
    let good_hello = || from_stranger(plain_hello(105, 1));
    // An Assert with the best of all metrics (RFC 7761 §4.9.6).
    let assert = {
        let mut body = Group::new(GROUP).encoded.to_vec();
        body.extend(tests::pim::encoded_unicast(SOURCE));
        body.extend([0; 8]);
        message(tests::pim::ASSERT, &body)
    };
    let hold_time = |bytes: &[u8]| from_stranger(hello(&[(1, bytes.to_vec())]));
    let cut = |message: Vec<u8>, by: usize| from_stranger(message[..message.len() - by].to_vec());
    let absurd = |at: usize, value: u8| {
        let mut message = join(OTHER);
        message[at] = value;
        from_stranger(message)
    };
    let version_1 = {
        let mut message = plain_hello(105, 1);
        message[0] = 0x10;
        from_stranger(message)
    };
    scene.assert_refused(vec![
        (
            "a Join of a stranger",
            "unknown-neighbor",
            from_stranger(join(OTHER)),
        ),
        (
            "a Prune of a stranger",
            "unknown-neighbor",
            from_stranger(join_prune(
                ROUTER,
                210,
                &[Group::new(GROUP).prune(SPARSE | WILDCARD | RPT, RP)],
            )),
        ),
        (
            "an Assert of a stranger",
            "unknown-neighbor",
            from_stranger(assert),
        ),
        (
            "a wrong checksum",
            "checksum",
            with(good_hello(), |packet| packet.checksum_error = 1),
        ),
        (
            "a Hello to the router alone",
            "destination",
            with(good_hello(), |packet| packet.destination = ROUTER),
        ),
        ("version 1", "version", version_1),
        (
            "a Bootstrap message",
            "unsupported-type",
            from_stranger(message(4, &[0; 12])),
        ),
        (
            "an unknown type",
            "unsupported-type",
            from_stranger(message(14, &[0; 12])),
        ),
        ("less than a header", "too-short", from_stranger(vec![0x20, 0, 0])),
        ("a hold time of three bytes", "malformed", hold_time(&[0, 105, 0])),
        ("a hold time of one byte", "malformed", hold_time(&[105])),
        ("a cut option", "malformed", cut(plain_hello(105, 1), 1)),
        (
            "half an option's head",
            "malformed",
            cut(hello(&[(1, vec![0, 105]), (2, vec![])]), 2),
        ),
        ("a cut Join", "malformed", cut(join(OTHER), 1)),
        ("a Join without its source", "malformed", cut(join(OTHER), 8)),
        ("255 groups where there is one", "malformed", absurd(11, 255)),
        ("65,281 joins where there is one", "malformed", absurd(22, 255)),
        ("65,280 prunes where there is none", "malformed", absurd(24, 255)),
        ("a neighbor of another address family", "malformed", absurd(4, 2)),
        ("a group of another address family", "malformed", absurd(14, 2)),
    ]);
    let mut good = scene.chain.send_to(GROUP);
    scene.chain.assert_delivered(&mut good, 100, &[1]);
}

/// What the kernel does not let through: packets with the router's own address, and those to all hosts. They must not come
/// to anything, whoever drops them.
#[test]
fn what_the_kernel_drops_changes_nothing() {
    let scene = Scene::new("");
    let before = state(&scene.igmpd);
    for message in [
        plain_hello(105, 1),
        plain_hello(0, 1),
        join(OTHER),
        join_prune(
            [10, 0, 12, 1].into(),
            210,
            &[Group::new(GROUP).prune(SPARSE | WILDCARD | RPT, RP)],
        ),
    ] {
        scene.raw.send(&Packet::pim(ROUTER, message));
    }
    let mut to_hosts = Packet::pim(STRANGER, plain_hello(105, 1));
    to_hosts.destination = [224, 0, 0, 1].into();
    scene.raw.send(&to_hosts);
    // What is sent later is counted, so these had their chance.
    let seen = scene.dropped()["unknown-neighbor"];
    scene.raw.send(&Packet::pim(STRANGER, join(OTHER)));
    wait_for("a packet sent later", PATIENCE, || {
        let now = scene.dropped()["unknown-neighbor"];
        if now > seen { Ok(()) } else { Err(format!("{now}")) }
    });
    assert_eq!(state(&scene.igmpd), before);
}

/// A neighbor that asks for what must not be asked for.
#[test]
fn joins_of_no_use_make_no_state() {
    let scene = Scene::new("");
    scene.introduce();
    let any = SPARSE | WILDCARD | RPT;
    let to_router = |group: Group| Packet::pim(ACQUAINTANCE, join_prune(ROUTER, 210, &[group]));
    let masked = |mask: u8| {
        let mut group = Group::new(OTHER).join(SPARSE, SOURCE);
        group.encoded[3] = mask;
        to_router(group)
    };
    let masked_source = {
        let mut group = Group::new(OTHER).join(SPARSE, SOURCE);
        group.joins[0][3] = 24;
        to_router(group)
    };
    scene.assert_refused(vec![
        (
            "another RP",
            "rp",
            to_router(Group::new(OTHER).join(any, [10, 9, 9, 8].into())),
        ),
        (
            "any source of a source-specific group",
            "group",
            to_router(Group::new([232, 66, 0, 1].into()).join(any, RP)),
        ),
        (
            "a group of the link",
            "skipped",
            to_router(Group::new([224, 0, 0, 5].into()).join(any, RP)),
        ),
        ("a group's mask of 24 bits", "skipped", masked(24)),
        ("a group's mask of 33 bits", "skipped", masked(33)),
        ("a source's mask of 24 bits", "skipped", masked_source),
    ]);
    // A Join to another router of the link is none of ours.
    let before = state(&scene.igmpd);
    let other = join_prune(
        [10, 0, 12, 1].into(),
        210,
        &[Group::new(OTHER).join(SPARSE, SOURCE)],
    );
    scene.raw.send(&Packet::pim(ACQUAINTANCE, other));
    let seen = scene.dropped()["unknown-neighbor"];
    scene.raw.send(&Packet::pim(STRANGER, join(OTHER)));
    wait_for("a packet sent later", PATIENCE, || {
        let now = scene.dropped()["unknown-neighbor"];
        if now > seen { Ok(()) } else { Err(format!("{now}")) }
    });
    assert_eq!(state(&scene.igmpd), before);
}

/// A neighbor asks for 100,000 groups that nobody sends to: there is a limit to what is kept, it is told, and what was there
/// before goes on.
#[test]
fn a_flood_of_joins_meets_the_limit() {
    const FLOOD: u32 = 100_000;
    const LIMIT: usize = 10_000;
    let mut scene = Scene::new(&format!("max-entries = {LIMIT}"));
    scene.introduce();
    let resident = scene.resident();
    let groups: Vec<Ipv4Addr> = (0..FLOOD)
        .map(|number| Ipv4Addr::from_bits(u32::from_be_bytes([238, 0, 0, 0]) + number))
        .collect();
    for (index, groups) in groups.chunks(50).enumerate() {
        let groups: Vec<_> = groups
            .iter()
            .map(|group| Group::new(*group).join(SPARSE, SOURCE))
            .collect();
        scene
            .raw
            .send(&Packet::pim(ACQUAINTANCE, join_prune(ROUTER, 30, &groups)));
        if index % 16 == 15 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    wait_for("the limit", PATIENCE, || {
        let dropped = scene.dropped();
        if dropped["limit"] > 0 {
            Ok(())
        } else {
            Err(format!("{dropped:?}"))
        }
    });
    let routes = scene.igmpd.routes().len();
    assert!(routes <= LIMIT + 10, "{routes} routes");
    let grown = scene.resident().saturating_sub(resident);
    assert!(grown < 256 << 20, "{grown} bytes more than before");
    // Members of this router's own come and go as before.
    let mut sender = scene.chain.send_to(GROUP);
    scene.chain.assert_delivered(&mut sender, 100, &[1]);
    let late = Ipv4Addr::new(239, 1, 1, 9);
    scene.chain.station(1).receiver.join(late);
    wait_joined(&scene.chain, &scene.igmpd, "*", late);
    scene.chain.wait_delivered(&mut scene.chain.send_to(late), &[1]);
    // Goodbye: what the neighbor asked for runs out within its hold time of 30 s.
    wait_for("the entries to run out", Duration::from_secs(60), || {
        let routes = scene.igmpd.routes().len();
        if routes < 10 {
            Ok(())
        } else {
            Err(format!("{routes}"))
        }
    });
    scene.igmpd.stop();
}

impl Scene {
    /// Bytes of memory that the agent has.
    fn resident(&mut self) -> u64 {
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
