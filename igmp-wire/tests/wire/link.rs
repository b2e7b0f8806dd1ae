//! Ethernet headers and VLAN tags.

use igmp_wire::{
    admit::{self, Envelope},
    ethernet::{self, Header, Vlan},
};

use crate::build::{Ip, config, frame, refusal};

const C_TAG: u16 = 0x8100;
const S_TAG: u16 = 0x88a8;
const REPORT: &[u8] = &[0x16, 0, 0xf8, 0xfa, 0xef, 1, 2, 3];

#[track_caller]
fn check(tags: &[(u16, u16)], vlan: Vlan) {
    let frame = frame(tags, &Ip::default().packet(REPORT));
    let ip = 14 + 4 * tags.len();
    let header = Header {
        vlan,
        ethertype: 0x0800,
        payload: ip,
    };
    assert_eq!(ethernet::parse(&&frame[..]), Some(header));
    assert_eq!(admit::envelope(&&frame[..]), Some(Envelope { vlan, ip }));
    assert_eq!(refusal(&frame, &config()), None);
    for len in 0..ip {
        assert_eq!(ethernet::parse(&&frame[..len]), None, "{len}");
    }
}

#[test]
fn up_to_two_tags() {
    check(&[], Vlan::Untagged);
    check(&[(C_TAG, 7)], Vlan::Tagged(7));
    check(&[(S_TAG, 7)], Vlan::Tagged(7));
    check(&[(S_TAG, 7), (C_TAG, 4094)], Vlan::Stacked(7, 4094));
    check(&[(C_TAG, 7), (C_TAG, 1)], Vlan::Stacked(7, 1));
}

#[test]
fn priority_is_no_part_of_the_vlan() {
    check(&[(C_TAG, 0xe000)], Vlan::Untagged);
    check(&[(C_TAG, 0xf007)], Vlan::Tagged(7));
    check(&[(C_TAG, 0xffff)], Vlan::Tagged(4095));
    check(&[(S_TAG, 0xe000), (C_TAG, 0xe007)], Vlan::Stacked(0, 7));
}

#[test]
fn a_third_tag_is_not_followed() {
    let frame = frame(
        &[(S_TAG, 7), (C_TAG, 8), (C_TAG, 9)],
        &Ip::default().packet(REPORT),
    );
    let header = Header {
        vlan: Vlan::Stacked(7, 8),
        ethertype: C_TAG,
        payload: 22,
    };
    assert_eq!(ethernet::parse(&&frame[..]), Some(header));
    assert_eq!(admit::envelope(&&frame[..]), None);
}

#[test]
fn other_frames_are_not_igmp() {
    let packet = Ip::default().packet(REPORT);
    // IPv6, ARP, and an IEEE 802.3 length.
    for ethertype in [0x86dd_u16, 0x0806, 44] {
        let mut frame = frame(&[], &packet);
        frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
        assert_eq!(admit::envelope(&&frame[..]), None, "{ethertype:#06x}");
    }
    for protocol in [0, 1, 6, 17, 103] {
        let ip = Ip {
            protocol,
            ..Ip::default()
        };
        assert_eq!(admit::envelope(&&ip.frame(REPORT)[..]), None, "{protocol}");
    }
    for version in (0..16).filter(|version| *version != 4) {
        let ip = Ip {
            version,
            ..Ip::default()
        };
        assert_eq!(admit::envelope(&&ip.frame(REPORT)[..]), None, "{version}");
    }
}

#[test]
fn groups_map_to_ethernet_addresses() {
    // RFC 1112 §6.4: the low 23 bits. The first two differ in the bits that are lost.
    for (group, mac) in [
        ([224, 1, 2, 3], [0x01, 0x00, 0x5e, 0x01, 0x02, 0x03]),
        ([239, 129, 2, 3], [0x01, 0x00, 0x5e, 0x01, 0x02, 0x03]),
        ([239, 255, 255, 255], [0x01, 0x00, 0x5e, 0x7f, 0xff, 0xff]),
        ([224, 0, 0, 22], [0x01, 0x00, 0x5e, 0x00, 0x00, 0x16]),
    ] {
        assert_eq!(ethernet::multicast_mac(group.into()), mac);
    }
}
