//! A kernel bridge with snooping between the router and its hosts: it forwards reports only towards queriers and data
//! only towards members, so it works only if the router's queries and the hosts' reports are right in its eyes.

use std::net::Ipv4Addr;

use socket2::{Domain, Protocol, Socket, Type};
use tests::{Host, Lan, PATIENCE, wait_for};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

/// Packets of data in one go.
const PACKETS: u64 = 1_000;

/// Whether data for the group, sent by the router, reaches a host that may or may not have joined: a packet socket sees
/// it in either case.
struct Traffic {
    sender: Socket,
}

impl Traffic {
    fn new(lan: &Lan) -> Self {
        let sender = lan
            .router
            .enter(|| Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)))
            .expect("a UDP socket");
        sender
            .set_multicast_if_v4(&tests::lan::ROUTER)
            .expect("lan0 can send multicast");
        Self { sender }
    }

    fn send(&self) {
        let to = std::net::SocketAddrV4::new(GROUP, 5000);
        self.sender
            .send_to(b"data", &to.into())
            .expect("data can be sent");
    }
}

/// Frames for the group's Ethernet address that the host's interface received.
fn received(host: &Host) -> u64 {
    let text = host.namespace().ip("-j -s link show dev eth0");
    let links: serde_json::Value = serde_json::from_str(&text).expect("ip -j prints JSON");
    links
        .pointer("/0/stats64/rx/packets")
        .and_then(serde_json::Value::as_u64)
        .expect("a counter")
}

fn members_behind_a_snooping_bridge(version: u8) {
    let lan = Lan::new();
    lan.switch.snoop(version);
    let (member, other) = (lan.host(2), lan.host(3));
    let igmpd = lan.igmpd(&format!("version = {version}"));
    // The bridge finds the router by its queries; it is told of no other way.
    wait_for("the bridge to find the querier", PATIENCE, || {
        let learned = lan.switch.learned();
        let is_router = |line: &str| line.contains("router") && !line.contains("grp");
        if learned.lines().any(is_router) {
            Ok(())
        } else {
            Err(learned)
        }
    });
    let membership = member.join(GROUP);
    let group = igmpd.wait_joined("lan0", GROUP);
    assert_eq!(group.last_reporter, Some(member.address()));
    wait_for("the bridge to know the member", PATIENCE, || {
        let learned = lan.switch.learned();
        let known = learned
            .lines()
            .any(|line| line.contains("port host2") && line.contains("239.1.1.1"));
        if known { Ok(()) } else { Err(learned) }
    });

    // Data goes to the member's port and not to the other's. A bridge floods until the answers to the first query it
    // saw are due, so the data is sent again until that is over. The other gets queries, a few in this time.
    let traffic = Traffic::new(&lan);
    wait_for("data to go to members only", PATIENCE, || {
        let (to_member, to_other) = (received(&member), received(&other));
        for _ in 0..PACKETS {
            traffic.send();
        }
        wait_for("the data to arrive", PATIENCE, || {
            let count = received(&member) - to_member;
            if count >= PACKETS {
                Ok(())
            } else {
                Err(format!("{count} packets"))
            }
        });
        let stray = received(&other) - to_other;
        if stray < PACKETS / 10 {
            Ok(())
        } else {
            Err(format!("{stray} packets went to the other"))
        }
    });

    // A second member keeps the group when the first leaves.
    let second = other.join(GROUP);
    igmpd.wait_group("the second member", PATIENCE, "lan0", GROUP, |group| {
        group.last_reporter == Some(other.address())
    });
    drop(membership);
    let before = igmpd.group("lan0", GROUP).expect("a member is left");
    igmpd.wait_group(
        "the group to outlive the leave",
        PATIENCE,
        "lan0",
        GROUP,
        |group| group.up_time > before.up_time + 6.5,
    );
    drop(second);
    igmpd.wait_left("lan0", GROUP, PATIENCE);
}

#[test]
fn version_2_behind_a_snooping_bridge() {
    members_behind_a_snooping_bridge(2);
}

#[test]
fn version_3_behind_a_snooping_bridge() {
    members_behind_a_snooping_bridge(3);
}
