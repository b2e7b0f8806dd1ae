//! What pimd knows about multicast routing, out of the JSON that it prints.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::Frr;

/// What a neighbor asked for with Join/Prune messages on an interface: a line of `show ip pim join`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The interface.
    pub interface: String,
    /// The source, or `*`.
    pub source: String,
    /// The group.
    pub group: Ipv4Addr,
    /// FRR's name for the state of the downstream machine: `JOIN`, `PRUNEP`, `NOINFO`, `SGRpt(P)` and so on.
    pub state: String,
}

impl Channel {
    /// Whether the (*,G) or (S,G) is joined: the states Join and Prune-Pending (RFC 7761 §4.5.1).
    pub fn is_joined(&self) -> bool {
        matches!(self.state.as_str(), "JOIN" | "PRUNEP")
    }

    /// Whether the source is pruned off the shared tree (RFC 7761 §4.5.3).
    pub fn is_rpt_pruned(&self) -> bool {
        self.state == "SGRpt(P)"
    }
}

/// A line of `show ip pim upstream`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The source, or `*`.
    pub source: String,
    /// The group.
    pub group: Ipv4Addr,
    /// The interface towards the source or the RP.
    pub interface: String,
    /// Whether the state of the upstream machine is Joined.
    pub is_joined: bool,
    /// Whether data is accepted from the source's own tree.
    pub spt_bit: bool,
}

/// A line of `show ip mroute`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mroute {
    /// The source, or `*`.
    pub source: String,
    /// The group.
    pub group: Ipv4Addr,
    /// Where data is accepted.
    pub incoming: String,
    /// Where it goes out, sorted. Without FRR's own interface for Registers.
    pub outgoing: Vec<String>,
}

impl Frr {
    /// The addresses of the neighbors on an interface, sorted.
    #[track_caller]
    pub fn neighbors(&self, interface: &str) -> Vec<Ipv4Addr> {
        let all = self.show("show ip pim neighbor json");
        let mut addresses: Vec<_> = members(&all[interface])
            .filter_map(|(address, _)| address.parse().ok())
            .collect();
        addresses.sort_unstable();
        addresses
    }

    /// The designated router on an interface.
    #[track_caller]
    pub fn designated_router(&self, interface: &str) -> Option<Ipv4Addr> {
        let all = self.show("show ip pim interface json");
        all[interface]["pimDesignatedRouter"].as_str()?.parse().ok()
    }

    /// `show ip pim join`.
    #[track_caller]
    pub fn channels(&self) -> Vec<Channel> {
        let all = self.show("show ip pim join json");
        let of_interface = |(interface, groups): (&String, &Value)| {
            let interface = interface.clone();
            entries(groups)
                .map(move |(source, group, channel)| Channel {
                    interface: interface.clone(),
                    source,
                    group,
                    state: text(&channel["channelJoinName"]),
                })
                .collect::<Vec<_>>()
        };
        members(&all).flat_map(of_interface).collect()
    }

    /// `show ip pim upstream`.
    #[track_caller]
    pub fn upstreams(&self) -> Vec<Upstream> {
        let all = self.show("show ip pim upstream json");
        entries(&all)
            .map(|(source, group, upstream)| Upstream {
                source,
                group,
                interface: text(&upstream["inboundInterface"]),
                is_joined: upstream["joinState"] == "Joined",
                spt_bit: upstream["sptBit"] == 1,
            })
            .collect()
    }

    /// One of them.
    #[track_caller]
    pub fn upstream(&self, source: &str, group: Ipv4Addr) -> Option<Upstream> {
        let mut all = self.upstreams().into_iter();
        all.find(|upstream| upstream.source == source && upstream.group == group)
    }

    /// `show ip mroute`.
    #[track_caller]
    pub fn mroutes(&self) -> Vec<Mroute> {
        let all = self.show("show ip mroute json");
        entries(&all)
            .map(|(source, group, mroute)| Mroute {
                source,
                group,
                incoming: text(&mroute["iif"]),
                outgoing: members(&mroute["oil"])
                    .map(|(name, _)| name.clone())
                    .filter(|name| name != "pimreg")
                    .collect(),
            })
            .collect()
    }

    /// One of them.
    #[track_caller]
    pub fn mroute(&self, source: &str, group: Ipv4Addr) -> Option<Mroute> {
        let mut all = self.mroutes().into_iter();
        all.find(|mroute| mroute.source == source && mroute.group == group)
    }
}

/// The members of an object, none of anything else.
fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// What is under each group and source: `{"239.1.1.1": {"*": {}, "10.0.0.2": {}}}`. Members of other names are passed
/// over.
fn entries(value: &Value) -> impl Iterator<Item = (String, Ipv4Addr, &Value)> {
    let groups = members(value).filter_map(|(name, sources)| Some((name.parse().ok()?, sources)));
    groups.flat_map(|(group, sources): (Ipv4Addr, _)| {
        members(sources).map(move |(source, entry)| (source.clone(), group, entry))
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
