//! Attaching the classifier to the interfaces that packets are forwarded from.

use std::collections::BTreeMap;

use tracing::error;

use crate::agent::Agent;

impl Agent {
    /// Attaches the classifier wherever packets are forwarded from, and detaches it elsewhere.
    ///
    /// The kernel waits for a grace period of RCU with each interface that it is new to, some 10 ms.
    pub(super) fn attach_classifiers(&mut self) {
        let mut wanted = BTreeMap::new();
        for (name, served) in &self.interfaces {
            if let Some(binding) = &served.wanted.binding
                && self.forwarding_flags(name, served) != 0
                && let Some(attached) = self.attached.get(&binding.ifindex)
            {
                wanted.insert(binding.ifindex, attached.name().to_owned());
            }
        }
        for ifindex in self.kernel.classifiers() {
            if !wanted.contains_key(&ifindex) {
                self.kernel.detach_classifier(ifindex);
            }
        }
        for (ifindex, name) in wanted {
            if let Err(error) = self.kernel.attach_classifier(ifindex, &name) {
                error!(interface = name, "{error}");
            }
        }
    }
}
