//! PIM messages (RFC 7761 §4.9) as the state machines see them. All of them are sent to 224.0.0.13.

use core::net::Ipv4Addr;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Hello (§4.9.2).
    Hello(Hello),
    /// Join/Prune (§4.9.5).
    JoinPrune(JoinPrune),
    /// Assert (§4.9.6).
    Assert(Assert),
}

/// A Hello, by its options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// Hold time in seconds: 0 says goodbye, 0xffff never ends. `None` counts as 105.
    pub hold_time: Option<u16>,
    /// LAN Prune Delay.
    pub lan_prune_delay: Option<LanPruneDelay>,
    /// DR Priority.
    pub dr_priority: Option<u32>,
    /// Generation ID.
    pub generation_id: Option<u32>,
    /// Address List: the router's other addresses on the link.
    pub secondary_addresses: Vec<Ipv4Addr>,
}

/// The LAN Prune Delay option (§4.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanPruneDelay {
    /// The T bit: the router can do without join suppression.
    pub tracking: bool,
    /// Propagation_Delay in milliseconds, 15 bits.
    pub propagation_delay: u16,
    /// Override_Interval in milliseconds.
    pub override_interval: u16,
}

/// A Join/Prune message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinPrune {
    /// The neighbour that is to act on it. Others learn from it what it will be told.
    pub upstream_neighbor: Ipv4Addr,
    /// For how long a join holds, in seconds. 0xffff: for ever.
    pub hold_time: u16,
    /// What is joined and pruned, by groups.
    pub groups: Vec<JoinPruneGroup>,
}

/// What a Join/Prune message says of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinPruneGroup {
    /// The group.
    pub group: Ipv4Addr,
    /// What is joined.
    pub joins: Vec<Target>,
    /// What is pruned.
    pub prunes: Vec<Target>,
}

/// What is joined or pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// (\*,G), with the RP that the sender takes for that of the group.
    AnySource {
        /// The address of the RP.
        rp: Ipv4Addr,
    },
    /// (S,G): the source on its own tree.
    Source(Ipv4Addr),
    /// (S,G,rpt): the source on the shared tree.
    SourceRpt(Ipv4Addr),
}

/// An Assert (§4.9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assert {
    /// The group.
    pub group: Ipv4Addr,
    /// The source, `None` in an Assert(\*,G) that no packet's source is named in.
    pub source: Option<Ipv4Addr>,
    /// The RPT bit: the sender forwards from the shared tree.
    pub rpt: bool,
    /// Metric Preference, 31 bits.
    pub metric_preference: u32,
    /// Metric.
    pub metric: u32,
}
