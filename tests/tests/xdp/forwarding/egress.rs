//! What leaves behind a redirect: each port's own frame, by the program in the port set.

use std::collections::BTreeMap;

use igmp_wire::Refusal;

use super::{
    bench::{ELSEWHERE, GROUP, PORTS, REMOTE, SSM, data, forwarding_config, total_len},
    links::{Links, leaving},
};
use crate::harness::{SLOT, VLAN_SLOT};

#[test]
fn every_port_gets_a_frame_of_its_own() {
    let links = Links::new();
    links.inside(|inside| {
        inside.bench.port_set(1, &PORTS);
        inside.bench.route(GROUP, None, 1);
        inside.bench.sources("198.18.0.0/15", VLAN_SLOT);
        inside.interface(0, 7, VLAN_SLOT, forwarding_config(0));
        inside.bench.commit();
        for (vlans, source) in [
            (vec![], REMOTE),
            (vec![0], REMOTE),
            (vec![7], [198, 18, 0, 1].into()),
        ] {
            for (size, options, padding) in [(16, 0, 0), (301, 0, 0), (1_472, 0, 0), (200, 40, 5)] {
                let packet = data(source, GROUP).with(|it| {
                    it.vlans = vlans.clone();
                    it.priority = 3;
                    it.size = size;
                    it.options = vec![1; options];
                    it.padding = padding;
                    it.id = inside.number();
                });
                let frame = packet.frame();
                inside.inject(0, &frame);
                for (number, slot) in (1..).zip(PORTS) {
                    let seen = inside.wait_for(number, packet.id);
                    assert_eq!(seen.bytes, leaving(&frame, vlans.len(), slot), "{packet:?}");
                    assert_eq!(seen.tag, None, "{packet:?}");
                    assert!(seen.is_checksum_right());
                    let len = total_len(&frame, vlans.len());
                    assert_eq!(inside.left(slot), (1, len, BTreeMap::new()));
                }
            }
        }
        for number in 1..=PORTS.len() {
            assert_eq!(
                inside.seen(number, GROUP),
                (1..=12).collect::<Vec<_>>(),
                "each once, in order"
            );
        }
    });
}

/// A port whose time is over takes nothing, and one whose time is not takes everything.
#[test]
fn a_port_has_its_time() {
    let links = Links::new();
    links.inside(|inside| {
        inside.port_until(1, PORTS[0], 1);
        inside.port_until(2, PORTS[1], u64::MAX);
        inside.bench.port_set(1, &PORTS);
        inside.bench.route(GROUP, None, 1);
        inside.bench.commit();
        let packet = data(REMOTE, GROUP).with(|it| it.id = inside.number());
        inside.inject(0, &packet.frame());
        for number in [2, 3] {
            inside.wait_for(number, packet.id);
        }
        assert_eq!(inside.left(PORTS[0]), (0, 0, BTreeMap::new()));

        // It is put off.
        inside.port_until(1, PORTS[0], u64::MAX);
        let packet = data(REMOTE, GROUP).with(|it| it.id = inside.number());
        inside.inject(0, &packet.frame());
        for number in [1, 2, 3] {
            inside.wait_for(number, packet.id);
        }
        assert_eq!(inside.seen(1, GROUP), [2], "only what came in time");
    });
}

#[test]
fn nothing_goes_back_where_it_came_from() {
    let links = Links::new();
    links.inside(|inside| {
        inside.bench.port_set(1, &[SLOT, PORTS[0], PORTS[1]]);
        inside.bench.route(GROUP, None, 1);
        inside.bench.sources("198.18.0.0/15", VLAN_SLOT);
        inside.interface(0, 7, VLAN_SLOT, forwarding_config(0));
        inside.bench.commit();
        let from_here = data(REMOTE, GROUP).with(|it| it.id = inside.number());
        inside.inject(0, &from_here.frame());
        let from_port = data(ELSEWHERE, GROUP).with(|it| it.id = inside.number());
        inside.inject(1, &from_port.frame());
        // From a VLAN of the interface to the interface itself: another network.
        let from_vlan = data([198, 18, 0, 1].into(), GROUP).with(|it| {
            it.id = inside.number();
            it.vlans = vec![7];
        });
        inside.inject(0, &from_vlan.frame());
        let wanted = [vec![2, 3], vec![1, 3], vec![1, 2, 3]];
        for (number, ids) in wanted.into_iter().enumerate() {
            inside.wait_for(number, from_vlan.id);
            assert_eq!(inside.seen(number, GROUP), ids, "interface {number}");
        }
        assert_eq!(
            inside.wait_for(0, from_vlan.id).bytes,
            leaving(&from_vlan.frame(), 1, SLOT)
        );
    });
}

/// Packets that are too long for a port are counted there, once, whether the kernel skipped the port or not. The others
/// lose nothing.
#[test]
fn ports_that_are_too_small() {
    let links = Links::new();
    links.router().ip("link set out2 mtu 600");
    links.inside(|inside| {
        inside.port(2, PORTS[1], 600, 0);
        inside.bench.port_set(1, &PORTS);
        inside.bench.route(GROUP, None, 1);
        inside.bench.sources("198.18.0.0/15", VLAN_SLOT);
        inside.interface(0, 7, VLAN_SLOT, forwarding_config(0));
        inside.bench.commit();
        for (vlans, source) in [(vec![], REMOTE), (vec![7], [198, 18, 0, 1].into())] {
            for len in [598, 599, 600, 601, 602, 603, 604, 605, 606, 1_500] {
                let packet = data(source, GROUP).with(|it| {
                    it.vlans = vlans.clone();
                    it.size = len - 28;
                    it.id = inside.number();
                });
                inside.inject(0, &packet.frame());
                for number in [1, 3] {
                    inside.wait_for(number, packet.id);
                }
                let expected = if len <= 600 {
                    inside.wait_for(2, packet.id);
                    (1, len as u64, BTreeMap::new())
                } else {
                    (0, 0, BTreeMap::from([(Refusal::Mtu, 1)]))
                };
                assert_eq!(inside.left(PORTS[1]), expected, "{len} bytes, {vlans:?}");
                assert_eq!(inside.left(PORTS[0]), (1, len as u64, BTreeMap::new()));
            }
        }
    });
}

#[test]
fn a_port_that_is_down_costs_the_others_nothing() {
    let links = Links::new();
    links.inside(|inside| {
        inside.bench.port_set(1, &PORTS);
        inside.bench.port_set(2, &PORTS[1..2]);
        inside.bench.route(GROUP, None, 1);
        inside.bench.route(SSM, None, 2);
        inside.bench.commit();
        links.router().ip("link set out2 down");
        for _ in 0..20 {
            let packet = data(REMOTE, GROUP).with(|it| it.id = inside.number());
            inside.inject(0, &packet.frame());
            let alone = data(REMOTE, SSM).with(|it| it.id = inside.number());
            inside.inject(0, &alone.frame());
            for number in [1, 3] {
                inside.wait_for(number, packet.id);
            }
        }
        links.router().ip("link set out2 up");
        let packet = data(REMOTE, GROUP).with(|it| it.id = inside.number());
        inside.inject(0, &packet.frame());
        inside.wait_for(2, packet.id);
        assert_eq!(inside.seen(2, GROUP), [packet.id]);
        assert_eq!(
            (inside.seen(1, GROUP).len(), inside.seen(3, GROUP).len()),
            (21, 21)
        );
    });
}
