//! Attaching the classifier to the interfaces that packets are forwarded from.
//!
//! The kernel waits for a grace period of RCU with each interface that it is new to, some 10 ms, so that with many
//! interfaces queries would come late. A few are attached at once, and the others while the agent does its work.

use std::collections::{BTreeMap, VecDeque};

use tracing::error;

use crate::agent::Agent;

/// How many are attached at a time.
const AT_ONCE: usize = 8;

/// What is to be done yet.
#[derive(Debug, Default)]
pub(super) struct Classifiers {
    /// Interfaces that wait for the classifier, by index and name.
    waiting: VecDeque<(u32, String)>,
    /// Whether what an earlier agent left, and nobody took over, is to be dropped when nobody waits any more.
    drops_stale: bool,
}

impl Classifiers {
    /// Whether anything is to be done.
    pub(super) fn is_due(&self) -> bool {
        !self.waiting.is_empty() || self.drops_stale
    }
}

impl Agent {
    /// Begins to attach the classifier wherever packets are forwarded from, and detaches it elsewhere.
    pub(super) fn reconcile_classifiers(&mut self) {
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
            if wanted.remove(&ifindex).is_none() {
                self.kernel.detach_classifier(ifindex);
            }
        }
        self.forwarding.classifiers.waiting = wanted.into_iter().collect();
        self.attach_classifiers();
    }

    /// Attaches the next few.
    pub(super) fn attach_classifiers(&mut self) {
        let classifiers = &mut self.forwarding.classifiers;
        let count = classifiers.waiting.len().min(AT_ONCE);
        for (ifindex, name) in classifiers.waiting.drain(..count) {
            if let Err(error) = self.kernel.attach_classifier(ifindex, &name) {
                error!(interface = name, "{error}");
            }
        }
        if classifiers.waiting.is_empty() && std::mem::take(&mut classifiers.drops_stale) {
            self.kernel.drop_stale_classifiers();
        }
    }

    /// Drops what an earlier agent left, as soon as all that is wanted has been taken over.
    pub(in crate::agent) fn drop_stale_classifiers(&mut self) {
        self.forwarding.classifiers.drops_stale = true;
    }
}
