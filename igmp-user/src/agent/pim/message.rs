//! Messages of the network as the core has them, and messages of the core as frames.

use std::net::Ipv4Addr;

use igmp_core::pim::{Assert, Hello, JoinPrune, JoinPruneGroup, LanPruneDelay, Message, Target};
use igmp_wire::{
    emit::{self, Error},
    ethernet::Vlan,
    pim::{self, Entry},
};

/// What a message that was received is to the core.
pub(super) fn from_wire(message: &pim::Message<'_>) -> Message {
    match message {
        pim::Message::Hello(hello) => Message::Hello(Hello {
            hold_time: hello.holdtime,
            lan_prune_delay: hello.lan_prune_delay.map(|delay| LanPruneDelay {
                tracking: delay.tracking,
                propagation_delay: delay.propagation_delay,
                override_interval: delay.override_interval,
            }),
            dr_priority: hello.dr_priority,
            generation_id: hello.generation_id,
            secondary_addresses: hello.secondary_addresses().collect(),
        }),
        pim::Message::JoinPrune(join_prune) => Message::JoinPrune(JoinPrune {
            upstream_neighbor: join_prune.upstream_neighbor,
            hold_time: join_prune.holdtime,
            groups: join_prune
                .groups()
                .map(|set| JoinPruneGroup {
                    group: set.group,
                    joins: set.joins().map(target).collect(),
                    prunes: set.prunes().map(target).collect(),
                })
                .collect(),
        }),
        pim::Message::Assert(assert) => Message::Assert(Assert {
            group: assert.group,
            source: (!assert.source.is_unspecified()).then_some(assert.source),
            rpt: assert.rpt,
            metric_preference: assert.metric_preference,
            metric: assert.metric,
        }),
    }
}

/// Puts the frame of a message into `buffer`, which is made as long as the frame.
///
/// # Errors
///
/// [`Error::TooLong`] for what no packet holds, which the core does not ask for.
pub(super) fn frame(
    message: &Message,
    mac: [u8; 6],
    vlan: u16,
    source: Ipv4Addr,
    buffer: &mut Vec<u8>,
) -> Result<(), Error> {
    match message {
        Message::Hello(hello) => emit(
            emit::pim::Message::Hello(emit::pim::Hello {
                holdtime: hello.hold_time,
                lan_prune_delay: hello.lan_prune_delay.map(|delay| pim::LanPruneDelay {
                    tracking: delay.tracking,
                    propagation_delay: delay.propagation_delay,
                    override_interval: delay.override_interval,
                }),
                dr_priority: hello.dr_priority,
                generation_id: hello.generation_id,
                secondary_addresses: &hello.secondary_addresses,
            }),
            mac,
            vlan,
            source,
            buffer,
        ),
        Message::JoinPrune(join_prune) => {
            let entries: Vec<[Vec<Entry>; 2]> = join_prune
                .groups
                .iter()
                .map(|group| [&group.joins, &group.prunes].map(|list| list.iter().copied().map(entry).collect()))
                .collect();
            let sets: Vec<emit::pim::GroupSet<'_>> = join_prune
                .groups
                .iter()
                .zip(&entries)
                .map(|(group, [joins, prunes])| emit::pim::GroupSet {
                    group: group.group,
                    joins,
                    prunes,
                })
                .collect();
            emit(
                emit::pim::Message::JoinPrune(emit::pim::JoinPrune {
                    upstream_neighbor: join_prune.upstream_neighbor,
                    holdtime: join_prune.hold_time,
                    sets: &sets,
                }),
                mac,
                vlan,
                source,
                buffer,
            )
        }
        Message::Assert(assert) => emit(
            emit::pim::Message::Assert(pim::Assert {
                group: assert.group,
                source: assert.source.unwrap_or(Ipv4Addr::UNSPECIFIED),
                rpt: assert.rpt,
                metric_preference: assert.metric_preference,
                metric: assert.metric,
            }),
            mac,
            vlan,
            source,
            buffer,
        ),
    }
}

fn emit(
    message: emit::pim::Message<'_>,
    mac: [u8; 6],
    vlan: u16,
    source: Ipv4Addr,
    buffer: &mut Vec<u8>,
) -> Result<(), Error> {
    let frame = emit::pim::Frame {
        source_mac: mac,
        vlan: if vlan == 0 {
            Vlan::Untagged
        } else {
            Vlan::Tagged(vlan)
        },
        source,
        identification: 0,
        message,
    };
    buffer.clear();
    // A length that no packet has is refused by `emit`, so nothing is allocated for it.
    buffer.resize(frame.buffer_len().min(usize::from(u16::MAX) + 32), 0);
    let len = frame.emit(buffer)?;
    buffer.truncate(len);
    Ok(())
}

const fn target(entry: Entry) -> Target {
    match entry {
        Entry::StarG(rp) => Target::AnySource { rp },
        Entry::Sg(source) => Target::Source(source),
        Entry::SgRpt(source) => Target::SourceRpt(source),
    }
}

const fn entry(target: Target) -> Entry {
    match target {
        Target::AnySource { rp } => Entry::StarG(rp),
        Target::Source(source) => Entry::Sg(source),
        Target::SourceRpt(source) => Entry::SgRpt(source),
    }
}
