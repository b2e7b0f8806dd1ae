//! Reports as frames.

use igmp_core::SendReport;
use igmp_core::host::ReportMessage;
use igmp_wire::{
    emit::{Error, Frame, Message, Record},
    ethernet::Vlan,
};

use super::Way;
use crate::api::Sent;

/// Puts the frame of a report into `buffer`, which is made as long as the frame.
///
/// # Errors
///
/// [`Error::TooLong`] for more records than a packet holds, which the core does not ask for.
pub(super) fn frame(report: &SendReport, way: Way, buffer: &mut Vec<u8>) -> Result<(), Error> {
    let records: Vec<Record<'_>> = match &report.message {
        ReportMessage::V3(records) => records
            .iter()
            .map(|record| Record {
                kind: record.kind,
                group: record.group,
                sources: &record.sources,
            })
            .collect(),
        ReportMessage::V1(_) | ReportMessage::V2(_) | ReportMessage::Leave(_) => Vec::new(),
    };
    let frame = Frame {
        source_mac: way.mac,
        vlan: if way.vlan == 0 {
            Vlan::Untagged
        } else {
            Vlan::Tagged(way.vlan)
        },
        source: report.source,
        identification: 0,
        message: match report.message {
            ReportMessage::V1(group) => Message::ReportV1(group),
            ReportMessage::V2(group) => Message::ReportV2(group),
            ReportMessage::Leave(group) => Message::Leave(group),
            ReportMessage::V3(_) => Message::ReportV3(&records),
        },
    };
    buffer.clear();
    // A length that no packet has is refused by `emit`, so nothing is allocated for it.
    buffer.resize(frame.buffer_len().min(usize::from(u16::MAX) + 32), 0);
    let len = frame.emit(buffer)?;
    buffer.truncate(len);
    Ok(())
}

/// Counts a message that was sent.
pub(super) fn count(sent: &mut Sent, report: &SendReport) {
    sent.total += 1;
    let reports = sent.reports.get_or_insert_default();
    *match report.message {
        ReportMessage::V1(_) => &mut reports.report_v1,
        ReportMessage::V2(_) => &mut reports.report_v2,
        ReportMessage::V3(_) => &mut reports.report_v3,
        ReportMessage::Leave(_) => &mut reports.leave,
    } += 1;
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use igmp_core::{InterfaceId, host::ReportRecord};
    use igmp_wire::igmp::RecordKind;

    use super::*;
    use crate::api::SentReports;

    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

    fn report(message: ReportMessage) -> SendReport {
        SendReport {
            interface: InterfaceId(1),
            source: Ipv4Addr::new(10, 0, 0, 1),
            message,
        }
    }

    /// Headers and message. The expected messages are the checksummed examples of the protocol's documents.
    fn frame_of(message: ReportMessage, vlan: u16) -> (Vec<u8>, Vec<u8>) {
        let way = Way {
            ifindex: 4,
            vlan,
            mac: [2, 0, 0, 0, 0, 1],
        };
        let mut buffer = vec![0xa5; 3];
        frame(&report(message), way, &mut buffer).expect("fits");
        let ip = if vlan == 0 { 14 } else { 18 };
        let ihl = usize::from(buffer[ip] & 0x0f) * 4;
        let message = buffer.split_off(ip + ihl);
        (buffer, message)
    }

    #[test]
    fn messages_of_every_version_go_where_they_belong() {
        let record = ReportRecord {
            kind: RecordKind::ToExclude,
            group: GROUP,
            sources: vec![],
        };
        let cases = [
            (
                ReportMessage::V1(GROUP),
                [239, 1, 2, 3],
                vec![0x12, 0, 0xfc, 0xfa, 239, 1, 2, 3],
                0x45,
            ),
            (
                ReportMessage::V2(GROUP),
                [239, 1, 2, 3],
                vec![0x16, 0, 0xf8, 0xfa, 239, 1, 2, 3],
                0x46,
            ),
            (
                ReportMessage::Leave(GROUP),
                [224, 0, 0, 2],
                vec![0x17, 0, 0xf7, 0xfa, 239, 1, 2, 3],
                0x46,
            ),
            (
                ReportMessage::V3(vec![record]),
                [224, 0, 0, 22],
                vec![0x22, 0, 0xe8, 0xf9, 0, 0, 0, 1, 4, 0, 0, 0, 239, 1, 2, 3],
                0x46,
            ),
        ];
        for (message, destination, bytes, version_and_len) in cases {
            let (headers, igmp) = frame_of(message, 0);
            assert_eq!(igmp, bytes);
            assert_eq!(
                headers[14], version_and_len,
                "version 1 never carries Router Alert"
            );
            assert_eq!((headers[22], headers[23]), (1, 2), "TTL and protocol");
            assert_eq!(headers[26..30], [10, 0, 0, 1]);
            assert_eq!(headers[30..34], destination);
            assert_eq!(headers[..3], [1, 0, 0x5e]);
            assert_eq!(
                headers[3..6],
                [destination[1] & 0x7f, destination[2], destination[3]]
            );
        }
    }

    #[test]
    fn a_vlan_gets_its_tag() {
        let (headers, _) = frame_of(ReportMessage::V2(GROUP), 7);
        assert_eq!(headers[12..18], [0x81, 0, 0, 7, 8, 0]);
    }

    #[test]
    fn messages_are_counted_by_kind() {
        let mut sent = Sent::default();
        count(&mut sent, &report(ReportMessage::V1(GROUP)));
        count(&mut sent, &report(ReportMessage::V3(vec![])));
        count(&mut sent, &report(ReportMessage::V3(vec![])));
        count(&mut sent, &report(ReportMessage::Leave(GROUP)));
        let expected = Sent {
            total: 4,
            reports: Some(SentReports {
                report_v1: 1,
                report_v2: 0,
                report_v3: 2,
                leave: 1,
            }),
            ..Sent::default()
        };
        assert_eq!(sent, expected);
    }
}
