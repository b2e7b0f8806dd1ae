//! A second decoder of PIM, written from RFC 7761 §4.9 alone, that allocates and reads byte by byte.

use std::{collections::VecDeque, net::Ipv4Addr};

use igmp_wire::pim::{self, Entry, Refusal};

use crate::build::checksum;

/// A list of joined or pruned sources: the three bits, and the address.
pub(super) type List = Vec<(u8, Ipv4Addr)>;

/// A message with everything in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    Hello {
        holdtime: Option<u16>,
        lan_prune_delay: Option<(bool, u16, u16)>,
        dr_priority: Option<u32>,
        generation_id: Option<u32>,
        secondary_addresses: Vec<Ipv4Addr>,
    },
    JoinPrune {
        upstream_neighbor: Ipv4Addr,
        holdtime: u16,
        sets: Vec<(Ipv4Addr, List, List)>,
        skipped: u32,
    },
    Assert {
        group: Ipv4Addr,
        source: Ipv4Addr,
        rpt: bool,
        metric_preference: u32,
        metric: u32,
    },
}

/// The three bits of an entry, and its address.
pub(super) fn bits(entry: Entry) -> (u8, Ipv4Addr) {
    match entry {
        Entry::StarG(rp) => (7, rp),
        Entry::Sg(source) => (4, source),
        Entry::SgRpt(source) => (5, source),
    }
}

/// The crate's answer in the words of the model.
pub(super) fn answer(packet: &[u8]) -> Result<(Ipv4Addr, Decoded), Refusal> {
    let received = pim::open(packet)?;
    let decoded = match received.message {
        pim::Message::Hello(hello) => Decoded::Hello {
            holdtime: hello.holdtime,
            lan_prune_delay: hello
                .lan_prune_delay
                .map(|delay| (delay.tracking, delay.propagation_delay, delay.override_interval)),
            dr_priority: hello.dr_priority,
            generation_id: hello.generation_id,
            secondary_addresses: hello.secondary_addresses().collect(),
        },
        pim::Message::JoinPrune(message) => Decoded::JoinPrune {
            upstream_neighbor: message.upstream_neighbor,
            holdtime: message.holdtime,
            sets: message
                .groups()
                .map(|set| {
                    let list = |entries: pim::Entries<'_>| entries.map(bits).collect();
                    (set.group, list(set.joins()), list(set.prunes()))
                })
                .collect(),
            skipped: message.skipped,
        },
        pim::Message::Assert(assert) => Decoded::Assert {
            group: assert.group,
            source: assert.source,
            rpt: assert.rpt,
            metric_preference: assert.metric_preference,
            metric: assert.metric,
        },
    };
    Ok((received.source, decoded))
}

/// What the rules say to a packet.
pub(super) fn open(packet: &[u8]) -> Result<(Ipv4Addr, Decoded), Refusal> {
    if packet.len() < 20 {
        return Err(Refusal::TooShort);
    }
    let word = |at: usize| usize::from(packet[at]) * 256 + usize::from(packet[at + 1]);
    let (words, total) = (usize::from(packet[0] % 16), word(2));
    let is_fragment = word(6) % 0x4000 != 0;
    if packet[0] / 16 != 4 || words < 5 || total < words * 4 || is_fragment || packet[9] != 103 {
        return Err(Refusal::Malformed);
    }
    if total > packet.len() || total < words * 4 + 4 {
        return Err(Refusal::TooShort);
    }
    let message = &packet[words * 4..total];
    let address = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
    let (source, destination) = (address(12), address(16));
    let message_type = message[0] % 16;
    if message[0] / 16 != 2 {
        return Err(Refusal::Version);
    }
    if ![0, 3, 5].contains(&message_type) {
        return Err(Refusal::UnsupportedType);
    }
    if destination.to_string() != "224.0.0.13" {
        return Err(Refusal::Destination);
    }
    if !is_router(source) {
        return Err(Refusal::Source);
    }
    if checksum(message) != 0 {
        return Err(Refusal::Checksum);
    }
    let mut bytes = Bytes(message[4..].iter().copied().collect());
    let decoded = match message_type {
        0 => hello(&mut bytes, source),
        3 => join_prune(&mut bytes),
        _ => assert(&mut bytes),
    };
    match decoded {
        Some(decoded) if bytes.0.is_empty() => Ok((source, decoded)),
        _ => Err(Refusal::Malformed),
    }
}

fn is_router(address: Ipv4Addr) -> bool {
    !matches!(address.octets()[0], 0 | 127 | 224..)
}

fn is_group(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    (224..240).contains(&a) && (a, b, c) != (224, 0, 0)
}

/// The bytes that are left. What cannot be read is `None`.
struct Bytes(VecDeque<u8>);

impl Bytes {
    fn byte(&mut self) -> Option<u8> {
        self.0.pop_front()
    }

    fn word(&mut self) -> Option<u16> {
        Some(u16::from(self.byte()?) * 256 + u16::from(self.byte()?))
    }

    fn long(&mut self) -> Option<u32> {
        Some(u32::from(self.word()?) * 65_536 + u32::from(self.word()?))
    }

    fn part(&mut self, len: u16) -> Option<Self> {
        (0..len).map(|_| self.byte()).collect::<Option<_>>().map(Self)
    }

    /// What stands between the encoding and the address, `extra` bytes, and the address. The inner `None` is IPv6.
    fn encoded(&mut self, extra: u16) -> Option<(Vec<u8>, Option<Ipv4Addr>)> {
        let kind = (self.byte()?, self.byte()?);
        let extra = self.part(extra)?.0.into();
        match kind {
            (1, 0) => Some((extra, Some(Ipv4Addr::from(self.long()?)))),
            (2, 0) => {
                self.part(16)?;
                Some((extra, None))
            }
            _ => None,
        }
    }

    fn group(&mut self) -> Option<Option<Ipv4Addr>> {
        let (extra, address) = self.encoded(2)?;
        Some(address.filter(|address| extra[1] == 32 && is_group(*address)))
    }

    /// So many entries: those that count, and how many do not.
    fn list(&mut self, count: u16) -> Option<(List, u32)> {
        let mut list = (List::new(), 0);
        for _ in 0..count {
            let (extra, address) = self.encoded(2)?;
            let bits = extra[0] % 8;
            match address {
                Some(address) if extra[1] == 32 && is_router(address) && [4, 5, 7].contains(&bits) => {
                    list.0.push((bits, address));
                }
                _ => list.1 += 1,
            }
        }
        Some(list)
    }
}

fn hello(bytes: &mut Bytes, source: Ipv4Addr) -> Option<Decoded> {
    let (mut time, mut delay, mut priority, mut generation) = (None, None, None, None);
    let mut addresses = Vec::new();
    while !bytes.0.is_empty() {
        let (kind, len) = (bytes.word()?, bytes.word()?);
        let mut value = bytes.part(len)?;
        match kind {
            1 => time = Some(value.word()?),
            2 => {
                let (first, second) = (value.word()?, value.word()?);
                delay = Some((first >= 0x8000, first % 0x8000, second));
            }
            19 => priority = Some(value.long()?),
            20 => generation = Some(value.long()?),
            24 => {
                while !value.0.is_empty() {
                    addresses.extend(value.encoded(0)?.1);
                }
            }
            _ => value.0.clear(),
        }
        if !value.0.is_empty() {
            return None;
        }
    }
    addresses.retain(|address| is_router(*address) && *address != source);
    Some(Decoded::Hello {
        holdtime: time,
        lan_prune_delay: delay,
        dr_priority: priority,
        generation_id: generation,
        secondary_addresses: addresses,
    })
}

fn join_prune(bytes: &mut Bytes) -> Option<Decoded> {
    let (_, upstream) = bytes.encoded(0)?;
    let upstream_neighbor = upstream.filter(|address| is_router(*address))?;
    let count = bytes.word()? % 256;
    let holdtime = bytes.word()?;
    let (mut sets, mut skipped) = (Vec::new(), 0);
    for _ in 0..count {
        let group = bytes.group()?;
        let (joins, prunes) = (bytes.word()?, bytes.word()?);
        let (joins, skipped_joins) = bytes.list(joins)?;
        let (prunes, skipped_prunes) = bytes.list(prunes)?;
        match group {
            Some(group) => {
                skipped += skipped_joins + skipped_prunes;
                sets.push((group, joins, prunes));
            }
            None => skipped += 1,
        }
    }
    Some(Decoded::JoinPrune {
        upstream_neighbor,
        holdtime,
        sets,
        skipped,
    })
}

fn assert(bytes: &mut Bytes) -> Option<Decoded> {
    let group = bytes.group()??;
    let (_, source) = bytes.encoded(0)?;
    let source = source?;
    let preference = bytes.long()?;
    let rpt = preference >= 0x8000_0000;
    let is_absent = rpt && source.octets() == [0; 4];
    if !is_router(source) && !is_absent {
        return None;
    }
    Some(Decoded::Assert {
        group,
        source,
        rpt,
        metric_preference: preference % 0x8000_0000,
        metric: bytes.long()?,
    })
}
