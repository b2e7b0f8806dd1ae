//! Timers and counters in force on an interface (RFC 9776 §8).

use crate::{
    InterfaceId,
    config::InterfaceConfig,
    interval::{Earlier, Interval},
    time::{Duration, Instant},
};

/// The shortest interval that is taken seriously. A shorter one could not be put into a query, and would keep the
/// router busy with nothing else.
const SHORTEST: Duration = Duration::from_millis(100);
/// Within how long version 1 hosts answer, whose queries cannot say (RFC 1112 Appendix I).
const V1_RESPONSE_INTERVAL: Duration = Duration::from_secs(10);
/// What stands before the sources in a version 3 query, in bytes: an IPv4 header with Router Alert, and the query's own.
const QUERY_OVERHEAD: u32 = 24 + 12;
/// Length of a source in a query, in bytes.
const SOURCE_LEN: u32 = 4;
/// The smallest MTU that IPv4 knows (RFC 791 §3.2). One below it is a mistake.
pub(crate) const MIN_MTU: u32 = 68;
/// The longest packet that IPv4 knows (RFC 791 §3.1), which may be less than an interface would take.
pub(crate) const MAX_PACKET: u32 = 65_535;

/// What the configuration and the querier's word amount to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Parameters {
    /// The interface.
    pub(crate) interface: InterfaceId,
    /// The version it runs, 1 to 3.
    pub(crate) version: u8,
    /// Robustness Variable in force.
    pub(crate) robustness: u8,
    /// Query Interval in force.
    pub(crate) query_interval: Duration,
    /// Query Response Interval.
    pub(crate) response_interval: Duration,
    /// Last Member Query Interval.
    pub(crate) last_member_interval: Duration,
    /// Group Membership Interval.
    pub(crate) membership_interval: Interval,
    /// Older Host Present Interval (§8.13).
    pub(crate) older_host_interval: Interval,
    /// Whether a leave takes effect at once.
    pub(crate) immediate_leave: bool,
    /// Most sources of a group.
    pub(crate) max_group_sources: usize,
    /// How many sources fit into one query.
    pub(crate) sources_per_query: usize,
    /// Whether this router is the querier.
    pub(crate) querier: bool,
    /// Whether the interface has an address to send from.
    pub(crate) can_send: bool,
}

/// What a querier said in its last query.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Adopted {
    /// Its QRV, unless it gave none (§4.1.6).
    pub(crate) robustness: Option<u8>,
    /// Its Query Interval, unless it gave none (§4.1.7).
    pub(crate) query_interval: Option<Duration>,
}

/// Intervals that were in force before and still hold for what was reported then.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Before {
    /// Group Membership Intervals.
    pub(crate) membership_intervals: Earlier,
    /// Older Host Present Intervals.
    pub(crate) older_host_intervals: Earlier,
}

impl Parameters {
    /// Derives them. `adopted` is empty on the querier.
    pub(crate) fn new(
        interface: InterfaceId,
        config: &InterfaceConfig,
        adopted: Adopted,
        mtu: u32,
        querier: bool,
        can_send: bool,
        before: Before,
    ) -> Self {
        let robustness = adopted.robustness.unwrap_or(config.robustness_variable).max(1);
        let query_interval = adopted
            .query_interval
            .unwrap_or(config.query_interval)
            .max(SHORTEST);
        let response_interval = match config.version {
            1 => config.query_response_interval.max(V1_RESPONSE_INTERVAL),
            _ => config.query_response_interval.max(SHORTEST),
        };
        let responses = if config.rfc3376_group_membership_interval {
            1
        } else {
            2
        };
        let rounds = query_interval * u64::from(robustness);
        Self {
            interface,
            version: config.version,
            robustness,
            query_interval,
            response_interval,
            last_member_interval: config.last_member_query_interval.max(SHORTEST),
            membership_interval: Interval {
                span: rounds + response_interval * responses,
                earlier: before.membership_intervals,
            },
            older_host_interval: Interval {
                span: rounds + response_interval,
                earlier: before.older_host_intervals,
            },
            immediate_leave: config.immediate_leave,
            max_group_sources: limit(config.max_group_sources),
            sources_per_query: ((mtu.clamp(MIN_MTU, MAX_PACKET) - QUERY_OVERHEAD) / SOURCE_LEN) as usize,
            querier,
            can_send,
        }
    }

    /// Other Querier Present Interval (§8.5).
    pub(crate) fn other_querier_interval(&self) -> Duration {
        self.query_interval * u64::from(self.robustness) + self.response_interval / 2
    }

    /// Startup Query Interval (§8.6).
    pub(crate) fn startup_interval(&self) -> Duration {
        self.query_interval / 4
    }

    /// Last Member Query Time (§8.10), as the point in time that it ends from `now` on.
    pub(crate) fn last_member_end(&self, now: Instant) -> Instant {
        now + self.last_member_interval * u64::from(self.robustness)
    }

    /// What is to be remembered once `next` takes the place of these parameters at `at`.
    pub(crate) fn followed_by(&self, next: &Self, at: Instant) -> Before {
        let (membership, older_host) = (&next.membership_interval, &next.older_host_interval);
        Before {
            membership_intervals: self.membership_interval.followed_by(membership.span, at),
            older_host_intervals: self.older_host_interval.followed_by(older_host.span, at),
        }
    }

    /// QRV for a query (§4.1.6).
    pub(crate) fn qrv(&self) -> u8 {
        if self.robustness > 7 { 0 } else { self.robustness }
    }
}

/// A limit of the configuration, in which 0 stands for none.
pub(crate) fn limit(configured: u32) -> usize {
    match configured {
        0 => usize::MAX,
        limit => limit as usize,
    }
}
