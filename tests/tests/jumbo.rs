//! Reports as long as a jumbo frame: what needs no more than a linear frame is walked to its end.

use std::net::Ipv4Addr;

use tests::{
    Lan, PATIENCE, Packet,
    packet::{ALLOW, Record, TO_EX},
    wait_for,
};

const SENDER: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 66);

/// A link of 9,000 bytes is more than XDP in a veth driver takes, so igmpd falls back to generic mode and says so.
fn jumbo_lan() -> Lan {
    let lan = Lan::new();
    lan.router.ip("link set lan0 mtu 9000");
    for port in ["router", "br0"] {
        lan.switch.namespace().ip(&format!("link set {port} mtu 9000"));
    }
    lan
}

/// 9,000 bytes less 24 of IP header and 8 of the report: 1,121 records of 8 bytes.
#[test]
fn records_in_a_frame_of_9000_bytes() {
    let lan = jumbo_lan();
    let station = lan.station("station");
    lan.switch.namespace().ip("link set station mtu 9000");
    station.namespace.ip("link set eth0 mtu 9000");
    let igmpd = lan.igmpd("");
    assert_eq!(igmpd.interface("lan0").xdp_mode.as_deref(), Some("generic"));
    let records: Vec<_> = (0..1_121)
        .map(|number| Record::new(TO_EX, Ipv4Addr::from_bits(0xef08_0000 + number), &[]))
        .collect();
    let report = Packet::v3_report(SENDER, &records);
    assert_eq!(report.frame().len(), 14 + 9_000);
    station.raw.send(&report);
    wait_for("all groups", PATIENCE, || match igmpd.igmp("lan0").groups_count {
        1_121 => Ok(()),
        count => Err(format!("{count} groups")),
    });
}

/// One record of 2,240 sources: 24 + 8 + 8 + 4 · 2,240 = 9,000 bytes.
#[test]
fn sources_in_a_frame_of_9000_bytes() {
    let lan = jumbo_lan();
    let station = lan.station("station");
    lan.switch.namespace().ip("link set station mtu 9000");
    station.namespace.ip("link set eth0 mtu 9000");
    let igmpd = lan.igmpd("");
    let group = Ipv4Addr::new(232, 1, 1, 1);
    let sources: Vec<_> = (0..2_240)
        .map(|number| Ipv4Addr::from_bits(0x0a02_0001 + number))
        .collect();
    let report = Packet::v3_report(SENDER, &[Record::new(ALLOW, group, &sources)]);
    assert_eq!(report.frame().len(), 14 + 9_000);
    station.raw.send(&report);
    wait_for("all sources", PATIENCE, || {
        match igmpd.group("lan0", group).map(|group| group.source.len()) {
            Some(2_240) => Ok(()),
            other => Err(format!("{other:?} sources")),
        }
    });
}
