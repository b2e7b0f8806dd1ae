//! What breaks, and how it is repaired.

use core::net::Ipv4Addr;

use super::{
    World,
    happening::{Happening, Repair},
};
use crate::message::Node;

impl World<'_> {
    pub(super) fn disturb(&mut self) {
        if self.calm {
            return;
        }
        let scenario = self.scenario;
        let gap = self.rng.delay(scenario.disturbance_gap * 2);
        self.plan(gap, Happening::Disturb);
        let index = self.rng.below(self.routers.len() as u64) as usize;
        let outage = self.rng.delay(scenario.config.query_interval * 4);
        let now = self.now;
        match self.rng.below(6) {
            0 | 1 if self.routers[index].alive => {
                let keep_maps = self.rng.chance(500);
                self.trace.note(now, None, || {
                    format!("router {index} is killed, maps kept: {keep_maps}")
                });
                self.routers[index].kill(keep_maps, scenario);
                self.armed.remove(&Node::Router(index));
                if !keep_maps {
                    self.routers[index].ledger.end_all(now);
                }
                self.plan(outage, Happening::Repair(Repair::Restart(index)));
            }
            2 if self.routers[index].alive && self.routers[index].up => {
                self.trace
                    .note(now, None, || format!("router {index}: the interface goes down"));
                self.routers[index].up = false;
                self.routers[index].announce(scenario);
                self.arm_router(index);
                self.plan(outage, Happening::Repair(Repair::LinkUp(index)));
            }
            3 if self.routers[index].alive && self.routers[index].up => {
                self.trace
                    .note(now, None, || format!("router {index}: memberships are cleared"));
                self.routers[index].clear();
                self.arm_router(index);
            }
            4 if self.link.island.is_empty() => {
                let nodes = self.nodes.clone();
                for node in nodes {
                    if self.rng.chance(400) {
                        self.link.island.insert(node);
                    }
                }
                let island = self.link.island.clone();
                self.trace.note(now, None, || format!("cut off: {island:?}"));
                self.plan(outage, Happening::Repair(Repair::Rejoin));
            }
            5 if self.routers[index].alive && self.routers[index].up => {
                // Addresses of which no other router has the last number.
                let last = 10 + 10 * index as u8 + self.rng.below(5) as u8;
                let address = if self.rng.chance(500) {
                    Ipv4Addr::new(10, 0, 0, last)
                } else {
                    scenario.routers[index]
                };
                self.trace
                    .note(now, None, || format!("router {index} has address {address}"));
                self.routers[index].address = address;
                self.routers[index].announce(scenario);
                self.arm_router(index);
            }
            _ => {}
        }
    }

    pub(super) fn repair(&mut self, repair: Repair) {
        let now = self.now;
        match repair {
            Repair::Restart(index) if !self.routers[index].alive => {
                self.trace
                    .note(now, None, || format!("router {index} starts again"));
                self.routers[index].restart(now, self.scenario);
                self.arm_router(index);
                let at = now + self.scenario.handling();
                self.plan_look(index, at);
            }
            Repair::LinkUp(index) if !self.routers[index].up => {
                self.trace
                    .note(now, None, || format!("router {index}: the interface comes up"));
                self.routers[index].up = true;
                if self.routers[index].alive {
                    self.routers[index].announce(self.scenario);
                    self.arm_router(index);
                }
            }
            Repair::Rejoin => self.link.island.clear(),
            _ => {}
        }
    }

    pub(super) fn come_to_rest(&mut self) {
        let now = self.now;
        self.trace.note(now, None, || "all is calm".into());
        self.calm = true;
        self.link.calm();
        for index in 0..self.routers.len() {
            self.repair(Repair::LinkUp(index));
            self.repair(Repair::Restart(index));
        }
        self.lost_at_rest = self.routers.iter().map(|router| router.kernel.lost).collect();
    }
}
