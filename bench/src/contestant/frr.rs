//! FRRouting's pimd.

use ::tests::{Frr, Namespace, Network};
use anyhow::{Result, bail};

use super::{
    Contestant,
    raw_queue::{Queued, RawQueue},
};

/// The configuration of pimd.
const CONFIG: &str = include_str!("../../contestants/frr.conf");

/// FRRouting's zebra and pimd in a namespace.
#[derive(Debug)]
pub(crate) struct FrrPimd {
    frr: Frr,
    queue: RawQueue,
    device: String,
    before: Queued,
}

impl FrrPimd {
    /// Starts them with the configuration of all measurements, and waits until IGMP runs on the device.
    ///
    /// # Errors
    ///
    /// When the sockets of the namespace are not shown.
    ///
    /// # Panics
    ///
    /// When FRR is missing or does not start.
    pub(crate) fn start(network: &Network, namespace: &Namespace, device: &str) -> Result<Self> {
        Self::start_with(network, namespace, device, CONFIG)
    }

    /// Starts them with another configuration.
    ///
    /// # Errors
    ///
    /// As those of [`start`](Self::start).
    pub(crate) fn start_with(
        network: &Network,
        namespace: &Namespace,
        device: &str,
        config: &str,
    ) -> Result<Self> {
        let frr = Frr::start(network, namespace, config);
        ::tests::wait_for("pimd to be the querier", ::tests::PATIENCE, || {
            let interface = frr.show("show ip igmp interface json");
            if interface[device]["state"] == "up" {
                Ok(())
            } else {
                Err(interface.to_string())
            }
        });
        let mut queue = RawQueue::open(namespace)?;
        let before = queue.look()?;
        if before.sockets == 0 {
            bail!("pimd has no socket for IGMP");
        }
        Ok(Self {
            frr,
            queue,
            device: device.to_owned(),
            before,
        })
    }
}

impl Contestant for FrrPimd {
    fn processes(&mut self) -> Vec<u32> {
        vec![self.frr.pimd().pid()]
    }

    fn known(&mut self) -> Result<u64> {
        // Without JSON this is a line for each interface; with it, one for each group.
        let text = self.frr.text("show ip igmp groups");
        let total = text
            .lines()
            .find_map(|line| line.strip_prefix("Total IGMP groups:"))
            .and_then(|rest| rest.trim().parse().ok());
        let Some(total) = total else {
            bail!("pimd tells no number of groups on {}", self.device);
        };
        Ok(total)
    }

    fn is_busy(&mut self) -> Result<bool> {
        Ok(self.queue.look()?.bytes > 0)
    }

    fn losses(&mut self) -> Result<Vec<(&'static str, u64)>> {
        let now = self.queue.look()?;
        Ok(vec![("socket full", now.drops - self.before.drops)])
    }
}
