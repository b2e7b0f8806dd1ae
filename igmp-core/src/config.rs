//! Configuration of one interface.

use core::net::Ipv4Addr;

use crate::time::Duration;

/// How IGMP runs on one interface. The defaults are those of RFC 9776 §8.
#[derive(Clone, Debug, PartialEq)]
pub struct InterfaceConfig {
    /// The IGMP version, 1 to 3: the newest that is spoken.
    pub version: u8,
    /// Query Interval (§8.2), 125 s.
    pub query_interval: Duration,
    /// Query Response Interval (§8.3), 10 s. Less than the Query Interval.
    pub query_response_interval: Duration,
    /// Last Member Query Interval (§8.8), 1 s.
    pub last_member_query_interval: Duration,
    /// Robustness Variable (§8.1), 1 to 7, by default 2.
    pub robustness_variable: u8,
    /// Whether the Group Membership Interval is RV·QI + QRI as in RFC 3376 §8.4, rather than RV·QI + 2·QRI (RFC 9776).
    pub rfc3376_group_membership_interval: bool,
    /// Whether traffic ends with a leave and does not wait for answers to the last-member query (RFC 8652
    /// `immediate-leave`).
    pub immediate_leave: bool,
    /// Most groups with members, 0 for no limit.
    pub max_groups: u32,
    /// Most sources of one group, 0 for no limit.
    pub max_group_sources: u32,
    /// Groups, or sources of groups, that are wanted here whether a host reports them or not.
    pub static_groups: Vec<StaticGroup>,
}

/// A `static-group` of RFC 8652.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StaticGroup {
    /// The group.
    pub group: Ipv4Addr,
    /// One source, or all of them.
    pub source: Option<Ipv4Addr>,
}

impl Default for InterfaceConfig {
    fn default() -> Self {
        Self {
            version: 3,
            query_interval: Duration::from_secs(125),
            query_response_interval: Duration::from_secs(10),
            last_member_query_interval: Duration::from_secs(1),
            robustness_variable: 2,
            rfc3376_group_membership_interval: false,
            immediate_leave: false,
            max_groups: 0,
            max_group_sources: 0,
            static_groups: Vec::new(),
        }
    }
}
