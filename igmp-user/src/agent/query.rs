//! Queries as frames.

use std::net::Ipv4Addr;

use igmp_core::SendQuery;
use igmp_wire::{
    emit::{Error, Frame, Message, Query, QueryTarget},
    ethernet::Vlan,
};

use crate::api::Sent;

/// Puts the frame of a query into `buffer`, which is made as long as the frame.
///
/// # Errors
///
/// [`Error::TooLong`] for more sources than a packet holds, which the core does not ask for.
pub(super) fn frame(
    query: &SendQuery,
    mac: [u8; 6],
    vlan: u16,
    source: Ipv4Addr,
    buffer: &mut Vec<u8>,
) -> Result<(), Error> {
    let max_response_time = query.max_response_time.as_deciseconds() as u32;
    let message = match query.version {
        1 => Query::V1,
        2 => Query::V2 {
            max_response_time,
            group: query.group,
        },
        _ => Query::V3 {
            max_response_time,
            suppress: query.suppress,
            qrv: query.qrv,
            // A part of a second cannot be said, and no second at all would say that there is no such interval. More is
            // what keeps the memberships of other routers.
            query_interval: query.query_interval.as_nanos().div_ceil(1_000_000_000) as u32,
            target: QueryTarget::new(query.group, &query.sources),
        },
    };
    let frame = Frame {
        source_mac: mac,
        vlan: if vlan == 0 {
            Vlan::Untagged
        } else {
            Vlan::Tagged(vlan)
        },
        source,
        identification: 0,
        message: Message::Query(message),
    };
    buffer.clear();
    // A length that no packet has is refused by `emit`, so nothing is allocated for it.
    buffer.resize(frame.buffer_len().min(usize::from(u16::MAX) + 32), 0);
    let len = frame.emit(buffer)?;
    buffer.truncate(len);
    Ok(())
}

/// Counts a query that was sent.
pub(super) fn count(sent: &mut Sent, query: &SendQuery) {
    sent.total += 1;
    *match (query.group, query.sources.is_empty()) {
        (None, _) => &mut sent.general_query,
        (Some(_), true) => &mut sent.group_query,
        (Some(_), false) => &mut sent.group_source_query,
    } += 1;
}

#[cfg(test)]
mod tests {
    use igmp_core::{Duration, InterfaceId};

    use super::*;

    fn query(version: u8, group: Option<Ipv4Addr>, sources: Vec<Ipv4Addr>) -> SendQuery {
        SendQuery {
            interface: InterfaceId(0),
            version,
            group,
            max_response_time: Duration::from_secs(10),
            suppress: false,
            qrv: 2,
            query_interval: Duration::from_secs(125),
            sources,
        }
    }

    /// IGMP of the frame, behind Ethernet and the IP header.
    fn message(query: &SendQuery, vlan: u16) -> (Vec<u8>, Vec<u8>) {
        let mut buffer = vec![0xa5; 3];
        frame(
            query,
            [2, 0, 0, 0, 0, 1],
            vlan,
            Ipv4Addr::new(10, 1, 1, 1),
            &mut buffer,
        )
        .expect("fits");
        let ip = if vlan == 0 { 14 } else { 18 };
        let ihl = usize::from(buffer[ip] & 0x0f) * 4;
        let igmp = buffer.split_off(ip + ihl);
        (buffer, igmp)
    }

    /// The expected bytes are the checksummed examples of the protocol's documents.
    #[test]
    fn queries_of_every_version() {
        let (headers, v3) = message(&query(3, None, vec![]), 0);
        assert_eq!(v3, [0x11, 0x64, 0xec, 0x1e, 0, 0, 0, 0, 0x02, 0x7d, 0, 0]);
        assert_eq!(headers[..14], [1, 0, 0x5e, 0, 0, 1, 2, 0, 0, 0, 0, 1, 8, 0]);
        // Type of service 0xc0, TTL 1, protocol 2, Router Alert.
        assert_eq!(
            (headers[14], headers[15], headers[22], headers[23]),
            (0x46, 0xc0, 1, 2)
        );
        assert_eq!(headers[26..], [10, 1, 1, 1, 224, 0, 0, 1, 0x94, 4, 0, 0]);

        // 12.5 s are 13 s and not 12, half a second is not none.
        for (millis, qqic) in [(12_500, 13), (500, 1), (2_000, 2)] {
            let mut general = query(3, None, vec![]);
            general.query_interval = Duration::from_millis(millis);
            let (_, message) = message(&general, 0);
            assert_eq!(message[9], qqic, "{millis} ms");
        }

        let (_, v2) = message(&query(2, None, vec![]), 0);
        assert_eq!(v2, [0x11, 0x64, 0xee, 0x9b, 0, 0, 0, 0]);
        let (headers, v1) = message(&query(1, None, vec![]), 0);
        assert_eq!(v1, [0x11, 0, 0xee, 0xff, 0, 0, 0, 0]);
        assert_eq!(headers[14], 0x45, "version 1 never carries Router Alert");
    }

    #[test]
    fn group_and_source_specific_queries() {
        let mut specific = query(
            3,
            Some(Ipv4Addr::new(232, 1, 2, 3)),
            vec![Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)],
        );
        specific.max_response_time = Duration::from_secs(1);
        let (headers, igmp) = message(&specific, 0);
        assert_eq!(
            igmp,
            [
                0x11, 0x0a, 0x7e, 0x6d, 232, 1, 2, 3, 2, 0x7d, 0, 2, 192, 0, 2, 1, 192, 0, 2, 2
            ]
        );
        assert_eq!(headers[..6], [1, 0, 0x5e, 1, 2, 3]);
    }

    #[test]
    fn a_vlan_gets_its_tag() {
        let (headers, _) = message(&query(3, None, vec![]), 7);
        assert_eq!(headers[12..18], [0x81, 0, 0, 7, 8, 0]);
    }

    #[test]
    fn queries_are_counted_by_kind() {
        let mut sent = Sent::default();
        let group = Some(Ipv4Addr::new(239, 1, 1, 1));
        count(&mut sent, &query(3, None, vec![]));
        count(&mut sent, &query(3, group, vec![]));
        count(&mut sent, &query(3, group, vec![]));
        count(&mut sent, &query(3, group, vec![Ipv4Addr::new(10, 0, 0, 1)]));
        let expected = Sent {
            total: 4,
            general_query: 1,
            group_query: 2,
            group_source_query: 1,
            ..Sent::default()
        };
        assert_eq!(sent, expected);
    }
}
