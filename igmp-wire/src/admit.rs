//! The order in which a packet is judged.
//!
//! The XDP program and user space call the same functions, so they accept and refuse the same packets for the same
//! reasons. The order is fixed because a packet is counted under the first reason that applies:
//!
//! | | what must hold | else |
//! |---|---|---|
//! | 1 | the IPv4 header is there, is one, and the frame holds the packet | [`TooShort`](Refusal::TooShort), [`Malformed`](Refusal::Malformed) |
//! | 2 | it is no fragment | [`Fragment`](Refusal::Fragment) |
//! | 3 | the payload has 8 bytes | [`TooShort`](Refusal::TooShort) |
//! | 4 | the checksums of header and payload are right | [`Checksum`](Refusal::Checksum) |
//! | 5 | TTL is 1 | [`Ttl`](Refusal::Ttl) |
//! | 6 | the type is known to the interface, a query has the length of one | [`UnknownType`](Refusal::UnknownType), [`Malformed`](Refusal::Malformed) |
//! | 7 | Router Alert is there, where it is required | [`RouterAlert`](Refusal::RouterAlert) |
//! | 8 | the source may send this | [`Source`](Refusal::Source) |
//! | 9 | to a host, a General Query comes by 224.0.0.1 | [`Group`](Refusal::Group) |
//! | 10 | the counts in the message fit its length | [`Malformed`](Refusal::Malformed) |
//! | 11 | the group is one | [`Group`](Refusal::Group), [`SsmRange`](Refusal::SsmRange) |
//!
//! Of a version 3 report, step 10 is [`fits`] and step 11 is [`judge_record`] for each record. Where the interface has a host
//! side ([`InterfaceFlags::HOST`]), nobody looks at version 3 reports beyond step 8.
//!
//! To a router the IP destination is not among them. It has to accept queries and reports that are sent to any address of
//! its interface, unicast or multicast (RFC 9776 §4.1.12 and §4.2.15), and what is sent to the address of somebody else
//! is not the router's to refuse. Which of the two it is, and what then becomes of the frame, is left to the caller:
//! [`Admission::destination`] says where the packet goes.

use core::net::Ipv4Addr;

use crate::{
    Packet, Refusal,
    abi::{Change, InterfaceConfig, InterfaceFlags},
    address, checksum,
    ethernet::{self, Vlan},
    igmp::{Kind, MIN_MESSAGE_LEN, Query, Record, RecordKind, RecordWalk, query},
    ipv4,
    packet::{Turn, Walk},
};

/// Where an IGMP packet was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The VLAN of the frame.
    pub vlan: Vlan,
    /// Where the IPv4 header begins, in bytes from the start of the frame.
    pub ip: usize,
}

/// What a frame of IPv4 carries, as far as it takes to tell whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Where the packet is.
    pub envelope: Envelope,
    /// Protocol number of the payload; 0 where the frame is too short for an IPv4 header or the version is another.
    pub protocol: u8,
    /// IP destination; 0.0.0.0 under the same conditions.
    pub destination: Ipv4Addr,
}

/// Opens a frame. `None` where it is not IPv4. With as little work as possible: most frames are neither IGMP nor
/// multicast.
#[inline(always)]
pub fn open<P: Packet>(packet: &P) -> Option<Content> {
    let link = ethernet::parse(packet)?;
    if link.ethertype != ethernet::ETHERTYPE_IPV4 {
        return None;
    }
    let (protocol, destination) = ipv4::content(packet, link.payload).unwrap_or((0, Ipv4Addr::UNSPECIFIED));
    Some(Content {
        envelope: Envelope {
            vlan: link.vlan,
            ip: packet.forget(link.payload),
        },
        protocol,
        destination,
    })
}

/// Finds out whether a frame is IGMP over IPv4.
#[inline]
pub fn envelope<P: Packet>(packet: &P) -> Option<Envelope> {
    let content = open(packet)?;
    (content.protocol == ipv4::PROTOCOL_IGMP).then_some(content.envelope)
}

/// A message that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A query of another router.
    Query(Query),
    /// A version 1 or 2 report, or a Leave.
    Group {
        /// Which of them.
        kind: Kind,
        /// The group; in 224.0.0.0/24 it makes no state.
        group: Ipv4Addr,
    },
    /// A version 3 report whose records are all within the message.
    Report(RecordWalk),
}

/// What a packet is, and whether all that is common to messages is right with it.
///
/// Every field always has a value, also where the packet was refused: the verifier does not accept a value that is only
/// sometimes there, which an enum with contents becomes when it is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What the packet is, as far as it could be told. It is counted as that, whatever the outcome.
    pub kind: Option<Kind>,
    /// IP source of the packet; 0.0.0.0 where the header was unreadable.
    pub source: Ipv4Addr,
    /// IP destination of the packet; 0.0.0.0 where the header was unreadable.
    pub destination: Ipv4Addr,
    /// Where the message begins in the frame, in bytes.
    pub offset: usize,
    /// Length of the message in bytes.
    pub len: usize,
    /// The group in the message's second word, where its type has one there.
    pub group: Ipv4Addr,
    /// Why the packet is refused, if it is.
    pub refusal: Option<Refusal>,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// What the packet is, as far as it could be told. It is counted as that, whatever the outcome.
    pub kind: Option<Kind>,
    /// IP source of the packet; 0.0.0.0 where the header was unreadable.
    pub source: Ipv4Addr,
    /// IP destination of the packet; 0.0.0.0 where the header was unreadable.
    pub destination: Ipv4Addr,
    /// The message, or why it was refused.
    pub outcome: Result<Message, Refusal>,
}

/// Judges the IGMP packet whose IPv4 header is at `ip`, in a frame of `frame_len` bytes that was received on an
/// interface with this configuration. The destination of the packet is not judged; see the [module](self).
///
/// A version 3 report is still to be walked to see whether its records fit: see [`fits`].
pub fn admit<P: Packet>(packet: &P, ip: usize, frame_len: usize, config: &InterfaceConfig) -> Admission {
    let Judgement {
        kind,
        source,
        destination,
        offset,
        len,
        group,
        refusal,
    } = judge(packet, ip, frame_len, config);
    let message = |kind| match kind {
        Kind::QueryV1 | Kind::QueryV2 | Kind::QueryV3 => {
            judge_destination(kind, group, destination, config)?;
            query::parse(packet, kind, offset, len).map(Message::Query)
        }
        Kind::ReportV1 | Kind::ReportV2 | Kind::Leave => {
            judge_old_group(group).map(|()| Message::Group { kind, group })
        }
        Kind::ReportV3 => RecordWalk::new(packet, offset, len).map(Message::Report),
    };
    let outcome = match (refusal, kind) {
        (Some(refusal), _) => Err(refusal),
        (None, Some(kind)) => message(kind),
        (None, None) => Err(Refusal::UnknownType),
    };
    Admission {
        kind,
        source,
        destination,
        outcome,
    }
}

/// The first part of [`admit`]: all that is judged before the message itself is read. The XDP program uses it alone and
/// reads each kind of message where it handles it.
#[inline(always)]
pub fn judge<P: Packet>(packet: &P, ip: usize, frame_len: usize, config: &InterfaceConfig) -> Judgement {
    let mut judgement = Judgement {
        kind: None,
        source: Ipv4Addr::UNSPECIFIED,
        destination: Ipv4Addr::UNSPECIFIED,
        offset: 0,
        len: 0,
        group: Ipv4Addr::UNSPECIFIED,
        refusal: None,
    };
    let header = match ipv4::parse(packet, ip, frame_len) {
        Ok(header) => header,
        Err(refusal) => {
            judgement.refusal = Some(refusal);
            return judgement;
        }
    };
    judgement.source = header.source;
    judgement.destination = header.destination;
    judgement.offset = packet.forget(header.payload());
    judgement.len = packet.forget(header.payload_len);
    judgement.refusal = judge_header(packet, &header, config, &mut judgement).err();
    judgement
}

#[inline(always)]
fn judge_header<P: Packet>(
    packet: &P,
    header: &ipv4::Header,
    config: &InterfaceConfig,
    judgement: &mut Judgement,
) -> Result<(), Refusal> {
    if header.fragment {
        return Err(Refusal::Fragment);
    }
    let (offset, len) = (judgement.offset, judgement.len);
    if len < MIN_MESSAGE_LEN {
        return Err(Refusal::TooShort);
    }
    let [message_type, code, _, _, a, b, c, d] =
        packet.read::<MIN_MESSAGE_LEN>(offset).ok_or(Refusal::TooShort)?;
    // The kind comes after the sums because the verifier follows all that comes behind it once for each kind.
    let header_sum =
        checksum::sum_within(packet, header.offset, header.header_len).ok_or(Refusal::TooShort)?;
    let payload_sum = checksum::sum_within(packet, offset, len).ok_or(Refusal::TooShort)?;
    judgement.kind = Kind::of(message_type, code, len);
    judgement.group = Ipv4Addr::new(a, b, c, d);
    if !checksum::valid(header_sum) || !checksum::valid(payload_sum) {
        return Err(Refusal::Checksum);
    }
    if header.ttl != 1 {
        return Err(Refusal::Ttl);
    }
    let Some(kind) = judgement.kind else {
        // A query of 9 to 11 bytes is of no version (RFC 9776 §7.1); any other type is not ours.
        let is_query = message_type == crate::igmp::message::TYPE_QUERY;
        return Err(if is_query {
            Refusal::Malformed
        } else {
            Refusal::UnknownType
        });
    };
    if kind == Kind::ReportV3 && config.version < 3 {
        // To a version 1 or 2 router a version 3 report is an unknown type, which it ignores (RFC 2236 §2.1).
        return Err(Refusal::UnknownType);
    }
    if config.has(InterfaceFlags::REQUIRE_ROUTER_ALERT)
        && kind.carries_router_alert()
        && !ipv4::has_router_alert(packet, header)
    {
        return Err(Refusal::RouterAlert);
    }
    if !source_is_plausible(header.source, kind, config) {
        return Err(Refusal::Source);
    }
    Ok(())
}

/// Whether a packet may come from `source`.
///
/// 0.0.0.0 is right for hosts that have no address yet (RFC 9776 §4.2.14) and for snooping switches that query without
/// being queriers (RFC 4541 §2.1.1). A query from outside the interface's networks is refused always: the lowest
/// address becomes querier, so a forged one would silence the real querier. To a host it does not matter who asks, and
/// upstream it may be a router with an address of another network.
#[inline(always)]
fn source_is_plausible(source: Ipv4Addr, kind: Kind, config: &InterfaceConfig) -> bool {
    if source.is_unspecified() {
        return true;
    }
    let bits = source.to_bits();
    if !address::is_unicast(source) || config.is_own(bits) {
        return false;
    }
    let is_election = kind.is_query() && !config.has(InterfaceFlags::HOST);
    let verify = is_election || config.has(InterfaceFlags::VERIFY_SOURCE_SUBNET);
    !verify || config.prefix_count == 0 || config.is_on_link(bits)
}

/// Judges the group that a report names. `any_source` says that the report asks for every source of it.
///
/// # Errors
///
/// [`Refusal::Group`] for what is not multicast and for 224.0.0.1, [`Refusal::SsmRange`] for an any-source report in
/// 232.0.0.0/8.
#[inline(always)]
pub fn judge_group(group: Ipv4Addr, any_source: bool) -> Result<(), Refusal> {
    if !address::is_multicast(group) || group.to_bits() == address::ALL_SYSTEMS.to_bits() {
        return Err(Refusal::Group);
    }
    if any_source && address::is_ssm(group) {
        return Err(Refusal::SsmRange);
    }
    Ok(())
}

/// Judges where a query came by. `group` is what its second word says. A host ignores General Queries to other groups
/// than that of all systems (RFC 9776 §9.1), with which anybody could have it answer unnoticed by the querier. One to
/// the host's own address is accepted (§4.1.12), and a router accepts any.
///
/// # Errors
///
/// [`Refusal::Group`].
#[inline(always)]
pub fn judge_destination(
    kind: Kind,
    group: Ipv4Addr,
    destination: Ipv4Addr,
    config: &InterfaceConfig,
) -> Result<(), Refusal> {
    let is_general = kind == Kind::QueryV1 || group.is_unspecified();
    let is_elsewhere =
        address::is_multicast(destination) && destination.to_bits() != address::ALL_SYSTEMS.to_bits();
    if config.has(InterfaceFlags::HOST) && is_elsewhere && is_general {
        return Err(Refusal::Group);
    }
    Ok(())
}

/// Judges the group of a version 1 or 2 report or a Leave. Those versions cannot name sources, so nothing they say
/// counts in the source-specific range (RFC 4604 §3.5 and §3.7).
///
/// # Errors
///
/// See [`judge_group`].
#[inline(always)]
pub fn judge_old_group(group: Ipv4Addr) -> Result<(), Refusal> {
    judge_group(group, true)
}

/// Judges one record of a version 3 report. `Ok` is what the record changes; unknown types (RFC 9776 §4.2.13) and
/// groups of 224.0.0.0/24 change nothing.
///
/// # Errors
///
/// See [`judge_group`]. The other records of the report are processed nevertheless (RFC 4604 §3.1).
#[inline(always)]
pub fn judge_record(record: &Record) -> Result<Change, Refusal> {
    let Some(kind) = RecordKind::from_code(record.code) else {
        return Ok(Change::Nothing);
    };
    let any_source = matches!(kind, RecordKind::IsExclude | RecordKind::ToExclude);
    judge_group(record.group, any_source)?;
    if address::is_link_local_group(record.group) {
        return Ok(Change::Nothing);
    }
    Ok(Change::of_record(kind, record.source_count))
}

/// Walks a version 3 report to its end without doing anything, so that one whose records do not fit is refused before
/// any of them has changed state.
///
/// # Errors
///
/// [`Refusal::Malformed`] where a record does not fit.
#[inline(always)]
pub fn fits<P: Packet>(packet: &P, records: &RecordWalk) -> Result<(), Refusal> {
    let mut fitting = Fitting {
        records: *records,
        failed: 0,
    };
    packet.repeat(u32::from(records.remaining()), &mut fitting);
    if fitting.failed != 0 {
        Err(Refusal::Malformed)
    } else {
        Ok(())
    }
}

/// A walk over records that only looks whether they fit.
struct Fitting {
    records: RecordWalk,
    failed: u32,
}

impl<P: Packet> Walk<P> for Fitting {
    #[inline(always)]
    fn turn(&mut self, _index: u32, packet: &P) -> Turn {
        match self.records.next(packet) {
            Ok(Some(_)) => Turn::More,
            Ok(None) => Turn::Done,
            Err(_) => {
                self.failed = 1;
                Turn::Done
            }
        }
    }
}
