//! Assert messages (RFC 7761 §4.9.6).

use core::net::Ipv4Addr;

use super::{
    HEADER_LEN, Refusal,
    encoded::{self, ENCODED_GROUP_LEN, ENCODED_UNICAST_LEN},
    reader::Reader,
};
use crate::address::is_unicast;

/// Length of an Assert, in bytes.
pub const ASSERT_LEN: usize = HEADER_LEN + ENCODED_GROUP_LEN + ENCODED_UNICAST_LEN + 8;
/// The RPTbit, in front of the 31 bits of the Metric Preference.
pub(crate) const RPT_BIT: u32 = 0x8000_0000;

/// The largest Metric Preference. With the RPTbit and [`INFINITE_METRIC`] it makes an AssertCancel (RFC 7761 §4.6.4).
pub const INFINITE_METRIC_PREFERENCE: u32 = RPT_BIT - 1;
/// The largest metric.
pub const INFINITE_METRIC: u32 = u32::MAX;

/// An Assert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Assert {
    /// The group.
    pub group: Ipv4Addr,
    /// The source. In an Assert(\*,G) it is 0.0.0.0, or the source of the data that was the cause.
    pub source: Ipv4Addr,
    /// The RPTbit: whether this is an Assert(\*,G) and no Assert(S,G).
    pub rpt: bool,
    /// The preference of the protocol that the metric is of, 31 bits. Less is better.
    pub metric_preference: u32,
    /// The metric of the route to the source, or with the RPTbit to the RP. Less is better.
    pub metric: u32,
}

impl Assert {
    /// Reads what follows the PIM header.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] where the length is not that of an Assert, the group is not a single IPv4 group that
    /// routers forward, or the source is not unicast, unless this is an Assert(\*,G) without source.
    pub(super) fn parse(mut reader: Reader<'_>) -> Result<Self, Refusal> {
        let group = encoded::group(&mut reader)?.ok_or(Refusal::Malformed)?;
        let source = encoded::unicast(&mut reader)?.ok_or(Refusal::Malformed)?;
        let preference = u32::from_be_bytes(reader.take()?);
        let metric = u32::from_be_bytes(reader.take()?);
        let rpt = preference & RPT_BIT != 0;
        if !reader.is_empty() || !(is_unicast(source) || rpt && source.is_unspecified()) {
            return Err(Refusal::Malformed);
        }
        Ok(Self {
            group,
            source,
            rpt,
            metric_preference: preference & !RPT_BIT,
            metric,
        })
    }
}
