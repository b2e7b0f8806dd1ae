//! A second, naive implementation of the admission rules, over whole slices and in the documented order. It shares
//! nothing with the crate but the names of kinds and refusals.

use std::net::Ipv4Addr;

use igmp_wire::{
    Refusal,
    abi::{InterfaceConfig, InterfaceFlags},
    igmp::Kind,
};

use crate::build::checksum;

/// What became of a frame; `None` if it is not IGMP over IPv4.
pub(crate) type Verdict = Option<(Option<Kind>, Result<(), Refusal>)>;

fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1])
}

fn address(bytes: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3])
}

pub(crate) fn verdict(frame: &[u8], config: &InterfaceConfig) -> Verdict {
    let mut ip = 14;
    for _ in 0..2 {
        if frame.len() < ip {
            return None;
        }
        if [0x8100, 0x88a8].contains(&word(frame, ip - 2)) {
            ip += 4;
        }
    }
    if frame.len() < ip + 20 || word(frame, ip - 2) != 0x0800 {
        return None;
    }
    let packet = &frame[ip..];
    if packet[0] >> 4 != 4 || packet[9] != 2 {
        return None;
    }
    let (header_len, total_len) = (usize::from(packet[0] & 15) * 4, word(packet, 2));
    if header_len < 20 || total_len < header_len {
        return Some((None, Err(Refusal::Malformed)));
    }
    if packet.len() < total_len {
        return Some((None, Err(Refusal::TooShort)));
    }
    if ip + total_len > 9_022 {
        return Some((None, Err(Refusal::Malformed)));
    }
    if packet[6] & 0x20 != 0 || word(packet, 6) & 0x1fff != 0 {
        return Some((None, Err(Refusal::Fragment)));
    }
    let (header, message) = packet[..total_len].split_at(header_len);
    if message.len() < 8 {
        return Some((None, Err(Refusal::TooShort)));
    }
    let kind = kind(message);
    Some((kind, judge(header, message, kind, config)))
}

fn kind(message: &[u8]) -> Option<Kind> {
    match (message[0], message.len(), message[1]) {
        (0x11, 8, 0) => Some(Kind::QueryV1),
        (0x11, 8, _) => Some(Kind::QueryV2),
        (0x11, 12.., _) => Some(Kind::QueryV3),
        (0x12, ..) => Some(Kind::ReportV1),
        (0x16, ..) => Some(Kind::ReportV2),
        (0x17, ..) => Some(Kind::Leave),
        (0x22, ..) => Some(Kind::ReportV3),
        _ => None,
    }
}

fn judge(header: &[u8], message: &[u8], kind: Option<Kind>, config: &InterfaceConfig) -> Result<(), Refusal> {
    if checksum(header) != 0 || checksum(message) != 0 {
        return Err(Refusal::Checksum);
    }
    if header[8] != 1 {
        return Err(Refusal::Ttl);
    }
    let kind = match kind {
        None if message[0] == 0x11 => return Err(Refusal::Malformed),
        None => return Err(Refusal::UnknownType),
        Some(Kind::ReportV3) if config.version < 3 => return Err(Refusal::UnknownType),
        Some(kind) => kind,
    };
    let required = config.flags & InterfaceFlags::REQUIRE_ROUTER_ALERT != 0;
    if required && ![Kind::QueryV1, Kind::ReportV1].contains(&kind) && !router_alert(&header[20..]) {
        return Err(Refusal::RouterAlert);
    }
    let query = [Kind::QueryV1, Kind::QueryV2, Kind::QueryV3].contains(&kind);
    if !source(address(header, 12), query, config) {
        return Err(Refusal::Source);
    }
    let group = address(message, 4);
    let destination = address(header, 16);
    let elsewhere = destination.is_multicast() && destination != Ipv4Addr::new(224, 0, 0, 1);
    let general = kind == Kind::QueryV1 || query && group.is_unspecified();
    if config.flags & InterfaceFlags::HOST != 0 && elsewhere && general {
        return Err(Refusal::Group);
    }
    match kind {
        Kind::QueryV1 => Ok(()),
        Kind::QueryV2 | Kind::QueryV3 => {
            let sources = if kind == Kind::QueryV3 {
                word(message, 10)
            } else {
                0
            };
            if sources > 0 && message.len() - 12 < sources * 4 {
                return Err(Refusal::Malformed);
            }
            match group.is_unspecified() {
                true if sources > 0 => Err(Refusal::Malformed),
                false if !group.is_multicast() => Err(Refusal::Group),
                _ => Ok(()),
            }
        }
        Kind::ReportV1 | Kind::ReportV2 | Kind::Leave => {
            if !group.is_multicast() || group == Ipv4Addr::new(224, 0, 0, 1) {
                Err(Refusal::Group)
            } else if group.octets()[0] == 232 {
                Err(Refusal::SsmRange)
            } else {
                Ok(())
            }
        }
        Kind::ReportV3 => records(&message[8..], word(message, 6)),
    }
}

/// Whether all records are there.
fn records(mut rest: &[u8], count: usize) -> Result<(), Refusal> {
    for _ in 0..count {
        if rest.len() < 8 {
            return Err(Refusal::Malformed);
        }
        let len = 8 + 4 * (word(rest, 2) + usize::from(rest[1]));
        rest = rest.get(len..).ok_or(Refusal::Malformed)?;
    }
    Ok(())
}

/// Whether the options contain Router Alert.
fn router_alert(mut options: &[u8]) -> bool {
    loop {
        match options {
            [0x94, 4, _, _, ..] => return true,
            [1, rest @ ..] => options = rest,
            [] | [0, ..] | [_] | [0x94, ..] => return false,
            [_, len, ..] => match options.get(usize::from(*len)..) {
                Some(rest) if *len >= 2 => options = rest,
                _ => return false,
            },
        }
    }
}

fn source(source: Ipv4Addr, query: bool, config: &InterfaceConfig) -> bool {
    if source.is_unspecified() {
        return true;
    }
    if matches!(source.octets()[0], 0 | 127 | 224..) {
        return false;
    }
    let networks = &config.prefixes[..config.prefix_count as usize];
    if networks.iter().any(|network| network.address == source.to_bits()) {
        return false;
    }
    let host = config.flags & InterfaceFlags::HOST != 0;
    let verify = query && !host || config.flags & InterfaceFlags::VERIFY_SOURCE_SUBNET != 0;
    let on_link = networks
        .iter()
        .any(|network| network.address & network.mask == source.to_bits() & network.mask);
    !verify || networks.is_empty() || on_link
}

/// A packet of multicast data that is to be forwarded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Data {
    pub(crate) header_len: usize,
    pub(crate) total_len: usize,
    pub(crate) fragment: bool,
    pub(crate) complete_checksum: bool,
}

/// Judges the packet at the beginning of `bytes`.
pub(crate) fn data(bytes: &[u8], config: &InterfaceConfig) -> Result<Data, Refusal> {
    if bytes.len() < 20 {
        return Err(Refusal::TooShort);
    }
    let (header_len, total_len) = (usize::from(bytes[0] & 15) * 4, word(bytes, 2));
    if bytes[0] >> 4 != 4 || header_len < 20 || total_len < header_len {
        return Err(Refusal::Malformed);
    }
    let packet = bytes.get(..total_len).ok_or(Refusal::TooShort)?;
    if checksum(&packet[..header_len]) != 0 {
        return Err(Refusal::Checksum);
    }
    let from = address(packet, 12);
    let own = &config.prefixes[..config.prefix_count as usize];
    if matches!(from.octets()[0], 0 | 127 | 224..) || own.iter().any(|own| own.address == from.to_bits()) {
        return Err(Refusal::Source);
    }
    let fragment = packet[6] & 0x20 != 0 || word(packet, 6) & 0x1fff != 0;
    Ok(Data {
        header_len,
        total_len,
        fragment,
        complete_checksum: fragment || (packet[9] == 17 && complete_checksum(bytes, header_len)),
    })
}

/// Whether a UDP packet has a checksum, and that is not the sum of the pseudo header alone or is right all the same.
fn complete_checksum(bytes: &[u8], header_len: usize) -> bool {
    let Some(udp) = bytes.get(header_len..).filter(|udp| udp.len() >= 8) else {
        return false;
    };
    let pseudo = [&bytes[12..20], &[0, 17], &udp[4..6]].concat();
    let field = word(udp, 6);
    if field == 0 {
        return false;
    }
    if field != usize::from(!checksum(&pseudo)) {
        return true;
    }
    udp.get(..word(udp, 4))
        .is_some_and(|udp| checksum(&[&pseudo[..], udp].concat()) == 0)
}
