//! The messages with which a host says what it wants.

use core::net::Ipv4Addr;
use std::collections::BTreeSet;

use igmp_wire::igmp::RecordKind;

use super::{Filter, Membership};
use crate::message::{Message, Record};

/// A message to be sent.
pub(crate) struct Outgoing {
    pub(crate) message: Message,
    pub(crate) answers: Vec<usize>,
}

pub(super) fn unsolicited(message: Message) -> Outgoing {
    Outgoing {
        message,
        answers: Vec::new(),
    }
}

/// The records of the next State-Change Report (RFC 9776 §5.1), which is then taken as sent.
pub(super) fn change_records(group: Ipv4Addr, membership: &mut Membership) -> Vec<Record> {
    let filter = &membership.filter;
    let mut records = Vec::new();
    if membership.mode_left > 0 {
        membership.mode_left -= 1;
        records.push(Record {
            kind: if filter.exclude {
                RecordKind::ToExclude
            } else {
                RecordKind::ToInclude
            },
            group,
            sources: filter.sources.iter().copied().collect(),
        });
    } else {
        for (kind, wanted) in [(RecordKind::Allow, true), (RecordKind::Block, false)] {
            let sources: Vec<_> = membership
                .source_left
                .keys()
                .copied()
                .filter(|&source| filter.wants(source) == wanted)
                .collect();
            if !sources.is_empty() {
                records.push(Record { kind, group, sources });
            }
        }
    }
    for left in membership.source_left.values_mut() {
        *left -= 1;
    }
    membership.source_left.retain(|_, left| *left > 0);
    records
}

pub(super) fn current_state(group: Ipv4Addr, filter: &Filter) -> Record {
    Record {
        kind: if filter.exclude {
            RecordKind::IsExclude
        } else {
            RecordKind::IsInclude
        },
        group,
        sources: filter.sources.iter().copied().collect(),
    }
}

pub(super) fn older_report(mode: u8, group: Ipv4Addr) -> Message {
    if mode == 1 {
        Message::ReportV1(group)
    } else {
        Message::ReportV2(group)
    }
}

/// The answer to a specific query, or to any query in versions 1 and 2.
pub(super) fn answer(
    mode: u8,
    group: Ipv4Addr,
    filter: &Filter,
    asked: &BTreeSet<Ipv4Addr>,
) -> Option<Message> {
    if !filter.is_member() {
        return None;
    }
    if mode < 3 {
        return Some(older_report(mode, group));
    }
    if asked.is_empty() {
        return Some(Message::ReportV3(vec![current_state(group, filter)]));
    }
    let sources: Vec<_> = asked
        .iter()
        .copied()
        .filter(|&source| filter.wants(source))
        .collect();
    (!sources.is_empty()).then(|| {
        Message::ReportV3(vec![Record {
            kind: RecordKind::IsInclude,
            group,
            sources,
        }])
    })
}
