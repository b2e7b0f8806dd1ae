//! A proxy, and what it says upstream.

use std::{cell::Cell, net::Ipv4Addr, time::Duration};

use tests::{
    Capture, Igmpd, Namespace, PATIENCE, RawSocket,
    capture::Seen,
    packet::Record,
    stream::{Datapath, Site, site::IGMP},
    wait_for,
};

/// A group of any source.
pub(crate) const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
/// A group of the source-specific range.
pub(crate) const SSM_GROUP: Ipv4Addr = Ipv4Addr::new(232, 1, 1, 1);
/// What makes the interface of a [`Site`] that data comes from the upstream interface of a proxy.
pub(crate) const UPSTREAM: &str = "proxy-upstream = true\n";

/// A station upstream that sends by hand and sees what the proxy says.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) raw: RawSocket,
    capture: Capture,
    mark: Cell<usize>,
}

impl Watch {
    #[track_caller]
    pub(crate) fn open(namespace: &Namespace, interface: &str) -> Self {
        Self {
            raw: RawSocket::open(namespace, interface),
            capture: Capture::open(namespace, interface),
            mark: Cell::new(0),
        }
    }

    /// Looks only at what comes from now on.
    pub(crate) fn mark(&self) {
        self.mark.set(self.capture.all().len());
    }

    /// What was said since the mark: reports and Leaves, whoever sent them.
    pub(crate) fn said(&self) -> Vec<Seen> {
        let all = self.capture.all();
        let said = all.into_iter().skip(self.mark.get());
        said.filter(|packet| packet.kind() != 0x11).collect()
    }

    /// The records of all version 3 reports since the mark.
    #[track_caller]
    pub(crate) fn records(&self) -> Vec<Record> {
        let reports = self.said();
        reports
            .iter()
            .filter(|report| report.kind() == 0x22)
            .flat_map(|report| {
                Record::parse_all(&report.message).unwrap_or_else(|| panic!("{report:?} is no report"))
            })
            .collect()
    }

    /// The records of a group since the mark.
    #[track_caller]
    pub(crate) fn records_of(&self, group: Ipv4Addr) -> Vec<Record> {
        let records = self.records().into_iter();
        records.filter(|record| record.group == group).collect()
    }

    /// Waits until this record was sent this often since the mark.
    #[track_caller]
    pub(crate) fn wait_record(&self, record: &Record, times: usize) {
        self.wait_record_within(record, times, PATIENCE);
    }

    /// Waits until this record was sent this often since the mark, for as long as this.
    #[track_caller]
    pub(crate) fn wait_record_within(&self, record: &Record, times: usize, patience: Duration) {
        wait_for(&format!("{record:?}, {times} times"), patience, || {
            let records = self.records();
            let seen = records.iter().filter(|seen| *seen == record).count();
            if seen >= times {
                Ok(())
            } else {
                Err(format!("{records:?}"))
            }
        });
    }

    /// Waits until a message of 8 bytes of this type for this group was sent since the mark.
    #[track_caller]
    pub(crate) fn wait_short(&self, kind: u8, group: Ipv4Addr) -> Seen {
        wait_for(&format!("{kind:#x} for {group}"), PATIENCE, || {
            self.short(kind, group)
                .first()
                .cloned()
                .ok_or_else(|| format!("{:?}", self.said()))
        })
    }

    /// The messages of 8 bytes of this type for this group since the mark.
    pub(crate) fn short(&self, kind: u8, group: Ipv4Addr) -> Vec<Seen> {
        let said = self.said().into_iter();
        said.filter(|packet| packet.kind() == kind && packet.group() == group)
            .collect()
    }
}

/// A proxy with receivers on its downstream networks, in front of a station that is made by hand.
#[derive(Debug)]
pub(crate) struct Proxied {
    pub(crate) site: Site,
    pub(crate) upstream: Watch,
    pub(crate) igmpd: Igmpd,
}

impl Proxied {
    /// Starts a proxy with this many downstream networks.
    #[track_caller]
    pub(crate) fn new(receivers: u8) -> Self {
        Self::with(receivers, IGMP)
    }

    /// Starts a proxy whose `[igmp]` table is this.
    #[track_caller]
    pub(crate) fn with(receivers: u8, igmp: &str) -> Self {
        let site = Site::new(Datapath::Plain, receivers);
        let upstream = Watch::open(site.sender.namespace(), "eth0");
        let config = site.config_with("", igmp, UPSTREAM, "");
        let igmpd = site.start_with(&config);
        Self {
            site,
            upstream,
            igmpd,
        }
    }
}
