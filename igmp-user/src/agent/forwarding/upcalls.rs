//! What the kernel asks and counts where its multicast routing carries packets.

use std::{collections::BTreeMap, io, os::fd::OwnedFd};

use igmp_core::Instant;
use igmp_wire::{Refusal, abi::InterfaceCounters};

use super::Engine;
use crate::{
    agent::{Agent, clock},
    mroute::Flow,
};

impl Agent {
    /// The descriptor on which the kernel asks what to do with packets, where its multicast routing carries them.
    pub(in crate::agent) fn upcall_fd(&self) -> Option<io::Result<OwnedFd>> {
        match &self.forwarding.engine {
            Engine::Kernel(kernel) => Some(kernel.fd()),
            Engine::None | Engine::Xdp(_) => None,
        }
    }

    /// Answers what the kernel asks. Returns whether there is nothing more to be read for now.
    pub(in crate::agent) fn answer_upcalls(&mut self) -> bool {
        let Engine::Kernel(kernel) = &mut self.forwarding.engine else {
            return true;
        };
        let (done, unlocated) = kernel.receive(clock::now(), &self.forwarding.sources);
        let packets = kernel.take_packets();
        self.ask_for(unlocated);
        self.tell_pim_of_packets(packets);
        done
    }

    /// Tells PIM of packets that the kernel's multicast routing has told of.
    pub(super) fn tell_pim_of_packets(&mut self, packets: Vec<(u32, Flow)>) {
        if packets.is_empty() {
            return;
        }
        for (slot, Flow { group, source }) in packets {
            self.pim_packet(slot, source, group);
        }
        self.run_pim();
    }

    /// Serves what is due.
    pub(in crate::agent) fn serve_forwarding(&mut self, now: Instant) {
        let Engine::Kernel(kernel) = &mut self.forwarding.engine else {
            return;
        };
        let unlocated = kernel.serve(now, &self.forwarding.sources);
        let packets = kernel.take_packets();
        self.ask_for(unlocated);
        self.tell_pim_of_packets(packets);
    }

    /// What the kernel's multicast routing counted, by slot, where it carries packets.
    pub(in crate::agent) fn carried_by_kernel(&mut self) -> BTreeMap<u32, InterfaceCounters> {
        let Engine::Kernel(kernel) = &mut self.forwarding.engine else {
            return BTreeMap::new();
        };
        kernel.read_counters(clock::now());
        let slots = self.interfaces.values().filter_map(|served| served.slot);
        slots
            .filter_map(|slot| {
                let counted = kernel.counters(slot)?;
                let mut counters = InterfaceCounters {
                    forwarded_packets: counted.forwarded.packets,
                    forwarded_bytes: counted.forwarded.bytes,
                    ..InterfaceCounters::default()
                };
                for (refusal, count) in [
                    (Refusal::Rpf, counted.rpf),
                    (Refusal::NoMembers, counted.no_members),
                ] {
                    if let Some(counter) = counters.dropped.get_mut(refusal as usize) {
                        *counter = count;
                    }
                }
                Some((slot, counters))
            })
            .collect()
    }
}
