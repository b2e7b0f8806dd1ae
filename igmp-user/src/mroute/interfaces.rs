//! Interfaces that come and go.

use std::collections::BTreeMap;

use igmp_core::Instant;

use super::{
    InterfaceError, KernelRouting, RoutingSocket, SlotCounters, Traffic, VifWanted,
    look::{SlotRecord, add},
    vifs::Vif,
};

impl<S: RoutingSocket> KernelRouting<S> {
    /// Says which interfaces multicast data is to be forwarded on, by slot. Call it whenever the kernel's interfaces or
    /// the configuration changed.
    ///
    /// An interface that is already served keeps its virtual interface, one that the kernel made anew gets another one,
    /// and where there are too many the lowest slots come first. Entries follow: a flow that arrived on an interface
    /// which is gone is asked for again.
    ///
    /// Returns why interfaces are not served, each once for as long as it stays so.
    pub fn set_interfaces(&mut self, now: Instant, wanted: &BTreeMap<u32, VifWanted>) -> Vec<InterfaceError> {
        self.unserved
            .retain(|slot, name| wanted.get(slot).is_some_and(|wanted| wanted.name == *name));
        if self.drop_vifs(wanted) {
            // Before their numbers mean other interfaces. Flows that arrived there lose their entry.
            self.refresh_all(now);
        }
        let mut errors = Vec::new();
        let mut added = false;
        for (&slot, interface) in wanted {
            if self.vifs.of(slot).is_some() {
                continue;
            }
            match self.add_vif(slot, interface) {
                Ok(()) => {
                    added = true;
                    self.unserved.remove(&slot);
                }
                Err(error) => {
                    if self.unserved.insert(slot, interface.name.clone()).is_none() {
                        errors.push(error);
                    }
                }
            }
        }
        if added {
            self.ask_again(now);
            self.refresh_all(now);
        }
        errors
    }

    /// The interfaces that are wanted and not served, by slot.
    pub fn unserved(&self) -> &BTreeMap<u32, String> {
        &self.unserved
    }

    /// Takes back the virtual interfaces that are not wanted as they are. `false` where there were none.
    fn drop_vifs(&mut self, wanted: &BTreeMap<u32, VifWanted>) -> bool {
        let known: Vec<_> = self
            .vifs
            .iter()
            .map(|(number, vif)| (number, vif.clone()))
            .collect();
        let mut dropped = false;
        for (number, vif) in known {
            // The kernel takes a virtual interface back together with its interface, whose index may be used again.
            let exists = self.socket.vif_counters(number).is_ok();
            if exists && wanted.get(&vif.slot) == Some(&vif.wanted) {
                continue;
            }
            let forwarded = self.vif_forwarded(number);
            if let Some(record) = self.slots.get_mut(&vif.slot) {
                add(&mut record.counted.forwarded, forwarded);
            }
            // The kernel may have been first.
            let _ = self.socket.remove_vif(number);
            self.vifs.remove(number);
            dropped = true;
        }
        dropped
    }

    /// Gives an interface a virtual interface.
    fn add_vif(&mut self, slot: u32, interface: &VifWanted) -> Result<(), InterfaceError> {
        let Some(number) = self.vifs.free() else {
            return Err(InterfaceError::Limit {
                interface: interface.name.clone(),
            });
        };
        self.socket
            .add_vif(number, interface.ifindex)
            .map_err(|source| InterfaceError::Refused {
                interface: interface.name.clone(),
                source,
            })?;
        let vif = Vif {
            slot,
            wanted: interface.clone(),
            forwarded: Traffic::default(),
        };
        self.vifs.insert(number, vif);
        let record = self.slots.entry(slot).or_insert_with(|| SlotRecord {
            name: interface.name.clone(),
            counted: SlotCounters::default(),
        });
        if record.name != interface.name {
            // Another interface has the slot now, and begins from nothing.
            *record = SlotRecord {
                name: interface.name.clone(),
                counted: SlotCounters::default(),
            };
        }
        Ok(())
    }

    /// Removes the entries that had no way to their source, for it may lead over a new interface.
    fn ask_again(&mut self, now: Instant) {
        for flow in self.entries.flows() {
            let lost = self.entries.get(flow).is_some_and(|entry| !entry.has_path());
            if lost {
                self.remove(now, flow);
            }
        }
    }

    fn refresh_all(&mut self, now: Instant) {
        for flow in self.entries.flows() {
            self.refresh(now, flow);
        }
    }
}
