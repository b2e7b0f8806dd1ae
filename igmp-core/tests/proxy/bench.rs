//! A host and a clock, and its messages in words.

use core::net::Ipv4Addr;

use igmp_core::{
    Duration, FilterMode, Host, HostConfig, HostEvent, Instant, InterfaceId, Query, Report, ReportKind,
    SendReport, SourceListChange, SubscriptionChange,
    host::{JoinState, ReportMessage, ReportRecord},
};
use igmp_wire::igmp::{RecordKind, float};

pub(crate) const WAN: InterfaceId = InterfaceId(7);
pub(crate) const OWN: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 5);
pub(crate) const QUERIER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub(crate) const START: Instant = Instant::from_nanos(7_000_000_000_000);

/// A group by its number; those above 200 are source-specific.
pub(crate) fn group(number: u8) -> Ipv4Addr {
    match number {
        201.. => Ipv4Addr::new(232, 1, 1, number),
        _ => Ipv4Addr::new(239, 1, 1, number),
    }
}

/// A source by its number.
pub(crate) fn source(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, number)
}

pub(crate) fn sources(numbers: &[u8]) -> Vec<Ipv4Addr> {
    numbers.iter().copied().map(source).collect()
}

/// Seconds, down to a nanosecond.
pub(crate) fn secs(seconds: f64) -> Duration {
    Duration::from_nanos((seconds * 1e9).round() as u64)
}

/// A whole record of what is wanted.
pub(crate) fn replaced(group: Ipv4Addr, filter_mode: FilterMode, sources: Vec<Ipv4Addr>) -> HostEvent {
    HostEvent::Subscription(SubscriptionChange {
        group,
        filter_mode,
        sources: SourceListChange::Replaced(sources),
    })
}

/// A message, and how many seconds after the start it was sent.
pub(crate) type Sent = (f64, String);

pub(crate) struct Bench {
    pub(crate) host: Host,
    pub(crate) now: Instant,
    /// What was sent, as it was.
    pub(crate) sent: Vec<(Instant, SendReport)>,
}

impl Bench {
    /// A host whose upstream interface is up.
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, HostConfig::default())
    }

    pub(crate) fn with(seed: u64, config: HostConfig) -> Self {
        let mut bench = Self {
            host: Host::new(seed),
            now: START,
            sent: Vec::new(),
        };
        bench.up(config, Some(OWN), 1500);
        bench
    }

    pub(crate) fn up(&mut self, config: HostConfig, address: Option<Ipv4Addr>, mtu: u32) {
        let event = HostEvent::UpstreamUp {
            interface: WAN,
            config,
            address,
            mtu,
        };
        self.host.handle(self.now, event);
    }

    pub(crate) fn event(&mut self, event: HostEvent) {
        self.host.handle(self.now, event);
    }

    pub(crate) fn exclude(&mut self, number: u8, numbers: &[u8]) {
        self.event(replaced(group(number), FilterMode::Exclude, sources(numbers)));
    }

    pub(crate) fn include(&mut self, number: u8, numbers: &[u8]) {
        self.event(replaced(group(number), FilterMode::Include, sources(numbers)));
    }

    /// A query of version 3 with a Max Response Time in tenths of a second.
    pub(crate) fn query(&mut self, number: Option<u8>, numbers: &[u8], deciseconds: u32) {
        self.event(HostEvent::Query(Query {
            interface: WAN,
            time: self.now,
            querier: QUERIER,
            version: 3,
            group: number.map(group),
            max_resp_code: float::encode(deciseconds),
            suppress: false,
            qrv: 2,
            qqic: 125,
            sources: sources(numbers),
        }));
    }

    /// A query of version 1 or 2.
    pub(crate) fn older_query(&mut self, version: u8, number: Option<u8>, deciseconds: u8) {
        self.event(HostEvent::Query(Query {
            interface: WAN,
            time: self.now,
            querier: QUERIER,
            version,
            group: number.map(group),
            max_resp_code: deciseconds,
            suppress: false,
            qrv: 0,
            qqic: 0,
            sources: Vec::new(),
        }));
    }

    /// Another host of the link reports.
    pub(crate) fn heard(&mut self, kind: ReportKind, number: u8) {
        self.event(HostEvent::Report(Report {
            interface: WAN,
            time: self.now,
            reporter: Ipv4Addr::new(10, 9, 0, 100),
            group: group(number),
            kind,
            sources: Vec::new(),
        }));
    }

    /// What is sent now.
    pub(crate) fn flush(&mut self) -> Vec<String> {
        let seconds = self.now.since(START).as_secs_f64();
        let sent = self.run_to(seconds);
        sent.into_iter().map(|(_, message)| message).collect()
    }

    /// What is sent up to `second` after the start.
    pub(crate) fn run_to(&mut self, second: f64) -> Vec<Sent> {
        let end = START + secs(second);
        let begin = self.sent.len();
        let mut calls_at = (self.now, 0);
        while let Some(at) = self.host.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            let mut actions = Vec::new();
            self.host.handle_timeout(self.now, &mut actions);
            calls_at = match calls_at {
                (at, calls) if at == self.now => (at, calls + 1),
                _ => (self.now, 1),
            };
            assert!(calls_at.1 < 10_000, "it never comes to rest");
            self.sent
                .extend(actions.into_iter().map(|action| (self.now, action)));
        }
        self.now = self.now.max(end);
        self.sent[begin..]
            .iter()
            .map(|(at, sent)| (at.since(START).as_secs_f64(), describe(&sent.message)))
            .collect()
    }

    pub(crate) fn state(&self, number: u8) -> Option<JoinState> {
        let joins = self.host.joins(self.now, group(number), 1);
        let join = joins.into_iter().find(|join| join.group == group(number));
        join.map(|join| join.state)
    }
}

/// A message in words: `1 TO_EX{2,3}` for a record of group 1 with sources 2 and 3.
pub(crate) fn describe(message: &ReportMessage) -> String {
    let number = |group: &Ipv4Addr| group.octets()[3];
    match message {
        ReportMessage::V1(group) => format!("{} v1", number(group)),
        ReportMessage::V2(group) => format!("{} v2", number(group)),
        ReportMessage::Leave(group) => format!("{} leave", number(group)),
        ReportMessage::V3(records) => {
            let records: Vec<String> = records.iter().map(record).collect();
            records.join(" ")
        }
    }
}

fn record(record: &ReportRecord) -> String {
    let kind = match record.kind {
        RecordKind::IsInclude => "IS_IN",
        RecordKind::IsExclude => "IS_EX",
        RecordKind::ToInclude => "TO_IN",
        RecordKind::ToExclude => "TO_EX",
        RecordKind::Allow => "ALLOW",
        RecordKind::Block => "BLOCK",
    };
    let listed: Vec<String> = (record.sources.iter())
        .map(|source| source.octets()[3].to_string())
        .collect();
    format!("{} {kind}{{{}}}", record.group.octets()[3], listed.join(","))
}
