//! Bringing the kernel and the core to what is wanted.
//!
//! Everything that changes what is wanted (a configuration, an interface that comes, goes, changes) ends here, and here
//! is the only place that attaches, tells the kernel about interfaces and tells the core that one is up or down.

use std::collections::BTreeMap;

use igmp_core::{Duration, Event, Instant};
use igmp_wire::abi::{InterfaceFlags, InterfaceKey};
use tracing::{error, info, warn};

use super::{
    Agent, clock,
    plan::{Attachment, Binding, Plan},
    served::{CoreState, Served},
    translate,
};
use crate::{
    api::{MonitorEventKind, MonitorReason},
    config::XdpMode as Mode,
    kernel::{XdpMode, XdpWish},
    sys,
};

/// How long to wait before the program is attached again where that failed: somebody else's may be gone by then.
const ATTACH_RETRY: Duration = Duration::from_secs(5);

/// An attachment and how it went.
#[derive(Debug)]
pub(super) struct Attached {
    wanted: Attachment,
    outcome: Result<XdpMode, Failure>,
}

#[derive(Debug)]
struct Failure {
    message: String,
    retry: Instant,
}

impl Attached {
    /// The interface's name.
    pub(super) fn name(&self) -> &str {
        &self.wanted.name
    }

    /// The mode, where the program is attached.
    pub(super) fn mode(&self) -> Option<XdpMode> {
        self.outcome.as_ref().ok().copied()
    }

    /// When to try again, where that failed.
    pub(super) fn retry(&self) -> Option<Instant> {
        self.outcome.as_ref().err().map(|failure| failure.retry)
    }
}

impl Agent {
    /// Makes a new plan and carries it out.
    pub(super) fn reconcile(&mut self) {
        let plan = Plan::new(&self.config, &self.snapshot);
        for remark in plan.remarks.difference(&self.remarks) {
            warn!("{remark}");
        }
        let Plan {
            mut interfaces,
            attachments,
            remarks,
        } = plan;
        self.remarks = remarks;

        let gone: Vec<String> = self
            .interfaces
            .keys()
            .filter(|name| !interfaces.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            self.stop_serving(&name);
            self.interfaces.remove(&name);
        }
        self.attach(attachments);
        for (name, wanted) in std::mem::take(&mut interfaces) {
            self.interfaces
                .entry(name.clone())
                .and_modify(|served| served.wanted = wanted.clone())
                .or_insert_with(|| Served::new(wanted));
        }
        let names: Vec<String> = self.interfaces.keys().cloned().collect();
        // What is over goes first, since an interface may have got the name of another one.
        for name in &names {
            self.let_go(name);
        }
        self.withdraw_pim();
        for name in &names {
            self.serve(name);
        }
        // Hosts take their time to answer, and with many interfaces forwarding takes the kernel some.
        self.send_first_queries();
        self.reconcile_pim();
        self.reconcile_proxy();
        self.reconcile_forwarding();
        self.carry_out(clock::now());
    }

    /// Attaches where the program is not attached yet, and detaches where it should not be any more.
    fn attach(&mut self, wanted: BTreeMap<u32, Attachment>) {
        let now = clock::now();
        let old: Vec<u32> = self
            .attached
            .keys()
            .filter(|ifindex| !wanted.contains_key(ifindex))
            .copied()
            .collect();
        for ifindex in old {
            self.kernel.detach(ifindex);
            self.attached.remove(&ifindex);
        }
        for (ifindex, wanted) in wanted {
            let before = self.attached.remove(&ifindex);
            if wanted.tagged && before.as_ref().is_none_or(|before| !before.wanted.tagged) {
                warn_of_stripped_tags(&wanted.name);
            }
            let keep = before.as_ref().is_some_and(|attached| {
                let same = attached.wanted.mode == wanted.mode;
                same && attached.retry().is_none_or(|retry| now < retry)
            });
            let attached = match before {
                Some(attached) if keep => Attached { wanted, ..attached },
                before => self.attach_one(now, ifindex, wanted, before),
            };
            self.attached.insert(ifindex, attached);
        }
    }

    fn attach_one(
        &mut self,
        now: Instant,
        ifindex: u32,
        wanted: Attachment,
        before: Option<Attached>,
    ) -> Attached {
        let name = wanted.name.as_str();
        let wish = match wanted.mode {
            Mode::Auto => XdpWish::Auto,
            Mode::Native => XdpWish::Native,
            Mode::Generic => XdpWish::Generic,
        };
        let outcome = match self.kernel.attach(ifindex, name, wish) {
            Ok(mode) => {
                info!(interface = name, mode = mode.name(), "attached the XDP program");
                if wish == XdpWish::Auto && mode == XdpMode::Generic {
                    warn!(
                        interface = name,
                        "the driver cannot run XDP programs, so this one runs in the network stack, which is slower"
                    );
                }
                Ok(mode)
            }
            Err(error) => {
                let message = error.to_string();
                let said = before.and_then(|attached| attached.outcome.err());
                if said.is_none_or(|failure| failure.message != message) {
                    error!(interface = name, "{message}");
                }
                Err(Failure {
                    message,
                    retry: now + ATTACH_RETRY,
                })
            }
        };
        Attached { wanted, outcome }
    }

    /// Whether an attachment that failed is to be tried again.
    pub(super) fn attach_is_due(&self, now: Instant) -> bool {
        self.attached
            .values()
            .any(|attached| attached.retry().is_some_and(|retry| retry <= now))
    }

    /// Ends what does not hold any more of an interface.
    fn let_go(&mut self, name: &str) {
        let Some(served) = self.interfaces.get(name) else {
            return;
        };
        if !served.wanted.served {
            self.stop_serving(name);
            return;
        }
        // Where there is another interface under the same name, what was known of the old one does not hold for it. The slot
        // stays, and with it the counters, because the interface is still configured.
        let key = served.wanted.binding.as_ref().map(Binding::key);
        if key.is_none() || served.kernel.is_some_and(|(known, _)| Some(known) != key) {
            self.take_down(name);
            self.forget_key(name);
        }
    }

    /// Brings one interface to what is wanted of it.
    fn serve(&mut self, name: &str) {
        let Some(served) = self.interfaces.get(name) else {
            return;
        };
        let (Some(binding), true) = (served.wanted.binding.clone(), served.wanted.served) else {
            return;
        };
        let key = binding.key();
        let Some(slot) = self.slot_of(name, key) else {
            return;
        };

        let Some(served) = self.interfaces.get(name) else {
            return;
        };
        let attached = self
            .attached
            .get(&binding.ifindex)
            .is_some_and(|attached| attached.mode().is_some());
        let wanted = served.wanted.clone();
        let forwarding_flags = self.forwarding_flags(name, served);
        let speaks_igmp = wanted.igmp.is_some() || wanted.host.is_some();
        let active = speaks_igmp && binding.up && binding.mac.is_some() && attached;
        if !active || wanted.igmp.is_none() {
            self.take_down(name);
        }
        // The XDP program is told first that an interface is up, and last that it is down: what it hands over is then
        // never for an interface that the core does not know.
        let mut config = binding.kernel_config(slot, &wanted, active);
        config.flags |= forwarding_flags;
        let forwards = config.has(InterfaceFlags::FORWARD);
        self.tell_kernel(name, key, config);
        self.receive_all_multicast(name, (active || forwards).then_some(binding.ifindex));
        if let Some(igmp) = wanted.igmp
            && active
        {
            let state = CoreState {
                config: igmp.protocol,
                address: binding.address(),
                mtu: binding.mtu,
            };
            self.bring_up(name, state);
        }
    }

    /// The slot of an interface: the one that it has, the one that it had under an earlier agent, or a free one.
    fn slot_of(&mut self, name: &str, key: InterfaceKey) -> Option<u32> {
        let served = self.interfaces.get_mut(name)?;
        if served.slot.is_some() {
            return served.slot;
        }
        let earlier = self.adopted.remove(&key);
        let slot = match earlier {
            Some(slot) if self.slots.reclaim(slot, name) => slot,
            _ => {
                let Some(slot) = self.slots.take(name) else {
                    error!(
                        interface = name,
                        "there are more interfaces than igmpd can serve; it will be served when another one is \
                         removed from the configuration"
                    );
                    return None;
                };
                if let Err(error) = self.kernel.reset_slot(slot) {
                    warn!(interface = name, "{error}");
                }
                slot
            }
        };
        served.slot = Some(slot);
        Some(slot)
    }

    fn tell_kernel(&mut self, name: &str, key: InterfaceKey, config: igmp_wire::abi::InterfaceConfig) {
        let Some(served) = self.interfaces.get_mut(name) else {
            return;
        };
        if served.kernel == Some((key, config)) {
            return;
        }
        match self.kernel.set_interface(key, &config) {
            Ok(()) => served.kernel = Some((key, config)),
            Err(error) => error!(interface = name, "{error}"),
        }
    }

    /// Tells the core that the interface is up, or what has changed about it.
    fn bring_up(&mut self, name: &str, state: CoreState) {
        let Some(served) = self.interfaces.get_mut(name) else {
            return;
        };
        let Some(interface) = served.id() else { return };
        if served.core.as_ref() == Some(&state) {
            return;
        }
        let was_up = served.core.replace(state.clone()).is_some();
        let CoreState { config, address, mtu } = state;
        if !was_up {
            info!(
                interface = name,
                address = address.map(tracing::field::display),
                version = config.version,
                "interface up"
            );
            self.publish(translate::about_interface(
                MonitorEventKind::InterfaceUp,
                name,
                MonitorReason::Interface,
            ));
        }
        if address.is_none() {
            warn!(
                interface = name,
                "the interface has no IPv4 address, so no queries are sent there until it gets one"
            );
        }
        let event = Event::InterfaceUp {
            interface,
            config,
            address,
            mtu,
        };
        self.handle(event);
        if !was_up && self.kernel.groups_in_use(interface.0).unwrap_or(0) > 0 {
            // Groups that reports made while the core did not know the interface.
            self.scan_at = Some(clock::now());
        }
    }

    /// Tells the XDP program and the core that the interface is down. Its memberships end.
    fn take_down(&mut self, name: &str) {
        let Some(served) = self.interfaces.get_mut(name) else {
            return;
        };
        let Some(interface) = served.id() else { return };
        if served.core.take().is_none() {
            return;
        }
        if let Some((key, mut config)) = served.kernel {
            config.flags &= !InterfaceFlags::IGMP;
            self.tell_kernel(name, key, config);
        }
        info!(interface = name, "interface down");
        // What is still in the ring was received before the interface went down, so it belongs before the event.
        self.drain_ring();
        let refused = self.refused_by_core(interface);
        if let Some(served) = self.interfaces.get_mut(name) {
            served.refused_before += refused;
        }
        self.handle(Event::InterfaceDown { interface });
        // At once, because what the core says is about an interface that may lose its slot next.
        self.carry_out(clock::now());
        self.publish(translate::about_interface(
            MonitorEventKind::InterfaceDown,
            name,
            MonitorReason::Interface,
        ));
    }

    fn forget_key(&mut self, name: &str) {
        self.receive_all_multicast(name, None);
        if let Some(served) = self.interfaces.get_mut(name)
            && let Some((key, _)) = served.kernel.take()
        {
            self.kernel.remove_interface(key);
        }
    }

    fn stop_serving(&mut self, name: &str) {
        self.take_down(name);
        self.forget_key(name);
        if let Some(served) = self.interfaces.get_mut(name)
            && let Some(slot) = served.slot.take()
        {
            self.slots.give_back(slot);
        }
    }

    /// Reports of version 1 and 2 are addressed to the groups themselves, for which the interface has no filter.
    fn receive_all_multicast(&mut self, name: &str, ifindex: Option<u32>) {
        let Some(served) = self.interfaces.get_mut(name) else {
            return;
        };
        if served.allmulti == ifindex {
            return;
        }
        if let Some(old) = served.allmulti.take() {
            // It fails where the interface is gone, and then there is nothing to take back.
            let _ = self.packets.set_allmulti(old, false);
        }
        if let Some(ifindex) = ifindex {
            match self.packets.set_allmulti(ifindex, true) {
                Ok(()) => served.allmulti = Some(ifindex),
                Err(error) => warn!(
                    interface = name,
                    "cannot receive all multicast, so reports of version 1 and 2 may be missed: {error}"
                ),
            }
        }
    }
}

/// Says so where tags of VLANs that are served may never reach the XDP program.
fn warn_of_stripped_tags(interface: &str) {
    // A driver that does not tell has no such offload.
    if sys::rx_vlan_offload(interface).unwrap_or(false) {
        warn!(
            interface,
            "its driver may take VLAN tags off before the XDP program sees them, and tagged frames then count as \
             untagged; switch that off: ethtool -K {interface} rxvlan off"
        );
    }
}
