//! FRR's view of IGMP, as its pimd prints it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use serde_json::Value;

use super::Frr;
use crate::{json::FilterMode, wait_for};

/// The wishes of FRR's downstream network: sources of each group, none for any.
pub type Wishes = BTreeMap<Ipv4Addr, BTreeSet<Ipv4Addr>>;

impl Frr {
    /// How many groups have members on any interface.
    #[track_caller]
    pub fn groups_count(&self) -> u64 {
        let all = self.show("show ip igmp groups json");
        all["totalGroups"].as_u64().unwrap_or_default()
    }

    /// The groups that have members on an interface, and their filter modes.
    #[track_caller]
    pub fn groups(&self, interface: &str) -> BTreeMap<Ipv4Addr, FilterMode> {
        let all = self.show("show ip igmp groups json");
        let groups = all[interface]["groups"].as_array().cloned().unwrap_or_default();
        groups
            .iter()
            .filter_map(|group| {
                let mode = match group["mode"].as_str()? {
                    "EXCLUDE" => FilterMode::Exclude,
                    _ => FilterMode::Include,
                };
                Some((group["group"].as_str()?.parse().ok()?, mode))
            })
            .collect()
    }

    /// The sources that are wanted on an interface. A group of any source has none.
    #[track_caller]
    pub fn wishes(&self, interface: &str) -> Wishes {
        let all = self.show("show ip igmp sources json");
        let groups = all[interface].as_object().cloned().unwrap_or_default();
        groups
            .values()
            .filter_map(|group| Some((group["group"].as_str()?.parse().ok()?, wanted(group))))
            .collect()
    }

    /// Waits until exactly this is wanted on an interface.
    #[track_caller]
    pub fn wait_wishes(&self, interface: &str, timeout: std::time::Duration, expected: &Wishes) {
        wait_for(&format!("FRR to know {expected:?}"), timeout, || {
            let found = self.wishes(interface);
            if found == *expected {
                Ok(())
            } else {
                Err(format!("{found:?}"))
            }
        });
    }
}

fn wanted(group: &Value) -> BTreeSet<Ipv4Addr> {
    let sources = group["sources"].as_array().cloned().unwrap_or_default();
    sources
        .iter()
        .filter(|source| source["forwarded"] == true)
        .filter_map(|source| source["source"].as_str()?.parse().ok())
        .collect()
}
