//! Configuration of the host side.

use crate::time::Duration;

/// How the host side runs on the upstream interface. The defaults are those of RFC 9776 §8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// The newest version that is spoken, 1 to 3. An older querier on the link makes it an older one (§7.2.1).
    pub version: u8,
    /// Robustness Variable (§8.1), 2, as long as no querier names another one (§4.1.6). 0 counts as 1.
    pub robustness_variable: u8,
    /// Query Interval (§8.2) of the querier, 125 s, as far as the Older Version Querier Present Interval follows from it
    /// (§8.12).
    pub query_interval: Duration,
    /// Unsolicited Report Interval of version 3 (§8.11), 1 s.
    pub unsolicited_report_interval: Duration,
    /// Unsolicited Report Interval of versions 1 and 2 (RFC 2236 §8.10), 10 s.
    pub older_unsolicited_report_interval: Duration,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            version: 3,
            robustness_variable: 2,
            query_interval: Duration::from_secs(125),
            unsolicited_report_interval: Duration::from_secs(1),
            older_unsolicited_report_interval: Duration::from_secs(10),
        }
    }
}
