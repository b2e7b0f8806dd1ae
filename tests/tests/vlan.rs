//! VLANs of an interface, in frames with tags made by hand.

use std::{net::Ipv4Addr, process::Command};

use tests::{
    Lan, PATIENCE, Packet,
    lan::QUICK,
    packet::{Record, TO_EX, TO_IN, changed},
    process::Process,
    wait_for,
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 2);
/// A host in VLAN 7.
const SENDER: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 66);

fn report(kind: u8, group: Ipv4Addr, vlans: &[u16]) -> Packet {
    changed(
        Packet::v3_report(SENDER, &[Record::new(kind, group, &[])]),
        |packet| {
            packet.vlans = vlans.to_vec();
        },
    )
}

fn config() -> String {
    format!(
        "{QUICK}
[interfaces.lan0]
igmp = {{}}
[interfaces.\"lan0.7\"]
parent = \"lan0\"
vlan = 7
address = \"10.7.0.1/24\"
igmp = {{}}
"
    )
}

#[test]
fn each_vlan_has_its_own_members() {
    let lan = Lan::new();
    let station = lan.station("station");
    let igmpd = lan.igmpd_with(&config());
    station.raw.send(&report(TO_EX, GROUP, &[7]));
    let group = igmpd.wait_joined("lan0.7", GROUP);
    assert_eq!(group.last_reporter, Some(SENDER));
    station.raw.send(&report(TO_EX, OTHER, &[]));
    igmpd.wait_joined("lan0", OTHER);
    assert_eq!(igmpd.group("lan0", GROUP), None);
    assert_eq!(igmpd.group("lan0.7", OTHER), None);
    assert_eq!(
        igmpd.interface("lan0.7").address,
        Some(Ipv4Addr::new(10, 7, 0, 1))
    );
    assert_eq!(igmpd.statistics("lan0.7").received.report_v3, 1);
    assert_eq!(igmpd.statistics("lan0").received.report_v3, 1);

    // A leave without a tag is none of the VLAN's.
    station.raw.send(&report(TO_IN, GROUP, &[]));
    station.raw.send(&report(TO_IN, OTHER, &[]));
    igmpd.wait_left("lan0", OTHER, PATIENCE);
    let sent = igmpd.statistics("lan0.7").sent;
    assert_eq!(sent.group_query, 0, "{sent:?}");
}

#[test]
fn vlans_that_are_not_configured_are_counted() {
    let lan = Lan::new();
    let station = lan.station("station");
    let igmpd = lan.igmpd_with(&config());
    for vlans in [&[8][..], &[7, 7], &[8, 7]] {
        station.raw.send(&report(TO_EX, GROUP, vlans));
    }
    wait_for("three refusals", PATIENCE, || {
        let dropped = igmpd.statistics("lan0").dropped;
        if dropped["vlan"] == 3 {
            Ok(())
        } else {
            Err(format!("{dropped:?}"))
        }
    });
    assert_eq!(igmpd.groups(), []);
}

// The kernel takes tags off before a packet socket sees the frame; tcpdump puts them back.
#[test]
fn queries_carry_the_tag_and_the_address_of_their_vlan() {
    let lan = Lan::new();
    let station = lan.station("station");
    let mut command = Command::new("tcpdump");
    command.args(["-l", "-n", "-e", "--immediate-mode", "-i", "eth0"]);
    let tcpdump = Process::start(&station.namespace, command, lan.network.path("tcpdump.log"));
    wait_for("tcpdump to listen", PATIENCE, || {
        let log = tcpdump.log();
        if log.contains("listening on") {
            Ok(())
        } else {
            Err(log)
        }
    });
    let igmpd = lan.igmpd_with(&config());
    let wait_line = |what: &str, words: &[&str]| {
        wait_for(what, PATIENCE, || {
            let log = tcpdump.log();
            let found = log
                .lines()
                .any(|line| words.iter().all(|word| line.contains(word)));
            if found { Ok(()) } else { Err(log) }
        });
    };
    wait_line(
        "a General Query in VLAN 7",
        &["vlan 7,", "10.7.0.1 > 224.0.0.1: igmp query v3"],
    );
    station.raw.send(&report(TO_EX, GROUP, &[7]));
    igmpd.wait_joined("lan0.7", GROUP);
    station.raw.send(&report(TO_IN, GROUP, &[7]));
    igmpd.wait_left("lan0.7", GROUP, PATIENCE);
    wait_line(
        "a Group-Specific Query in VLAN 7",
        &["vlan 7,", "10.7.0.1 > 239.1.1.1: igmp query v3"],
    );
    // And none of them without the tag.
    let untagged = tcpdump
        .log()
        .lines()
        .any(|line| line.contains("10.7.0.1 >") && !line.contains("vlan 7,"));
    assert!(!untagged);
}
