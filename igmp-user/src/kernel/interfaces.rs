//! Configuration, usage and counters of interfaces.

use aya::maps::PerCpuValues;
use igmp_wire::abi::{InterfaceConfig, InterfaceCounters, InterfaceKey, InterfaceUsage, MAX_DEVICES};

use super::{Kernel, KernelError};
use crate::sys::Plain;

/// Whether the XDP program finds what has this key by the index alone.
fn is_device(key: InterfaceKey) -> bool {
    key.vlan == 0 && key.ifindex < MAX_DEVICES
}

impl Kernel {
    /// Tells the XDP program what to do with IGMP on an interface or VLAN.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn set_interface(&mut self, key: InterfaceKey, config: &InterfaceConfig) -> Result<(), KernelError> {
        let what = "configure an interface in the kernel";
        // What leads to it comes last.
        self.configs
            .set(config.slot, Plain(*config), 0)
            .map_err(KernelError::map(what))?;
        // The map has every interface, for those that follow this process as well.
        self.interfaces
            .insert(Plain(key), Plain(*config), 0)
            .map_err(KernelError::map(what))?;
        if is_device(key) {
            self.devices
                .set(key.ifindex, config.slot + 1, 0)
                .map_err(KernelError::map(what))?;
        }
        Ok(())
    }

    /// Lets the XDP program forget an interface or VLAN. Nothing happens where it does not know it.
    pub fn remove_interface(&mut self, key: InterfaceKey) {
        if is_device(key) {
            // The index is one that the array has.
            let _ = self.devices.set(key.ifindex, 0, 0);
        }
        // The only failure is that there is no such key.
        let _ = self.interfaces.remove(&Plain(key));
    }

    /// The interfaces that the XDP program knows; after a restart, those of the earlier igmpd.
    pub fn interfaces(&self) -> Vec<(InterfaceKey, InterfaceConfig)> {
        self.interfaces
            .iter()
            .flatten()
            .map(|(Plain(key), Plain(config))| (key, config))
            .collect()
    }

    /// What was counted for a slot since it got its owner, all CPUs together.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn counters(&self, slot: u32) -> Result<InterfaceCounters, KernelError> {
        let values = self
            .counters
            .get(&slot, 0)
            .map_err(KernelError::map("read counters"))?;
        let mut sum = InterfaceCounters::default();
        for Plain(counters) in values.iter() {
            sum.add(counters);
        }
        Ok(sum)
    }

    /// Prepares a slot for a new owner: counters and usage begin at zero. The slot's groups must be gone.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn reset_slot(&mut self, slot: u32) -> Result<(), KernelError> {
        let cpus = self
            .counters
            .get(&slot, 0)
            .map_err(KernelError::map("read counters"))?
            .len();
        let zero = vec![Plain(InterfaceCounters::default()); cpus];
        let values = PerCpuValues::try_from(zero).map_err(|source| KernelError::Map {
            what: "reset counters",
            source: Box::new(source.into()),
        })?;
        self.counters
            .set(slot, values, 0)
            .map_err(KernelError::map("reset counters"))?;
        self.usage
            .set(slot, Plain(InterfaceUsage::default()), 0)
            .map_err(KernelError::map("reset the usage of an interface"))
    }

    /// How many groups of a slot are in the kernel's map.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn groups_in_use(&self, slot: u32) -> Result<u32, KernelError> {
        let Plain(usage) = self
            .usage
            .get(&slot, 0)
            .map_err(KernelError::map("read the usage of an interface"))?;
        Ok(usage.groups)
    }
}
