//! Configuration of PIM.

use core::net::Ipv4Addr;

use crate::time::Duration;

/// What holds for PIM on all interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PimConfig {
    /// The rendezvous points. Of those whose prefixes hold a group, the longest prefix counts, and of equally long ones the
    /// highest address (RFC 7761 §4.7.1).
    pub static_rp: Vec<StaticRp>,
    /// When to join the shortest-path tree of a source whose packets come down the shared tree (`SwitchToSptDesired`, RFC
    /// 7761 §4.2.1).
    pub spt_switchover: SptSwitchover,
    /// How many entries of (\*,G) and (S,G) there may be because of other routers and of packets, (S,G,rpt) counted with (S,G).
    /// Those of local members do not count: IGMP limits them. Of one group there are 16,384 sources at most.
    pub max_entries: usize,
    /// How many neighbours there may be on one interface.
    pub max_neighbors: usize,
    /// Join/Prune periodic interval (`t_periodic`, RFC 7761 §4.11), 60 s. The hold time of what is sent is 3.5 times as long.
    pub join_prune_interval: Duration,
    /// Keepalive_Period (§4.11), 210 s: for how long a source counts as active after its last packet.
    pub keepalive_period: Duration,
    /// Assert_Time (§4.11), 180 s: for how long a router that lost an assert stays silent without hearing of the winner.
    pub assert_time: Duration,
}

impl Default for PimConfig {
    fn default() -> Self {
        Self {
            static_rp: Vec::new(),
            spt_switchover: SptSwitchover::Immediate,
            max_entries: 262_144,
            max_neighbors: 256,
            join_prune_interval: Duration::from_secs(60),
            keepalive_period: Duration::from_secs(210),
            assert_time: Duration::from_secs(180),
        }
    }
}

/// A rendezvous point, and a prefix of groups that it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticRp {
    /// Its address.
    pub address: Ipv4Addr,
    /// First address of the prefix.
    pub group: Ipv4Addr,
    /// Length of the prefix, 4 to 32 bits.
    pub group_len: u8,
}

/// When to leave the shared tree for the source's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SptSwitchover {
    /// With the first packet of a source.
    #[default]
    Immediate,
    /// Not at all.
    Never,
}

/// What holds for PIM on one interface. The defaults are those of RFC 7761 §4.11.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PimInterfaceConfig {
    /// DR Priority (§4.3.2), 1. The highest wins.
    pub dr_priority: u32,
    /// Hello_Period (§4.3.1), 30 s. The hold time that neighbours are told is 3.5 times as long.
    pub hello_interval: Duration,
    /// Propagation_delay (§4.3.3), 0.5 s.
    pub propagation_delay: Duration,
    /// Override_interval (§4.3.3), 2.5 s.
    pub override_interval: Duration,
}

impl Default for PimInterfaceConfig {
    fn default() -> Self {
        Self {
            dr_priority: 1,
            hello_interval: Duration::from_secs(30),
            propagation_delay: Duration::from_millis(500),
            override_interval: Duration::from_millis(2_500),
        }
    }
}
