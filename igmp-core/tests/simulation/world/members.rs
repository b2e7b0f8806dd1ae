//! Hosts that join, leave and answer.

use core::net::Ipv4Addr;

use igmp_wire::address;

use super::{World, happening::Happening};
use crate::{
    host::{Filter, Outgoing},
    message::{Frame, Node},
};

impl World<'_> {
    pub(super) fn arm_host(&mut self, index: usize) {
        let Some(at) = self.hosts[index].deadline() else {
            return;
        };
        if self.armed.get(&Node::Host(index)).is_none_or(|&armed| at < armed) {
            self.armed.insert(Node::Host(index), at);
            self.plan_at(at, Happening::Host(index));
        }
    }

    pub(super) fn host_fires(&mut self, index: usize) {
        self.armed.remove(&Node::Host(index));
        let out = self.hosts[index].fire(self.now, &mut self.rng);
        self.host_sends(index, out);
        self.arm_host(index);
    }

    fn host_sends(&mut self, index: usize, out: Vec<Outgoing>) {
        let source = self.hosts[index].address;
        for Outgoing { message, answers } in out {
            self.send(Frame {
                from: Node::Host(index),
                source,
                message,
                answers,
                query: None,
            });
        }
    }

    pub(super) fn change(&mut self) {
        if self.calm {
            return;
        }
        let gap = self.rng.delay(self.scenario.action_gap * 2);
        self.plan(gap, Happening::Change);
        let index = self.rng.below(self.hosts.len() as u64) as usize;
        if self.rng.chance(30) {
            let now = self.now;
            self.trace.note(now, None, || format!("host {index} vanishes"));
            self.hosts[index].vanish();
            self.update_wanted(index);
            return;
        }
        let group_index = self.rng.below(self.scenario.groups.len() as u64) as usize;
        let group = self.scenario.groups[group_index];
        let filter = self.draw_filter(index, group);
        let now = self.now;
        self.trace.note(now, Some(group), || {
            format!("host {index} wants {filter:?} of {group}")
        });
        let out = self.hosts[index].set_filter(now, group, filter, &mut self.rng);
        self.host_sends(index, out);
        self.arm_host(index);
        self.update_wanted(index);
    }

    fn draw_filter(&mut self, host: usize, group: Ipv4Addr) -> Filter {
        let rng = &mut self.rng;
        // Leaving must be common enough that groups do end.
        if rng.chance(350) {
            return Filter::default();
        }
        // Hosts do not exclude sources in the source-specific range (RFC 4604 §2.2.1), and older ones cannot list any.
        let exclude = self.hosts[host].version < 3 || (!address::is_ssm(group) && rng.chance(500));
        let mut filter = Filter {
            exclude,
            ..Filter::default()
        };
        if self.hosts[host].version == 3 && !(exclude && rng.chance(500)) {
            let named = &self.scenario.sources[..self.scenario.sources.len() - 1];
            for &source in named {
                if rng.chance(500) {
                    filter.sources.insert(source);
                }
            }
        }
        filter
    }
}
