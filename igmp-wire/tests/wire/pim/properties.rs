//! Properties of generated messages.

use std::net::Ipv4Addr;

use igmp_wire::{
    emit::pim::{self as emit, GroupSet},
    ethernet::{self, Vlan},
    pim::{Assert, Entry, LanPruneDelay, MAX_GROUP_SETS},
};
use proptest::{collection::vec, option, prelude::*};

use super::{
    build::{ALL_PIM_ROUTERS, ip},
    model::{self, Decoded, bits},
};
use crate::build::{HOST, Ip, with_checksum};

/// A group set with its lists owned.
type Set = (Ipv4Addr, Vec<Entry>, Vec<Entry>);

fn router() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![0x0100_0000..=0x7eff_ffff_u32, 0x8000_0000..=0xdfff_ffff_u32].prop_map(Ipv4Addr::from_bits)
}

fn group() -> impl Strategy<Value = Ipv4Addr> {
    (0xe000_0100..=0xefff_ffff_u32).prop_map(Ipv4Addr::from_bits)
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        router().prop_map(Entry::StarG),
        router().prop_map(Entry::Sg),
        router().prop_map(Entry::SgRpt),
    ]
}

/// Sets as a router makes them: the (\*,G) join first, the (S,G,rpt) prunes first and by address.
fn sets(entries: usize) -> impl Strategy<Value = Vec<Set>> {
    let list = || vec(router(), 0..entries);
    let set = (group(), option::of(router()), list(), list(), list()).prop_map(
        |(group, rp, joins, mut rpt_prunes, prunes)| {
            rpt_prunes.sort_unstable();
            let joins = joins.into_iter().map(Entry::Sg);
            let prunes = prunes.into_iter().map(Entry::Sg);
            (
                group,
                rp.map(Entry::StarG).into_iter().chain(joins).collect(),
                rpt_prunes.into_iter().map(Entry::SgRpt).chain(prunes).collect(),
            )
        },
    );
    vec(set, 0..24)
}

fn borrowed(sets: &[Set]) -> Vec<GroupSet<'_>> {
    sets.iter()
        .map(|(group, joins, prunes)| GroupSet {
            group: *group,
            joins,
            prunes,
        })
        .collect()
}

fn lan_prune_delay() -> impl Strategy<Value = LanPruneDelay> {
    (any::<bool>(), 0..0x8000_u16, any::<u16>()).prop_map(
        |(tracking, propagation_delay, override_interval)| LanPruneDelay {
            tracking,
            propagation_delay,
            override_interval,
        },
    )
}

/// The packet that carries the message, without the Ethernet header in front of it.
fn packet(message: emit::Message<'_>, vlan: Vlan) -> Vec<u8> {
    let frame = emit::Frame {
        source_mac: [2, 0, 0, 0, 0, 1],
        vlan,
        source: HOST,
        identification: 7,
        message,
    };
    let mut bytes = vec![0xa5; frame.buffer_len()];
    assert_eq!(frame.emit(&mut bytes), Ok(bytes.len()));
    let link = ethernet::parse(&&bytes[..]).expect("the header is there");
    assert_eq!(link.vlan, vlan);
    bytes.split_off(link.payload)
}

/// What becomes of a message on its way.
fn delivered(message: emit::Message<'_>) -> Decoded {
    let packet = packet(message, Vlan::Untagged);
    let (source, decoded) = model::answer(&packet).expect("an emitted message is in order");
    assert_eq!(source, HOST);
    decoded
}

/// An encoded address with this much between encoding and address, mostly of IPv4 and mostly with a mask length of 32.
fn encoded(
    extra: impl Strategy<Value = Option<u8>>,
    address: impl Strategy<Value = u32>,
) -> impl Strategy<Value = Vec<u8>> {
    let mask_len = prop_oneof![12 => Just(32), 1 => Just(128), 1 => any::<u8>()];
    let kind = prop_oneof![30 => Just((1, 0)), 3 => Just((2, 0)), 1 => (0..4_u8, 0..2_u8)];
    (kind, extra, mask_len, address).prop_map(|((family, encoding), extra, mask_len, address)| {
        let mut bytes = vec![family, encoding];
        if let Some(extra) = extra {
            bytes.extend([extra, mask_len]);
        }
        bytes.extend(address.to_be_bytes());
        bytes.resize(bytes.len() + if family == 2 { 12 } else { 0 }, 0x33);
        bytes
    })
}

/// Addresses of all classes.
fn any_address() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => Just(0xc000_020a),
        1 => Just(0),
        1 => Just(0xe000_0005),
        8 => 0xef00_0000..=0xef00_ffff_u32,
        2 => any::<u32>(),
    ]
}

fn encoded_unicast() -> impl Strategy<Value = Vec<u8>> {
    encoded(Just(None), any_address())
}

fn encoded_source() -> impl Strategy<Value = Vec<u8>> {
    let address = prop_oneof![8 => router().prop_map(Ipv4Addr::to_bits), 1 => any_address()];
    encoded(
        prop_oneof![4 => 4..8_u8, 1 => any::<u8>()].prop_map(Some),
        address,
    )
}

fn encoded_group() -> impl Strategy<Value = Vec<u8>> {
    let address = prop_oneof![8 => group().prop_map(Ipv4Addr::to_bits), 1 => any_address()];
    encoded(
        prop_oneof![4 => Just(0), 1 => any::<u8>()].prop_map(Some),
        address,
    )
}

/// The content of a Hello that is nearly right.
fn hello_content() -> impl Strategy<Value = Vec<u8>> {
    let option = |kind: u16, value: Vec<u8>| {
        [
            &kind.to_be_bytes()[..],
            &(value.len() as u16).to_be_bytes(),
            &value,
        ]
        .concat()
    };
    let kinds = prop_oneof![Just(1), Just(2), Just(19), Just(20), any::<u16>()];
    let list = vec(encoded_unicast(), 0..4).prop_map(|list| list.concat());
    let any_option = (kinds, vec(any::<u8>(), 0..6)).prop_map(move |(kind, mut value)| {
        // Mostly with a length that is its own.
        match kind {
            1 if value.len() > 1 => value.truncate(2),
            2 | 19 | 20 => value.resize(4, 0x77),
            _ => {}
        }
        option(kind, value)
    });
    let address_list = list.prop_map(move |list| option(24, list));
    vec(prop_oneof![3 => any_option, 1 => address_list], 0..8).prop_map(|options| options.concat())
}

/// The content of a Join/Prune that is nearly right.
fn join_prune_content() -> impl Strategy<Value = Vec<u8>> {
    let upstream = prop_oneof![9 => Just(vec![1, 0, 10, 0, 0, 1]), 1 => encoded_unicast()];
    let list = || vec(encoded_source(), 0..4);
    let set = (encoded_group(), list(), list()).prop_map(|(group, joins, prunes)| {
        let counts = [joins.len() as u8, prunes.len() as u8].map(|count| [0, count]);
        [group, counts.concat(), joins.concat(), prunes.concat()].concat()
    });
    (upstream, any::<u16>(), vec(set, 0..6)).prop_map(|(upstream, holdtime, sets)| {
        let [high, low] = holdtime.to_be_bytes();
        [upstream, vec![0, sets.len() as u8, high, low], sets.concat()].concat()
    })
}

/// The content of an Assert that is nearly right.
fn assert_content() -> impl Strategy<Value = Vec<u8>> {
    (encoded_group(), encoded_unicast(), any::<[u8; 8]>())
        .prop_map(|(group, source, metrics)| [group, source, metrics.to_vec()].concat())
}

/// Messages, some changed after they were made, with checksums that are mostly right.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let content = prop_oneof![
        3 => hello_content().prop_map(|content| (0, content)),
        5 => join_prune_content().prop_map(|content| (3, content)),
        2 => assert_content().prop_map(|content| (5, content)),
        1 => (0..16_u8, vec(any::<u8>(), 0..40)),
    ];
    let version = prop_oneof![20 => Just(2), 1 => 0..16_u8];
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    let cut = option::weighted(0.1, any::<prop::sample::Index>());
    let more = prop_oneof![6 => Just(vec![]), 1 => vec(any::<u8>(), 0..6)];
    (
        content,
        version,
        changes,
        cut,
        more,
        proptest::bool::weighted(0.95),
    )
        .prop_map(
            |((message_type, content), version, changes, cut, more, right_checksum)| {
                let mut bytes = vec![version << 4 | message_type, 0, 0, 0];
                bytes.extend(content);
                for (index, value) in changes {
                    let at = index.index(bytes.len());
                    bytes[at] = value;
                }
                bytes.extend(more);
                if let Some(cut) = cut {
                    bytes.truncate(cut.index(bytes.len()));
                }
                if right_checksum {
                    with_checksum(&bytes)
                } else {
                    bytes
                }
            },
        )
}

/// IP headers that are mostly right.
fn header() -> impl Strategy<Value = Ip> {
    let source = prop_oneof![12 => Just(HOST), 1 => any::<Ipv4Addr>()];
    let destination = prop_oneof![12 => Just(ALL_PIM_ROUTERS), 1 => any::<Ipv4Addr>()];
    let lengths = (
        option::weighted(0.05, 0..16_u8),
        option::weighted(0.05, 0..120_u16),
    );
    let fragment = prop_oneof![12 => Just(0), 1 => Just(0x4000), 1 => any::<u16>()];
    let options = prop_oneof![6 => Just(Vec::new()), 1 => vec(any::<u8>(), 0..=40)];
    (source, destination, lengths, fragment, options, any::<u8>()).prop_map(
        |(source, destination, (header_words, total_len), fragment, options, ttl)| Ip {
            source,
            destination,
            header_words,
            total_len,
            fragment,
            options,
            ttl,
            ..ip()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    #[test]
    fn hellos_round_trip(
        holdtime: Option<u16>,
        lan_prune_delay in option::of(lan_prune_delay()),
        dr_priority: Option<u32>,
        generation_id: Option<u32>,
        secondary_addresses in vec(router(), 0..20),
    ) {
        let hello = emit::Hello {
            holdtime,
            lan_prune_delay,
            dr_priority,
            generation_id,
            secondary_addresses: &secondary_addresses,
        };
        let expected = Decoded::Hello {
            holdtime,
            lan_prune_delay: lan_prune_delay
                .map(|delay| (delay.tracking, delay.propagation_delay, delay.override_interval)),
            dr_priority,
            generation_id,
            secondary_addresses: secondary_addresses.iter().copied().filter(|address| *address != HOST).collect(),
        };
        prop_assert_eq!(delivered(emit::Message::Hello(hello)), expected);
    }

    #[test]
    fn asserts_round_trip(
        group in group(),
        source in router(),
        rpt: bool,
        without_source: bool,
        metric_preference in 0..0x8000_0000_u32,
        metric: u32,
    ) {
        let source = if rpt && without_source { Ipv4Addr::UNSPECIFIED } else { source };
        let assert = Assert { group, source, rpt, metric_preference, metric };
        let expected = Decoded::Assert { group, source, rpt, metric_preference, metric };
        prop_assert_eq!(delivered(emit::Message::Assert(assert)), expected);
    }

    #[test]
    fn two_decoders_agree(header in header(), message in message()) {
        let packet = header.packet(&message);
        prop_assert_eq!(model::answer(&packet), model::open(&packet));
    }

    #[test]
    fn two_decoders_agree_on_any_bytes(packet in vec(any::<u8>(), 0..128), as_pim: bool) {
        let packet = if as_pim { ip().packet(&with_checksum(&packet)) } else { packet };
        prop_assert_eq!(model::answer(&packet), model::open(&packet));
    }

    #[test]
    fn the_vlan_is_in_front(vlan in prop_oneof![
        Just(Vlan::Untagged),
        (1..4096_u16).prop_map(Vlan::Tagged),
        (0..4096_u16, 0..4096_u16).prop_map(|(outer, inner)| Vlan::Stacked(outer, inner)),
    ]) {
        let hello = emit::Message::Hello(emit::Hello::default());
        let expected = ip_header_of_a_hello();
        prop_assert_eq!(&packet(hello, vlan)[..20], expected);
    }
}

proptest! {
    // These take longer.
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn entries_in_any_order_round_trip(
        upstream_neighbor in router(),
        holdtime: u16,
        sets in vec((group(), vec(entry(), 0..9), vec(entry(), 0..9)), 1..9),
    ) {
        let borrowed = borrowed(&sets);
        let mut messages = emit::JoinPrune::pack(upstream_neighbor, holdtime, &borrowed, emit::MAX_MESSAGE_LEN);
        let message = messages.next().expect("one message holds them all");
        prop_assert_eq!(messages.next(), None);
        let list = |entries: &[Entry]| entries.iter().copied().map(bits).collect();
        let expected = Decoded::JoinPrune {
            upstream_neighbor,
            holdtime,
            sets: sets.iter().map(|(group, joins, prunes)| (*group, list(joins), list(prunes))).collect(),
            skipped: 0,
        };
        prop_assert_eq!(delivered(emit::Message::JoinPrune(message)), expected);
    }

    /// Messages are as long as they may be and no longer, and tell everything, but for what RFC 7761 §4.9.5.2 has them
    /// leave out.
    #[test]
    fn packing(sets in sets(12), max_len in 0..700_usize) {
        let limit = max_len.max(34);
        let mut found: Vec<model::List> = vec![vec![]; 2];
        let mut free = 0;
        let borrowed = borrowed(&sets);
        for message in emit::JoinPrune::pack(HOST, 210, &borrowed, max_len) {
            let message = emit::Message::JoinPrune(message);
            prop_assert!(message.buffer_len() <= limit);
            let Decoded::JoinPrune { sets, skipped, .. } = delivered(message) else {
                panic!("a Join/Prune");
            };
            prop_assert_eq!(skipped, 0);
            prop_assert!((1..=MAX_GROUP_SETS).contains(&sets.len()));
            // What is first here had no room in the message before, not even in part.
            let (_, joins, prunes) = &sets[0];
            let needed = 12 + 8 * (joins.len() + prunes.len());
            prop_assert!(free < needed, "{free} bytes were free for {needed}");
            free = limit - message.buffer_len();
            for (_, joins, prunes) in sets {
                found[0].extend(joins);
                found[1].extend(prunes);
            }
        }
        let entries = (limit - 26) / 8;
        let mut expected: Vec<model::List> = vec![vec![]; 2];
        for (_, joins, prunes) in &sets {
            let has_join = matches!(joins.first(), Some(Entry::StarG(_)));
            let is_long = joins.len() + prunes.len() > entries;
            let room = if has_join && is_long { entries - 1 } else { usize::MAX };
            let (rpt, others): (Vec<_>, Vec<_>) = prunes.iter().partition(|entry| matches!(entry, Entry::SgRpt(_)));
            expected[0].extend(joins.iter().copied().map(bits));
            expected[1].extend(rpt.into_iter().take(room).chain(others).copied().map(bits));
        }
        prop_assert_eq!(found, expected);
    }
}

/// TTL 1, type of service 0xc0, Don't Fragment, no options, and a checksum that another implementation computes.
fn ip_header_of_a_hello() -> Vec<u8> {
    let fragment = 0x4000;
    let mut packet = Ip { fragment, ..ip() }.packet(&[0; 4]);
    packet.truncate(20);
    packet[4..6].copy_from_slice(&[0, 7]);
    packet[10..12].fill(0);
    let sum = crate::build::checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}
