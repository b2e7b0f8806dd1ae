//! Messages of the network as the core has them, and messages of the core as frames.

use std::{io, net::Ipv4Addr};

use igmp_core::pim::{Assert, Hello, JoinPrune, JoinPruneGroup, LanPruneDelay, Message, Target};
use igmp_wire::{
    emit,
    ethernet::Vlan,
    ipv4::MIN_HEADER_LEN,
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

/// Where messages of an interface leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// Index of the interface that frames leave through.
    pub(super) ifindex: u32,
    /// VLAN ID of their tag, 0 for none.
    pub(super) vlan: u16,
    /// Their Ethernet source address.
    pub(super) mac: [u8; 6],
    /// The MTU in bytes.
    pub(super) mtu: u32,
}

impl Way {
    /// Makes the frames of a message from an address, one after the other in `buffer`, and has each sent. There is one, unless a Join/Prune is
    /// longer than the MTU, which the core does not ask for.
    ///
    /// # Errors
    ///
    /// The first error of `send`, or that a message is longer than any packet.
    pub(super) fn frames(
        &self,
        source: Ipv4Addr,
        message: &Message,
        buffer: &mut Vec<u8>,
        send: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        match message {
            Message::Hello(hello) => {
                let hello = emit::pim::Hello {
                    holdtime: hello.hold_time,
                    lan_prune_delay: hello.lan_prune_delay.map(|delay| pim::LanPruneDelay {
                        tracking: delay.tracking,
                        propagation_delay: delay.propagation_delay,
                        override_interval: delay.override_interval,
                    }),
                    dr_priority: hello.dr_priority,
                    generation_id: hello.generation_id,
                    secondary_addresses: &hello.secondary_addresses,
                };
                send(self.frame(source, emit::pim::Message::Hello(hello), buffer)?)
            }
            Message::JoinPrune(join_prune) => self.join_prune(source, join_prune, buffer, send),
            Message::Assert(assert) => {
                let assert = pim::Assert {
                    group: assert.group,
                    source: assert.source.unwrap_or(Ipv4Addr::UNSPECIFIED),
                    rpt: assert.rpt,
                    metric_preference: assert.metric_preference,
                    metric: assert.metric,
                };
                send(self.frame(source, emit::pim::Message::Assert(assert), buffer)?)
            }
        }
    }

    fn join_prune(
        &self,
        source: Ipv4Addr,
        message: &JoinPrune,
        buffer: &mut Vec<u8>,
        send: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let entries = |list: &[Target]| -> Vec<Entry> { list.iter().copied().map(entry).collect() };
        let lists: Vec<(Ipv4Addr, Vec<Entry>, Vec<Entry>)> = message
            .groups
            .iter()
            .map(|group| (group.group, entries(&group.joins), entries(&group.prunes)))
            .collect();
        let sets: Vec<emit::pim::GroupSet<'_>> = lists
            .iter()
            .map(|(group, joins, prunes)| emit::pim::GroupSet {
                group: *group,
                joins,
                prunes,
            })
            .collect();
        let max_len = (self.mtu as usize).saturating_sub(MIN_HEADER_LEN);
        for part in emit::pim::JoinPrune::pack(message.upstream_neighbor, message.hold_time, &sets, max_len) {
            send(self.frame(source, emit::pim::Message::JoinPrune(part), buffer)?)?;
        }
        Ok(())
    }

    /// Puts the frame of a message into `buffer`, which is made as long as the frame.
    fn frame<'a>(
        &self,
        source: Ipv4Addr,
        message: emit::pim::Message<'_>,
        buffer: &'a mut Vec<u8>,
    ) -> io::Result<&'a [u8]> {
        let frame = emit::pim::Frame {
            source_mac: self.mac,
            vlan: if self.vlan == 0 {
                Vlan::Untagged
            } else {
                Vlan::Tagged(self.vlan)
            },
            source,
            identification: 0,
            message,
        };
        buffer.clear();
        // A length that no packet has is refused by `emit`, so nothing is allocated for it.
        buffer.resize(frame.buffer_len().min(usize::from(u16::MAX) + 32), 0);
        let len = frame.emit(buffer).map_err(io::Error::other)?;
        buffer.truncate(len);
        Ok(buffer)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
    const RP: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);
    const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

    const WAY: Way = Way {
        ifindex: 4,
        vlan: 0,
        mac: [2, 0, 0, 0, 0, 1],
        mtu: 1_500,
    };
    const SELF: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    fn frames(way: Way, message: &Message) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut buffer = vec![0xa5; 3];
        way.frames(SELF, message, &mut buffer, &mut |frame| {
            frames.push(frame.to_vec());
            Ok(())
        })
        .expect("fits");
        frames
    }

    /// What a message is once it was sent and received.
    fn there_and_back(message: &Message) -> Message {
        let frames = frames(WAY, message);
        assert_eq!(frames.len(), 1);
        let received = pim::open(&frames[0][14..]).expect("in order");
        assert_eq!(received.source, SELF);
        from_wire(&received.message)
    }

    #[test]
    fn nothing_is_lost_on_the_way() {
        for message in [
            Message::Hello(Hello {
                hold_time: Some(105),
                lan_prune_delay: Some(LanPruneDelay {
                    tracking: true,
                    propagation_delay: 500,
                    override_interval: 2_500,
                }),
                dr_priority: Some(7),
                generation_id: Some(0x1234_5678),
                secondary_addresses: vec![Ipv4Addr::new(10, 0, 0, 99)],
            }),
            Message::JoinPrune(JoinPrune {
                upstream_neighbor: Ipv4Addr::new(10, 0, 0, 1),
                hold_time: 210,
                groups: vec![JoinPruneGroup {
                    group: GROUP,
                    joins: vec![Target::AnySource { rp: RP }, Target::Source(SOURCE)],
                    prunes: vec![Target::SourceRpt(SOURCE)],
                }],
            }),
            Message::Assert(Assert {
                group: GROUP,
                source: Some(SOURCE),
                rpt: false,
                metric_preference: 110,
                metric: 20,
            }),
            Message::Assert(Assert {
                group: GROUP,
                source: None,
                rpt: true,
                metric_preference: 110,
                metric: 20,
            }),
        ] {
            assert_eq!(there_and_back(&message), message);
        }
    }

    // RFC 7761 §4.9: to 224.0.0.13, with a TTL of 1. The type of service is that of routing protocols (RFC 791).
    #[test]
    fn a_frame_is_addressed_as_the_rfc_says() {
        let message = Message::Hello(Hello::default());
        let [frame] = &frames(WAY, &message)[..] else {
            panic!("one frame");
        };
        assert_eq!(frame[..14], [1, 0, 0x5e, 0, 0, 13, 2, 0, 0, 0, 0, 1, 8, 0]);
        assert_eq!((frame[15], frame[22], frame[23]), (0xc0, 1, 103));
        assert_eq!(frame[26..34], [10, 0, 0, 2, 224, 0, 0, 13]);
        let tagged = frames(Way { vlan: 7, ..WAY }, &message);
        assert_eq!(tagged[0][12..18], [0x81, 0, 0, 7, 8, 0]);
    }

    #[test]
    fn no_packet_is_longer_than_the_mtu() {
        let groups: Vec<JoinPruneGroup> = (0..200)
            .map(|host| JoinPruneGroup {
                group: Ipv4Addr::new(239, 1, 1, host),
                joins: vec![Target::AnySource { rp: RP }],
                prunes: vec![],
            })
            .collect();
        let message = Message::JoinPrune(JoinPrune {
            upstream_neighbor: Ipv4Addr::new(10, 0, 0, 1),
            hold_time: 210,
            groups: groups.clone(),
        });
        let frames = frames(WAY, &message);
        assert!(frames.len() > 1 && frames.iter().all(|frame| frame.len() <= 14 + 1_500));
        let received: Vec<JoinPruneGroup> = frames
            .iter()
            .flat_map(
                |frame| match from_wire(&pim::open(&frame[14..]).expect("in order").message) {
                    Message::JoinPrune(part) => part.groups,
                    _ => panic!("a Join/Prune"),
                },
            )
            .collect();
        assert_eq!(received, groups);
    }
}
