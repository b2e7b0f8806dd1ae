//! What hosts are promised, and from when on.

use core::net::Ipv4Addr;

use igmp_wire::address;

use super::World;
use crate::scenario::Weather;

impl World<'_> {
    /// Whether the routers are to forward a source for this host, by what it can say and they can hear.
    pub(super) fn counts(&self, host: usize, group: Ipv4Addr, source: Ipv4Addr) -> bool {
        let host = &self.hosts[host];
        let filter = host.filter(group);
        if address::is_ssm(group) {
            // Only version 3 counts there (RFC 4604 §3.5).
            return host.mode() == 3
                && self.scenario.config.version == 3
                && !filter.exclude
                && filter.wants(source);
        }
        if host.mode().min(self.scenario.config.version) < 3 {
            // Versions 1 and 2 ask for all sources.
            return filter.is_member();
        }
        filter.wants(source)
    }

    /// Takes down from when on a host is promised its traffic.
    pub(super) fn update_wanted(&mut self, host: usize) {
        let scenario = self.scenario;
        let mode = self.hosts[host].mode();
        for (group_index, &group) in scenario.groups.iter().enumerate() {
            // To a host that speaks an older version a wish for more sources of a group is no change, and it says nothing:
            // it relies on what it has said of the group before.
            let reported = (self
                .wanted
                .range((host, group_index, 0)..(host, group_index + 1, 0)))
            .map(|(_, &from)| from)
            .max()
            .filter(|_| mode < 3);
            for (source_index, &source) in scenario.sources.iter().enumerate() {
                let key = (host, group_index, source_index);
                // A host of a newer version than the interface counts for what it will be heard to say.
                let filter = self.hosts[host].filter(group);
                let wants =
                    filter.wants(source) && (!address::is_ssm(group) || self.counts(host, group, source));
                if !wants {
                    self.wanted.remove(&key);
                } else if !self.wanted.contains_key(&key) {
                    let from = reported
                        .unwrap_or(self.now + scenario.join_time(mode))
                        .max(self.now);
                    self.wanted.insert(key, from);
                    if scenario.weather == Weather::Fair {
                        for router in 0..self.routers.len() {
                            self.plan_look(router, from);
                        }
                    }
                }
            }
        }
    }
}
