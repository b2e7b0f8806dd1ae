//! PIM messages that must change nothing.

use std::net::Ipv4Addr;

use tests::{
    PATIENCE, Packet,
    pim::{ASSERT, Group, RPT, SPARSE, WILDCARD, encoded_unicast, hello, join_prune, message, plain_hello},
    wait_for,
};

use crate::{
    chain::{GROUP, ROUTER, RP, SOURCE},
    scene::{ACQUAINTANCE, Scene, state},
};

/// A router that nobody knows.
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 0, 12, 66);
/// A group that nobody joined.
const OTHER: Ipv4Addr = Ipv4Addr::new(239, 66, 0, 1);

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
        body.extend(encoded_unicast(SOURCE));
        body.extend([0; 8]);
        message(ASSERT, &body)
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
