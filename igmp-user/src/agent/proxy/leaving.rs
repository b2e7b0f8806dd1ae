//! Leaving everything, where the proxy ends or has another upstream interface: the upstream router need not wait until
//! memberships time out.

use std::net::Ipv4Addr;

use igmp_core::{
    Duration, FilterMode, Host, HostEvent, Instant, SendReport, SourceListChange, SubscriptionChange,
};

use super::Way;

/// For how long it is said, with all repetitions. More of them than fit are left out.
const LONGEST: Duration = Duration::from_secs(3);
/// How much longer for each group: in version 2 each has a message of its own, and so many a second are sent.
const LONGER: Duration = Duration::from_nanos(100_000);
/// For how long at the very most.
const AT_MOST: Duration = Duration::from_secs(8);
/// How many groups are read at a time.
const PAGE: usize = 512;

/// A host side of which nothing is wanted any more, and which still says so.
#[derive(Debug)]
pub(super) struct Leaving {
    host: Host,
    /// The interface's name.
    pub(super) name: String,
    /// Where it says so.
    pub(super) way: Way,
    until: Instant,
}

impl Leaving {
    /// Begins to leave everything.
    pub(super) fn begin(now: Instant, mut host: Host, name: String, way: Way) -> Self {
        let mut groups = 0;
        loop {
            // Those that are left are no longer among them.
            let joins = host.joins(now, Ipv4Addr::UNSPECIFIED, PAGE);
            if joins.is_empty() {
                break;
            }
            groups += joins.len() as u64;
            for join in joins {
                let change = SubscriptionChange {
                    group: join.group,
                    filter_mode: FilterMode::Include,
                    sources: SourceListChange::Replaced(Vec::new()),
                };
                host.handle(now, HostEvent::Subscription(change));
            }
        }
        let until = now + (LONGEST + LONGER * groups).min(AT_MOST);
        Self {
            host,
            name,
            way,
            until,
        }
    }

    /// Whether it is said on this link.
    pub(super) fn is_through(&self, way: Way) -> bool {
        (self.way.ifindex, self.way.vlan) == (way.ifindex, way.vlan)
    }

    /// When to go on, or to end.
    pub(super) fn next(&self) -> Instant {
        self.host.poll_timeout().unwrap_or(Instant::ZERO).min(self.until)
    }

    /// Says what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant, actions: &mut Vec<SendReport>) {
        self.host.handle_timeout(now, actions);
    }

    /// Whether all is said.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        // Where an older querier was heard, the end of its time is left at last.
        now >= self.until || self.host.poll_timeout().is_none_or(|at| at > self.until)
    }
}

#[cfg(test)]
mod tests {
    use igmp_core::{
        HostConfig, InterfaceId,
        host::{ReportMessage, ReportRecord},
    };
    use igmp_wire::igmp::RecordKind;

    use super::*;

    const ANY: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
    const ONE: Ipv4Addr = Ipv4Addr::new(232, 1, 1, 1);
    const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);

    /// RFC 9776 §5.1: EXCLUDE to INCLUDE ({}) is `TO_IN` ({}), INCLUDE ({S}) to INCLUDE ({}) is `BLOCK` ({S}), Robustness
    /// Variable times each.
    #[test]
    fn everything_is_left_as_often_as_it_takes() {
        let now = Instant::from_nanos(1_000_000_000);
        let mut host = Host::new(1);
        let up = HostEvent::UpstreamUp {
            interface: InterfaceId(1),
            config: HostConfig::default(),
            address: Some(Ipv4Addr::new(10, 0, 0, 1)),
            mtu: 1_500,
        };
        host.handle(now, up);
        for (group, filter_mode, sources) in [
            (ANY, FilterMode::Exclude, vec![]),
            (ONE, FilterMode::Include, vec![SOURCE]),
        ] {
            let change = SubscriptionChange {
                group,
                filter_mode,
                sources: SourceListChange::Replaced(sources),
            };
            host.handle(now, HostEvent::Subscription(change));
        }
        let mut sent = Vec::new();
        let mut time = now;
        while let Some(at) = host.poll_timeout() {
            time = time.max(at);
            host.handle_timeout(time, &mut sent);
        }
        sent.clear();

        let way = Way {
            ifindex: 1,
            vlan: 0,
            mac: [2; 6],
        };
        let mut leaving = Leaving::begin(time, host, "wan0".to_owned(), way);
        while !leaving.is_over(time) {
            time = time.max(leaving.next());
            leaving.handle_timeout(time, &mut sent);
        }
        let mut records: Vec<ReportRecord> = sent
            .into_iter()
            .flat_map(|report| match report.message {
                ReportMessage::V3(records) => records,
                other => panic!("{other:?}"),
            })
            .collect();
        records.sort_by_key(|record| record.group);
        let block = ReportRecord {
            kind: RecordKind::Block,
            group: ONE,
            sources: vec![SOURCE],
        };
        let to_in = ReportRecord {
            kind: RecordKind::ToInclude,
            group: ANY,
            sources: vec![],
        };
        assert_eq!(records, [block.clone(), block, to_in.clone(), to_in]);
    }
}
