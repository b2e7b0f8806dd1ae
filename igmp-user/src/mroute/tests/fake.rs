//! A kernel that behaves like net/ipv4/ipmr.c, written from it and not from the engine.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
};

use igmp_core::{Duration, Instant};

use crate::mroute::{EntryCounters, Flow, MAX_VIFS, RoutingSocket, Traffic, Upcall, UpcallKind, VifSet};

/// The length of every packet.
pub(super) const PACKET: u64 = 100;
/// `MFC_ASSERT_THRESH`.
const ASSERT_INTERVAL: Duration = Duration::from_secs(3);
/// `ipmr_cache_unresolved` appends only while there are at most three.
const WAITING: usize = 4;

#[derive(Clone, Debug)]
struct Vif {
    ifindex: u32,
    forwarded: Traffic,
}

#[derive(Clone, Debug)]
struct Mfc {
    parent: u16,
    outgoing: Vec<u16>,
    counters: EntryCounters,
    last_assert: Option<Instant>,
}

/// The kernel.
#[derive(Debug, Default)]
pub(super) struct FakeKernel {
    /// The interfaces that exist.
    pub(super) interfaces: BTreeSet<u32>,
    /// The interfaces that packets left on.
    pub(super) sent: Vec<u32>,
    /// What the engine did, by name.
    pub(super) calls: Vec<&'static str>,
    /// Tells of no packet that arrives on a wrong interface, as kernels without PIM mostly do.
    pub(super) silent: bool,
    /// Makes `set_entry` fail.
    pub(super) refuse_entries: bool,
    /// Messages to the daemon.
    pub(super) messages: VecDeque<Option<Upcall>>,
    vifs: [Option<Vif>; MAX_VIFS],
    cache: BTreeMap<Flow, Mfc>,
    /// Flows without an entry, and the interfaces that their packets arrived on.
    unresolved: BTreeMap<Flow, Vec<u32>>,
    now: Instant,
}

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

impl FakeKernel {
    /// `unregister_netdevice`, on which `ipmr_device_event` deletes the virtual interface and leaves entries alone.
    pub(super) fn unregister(&mut self, ifindex: u32) {
        self.interfaces.remove(&ifindex);
        for vif in &mut self.vifs {
            if vif.as_ref().is_some_and(|vif| vif.ifindex == ifindex) {
                *vif = None;
            }
        }
    }

    /// `ip mroute flush` of somebody else.
    pub(super) fn flush(&mut self) {
        self.cache.clear();
    }

    /// Ten seconds without an answer: `ipmr_expire_process`.
    pub(super) fn expire_unresolved(&mut self) {
        self.unresolved.clear();
    }

    /// How many flows have an entry.
    pub(super) fn cached(&self) -> usize {
        self.cache.len()
    }

    /// How many virtual interfaces there are.
    pub(super) fn vif_count(&self) -> usize {
        self.vifs.iter().flatten().count()
    }

    /// `ip_mr_input`.
    pub(super) fn receive_packet(&mut self, now: Instant, ifindex: u32, flow: Flow) {
        self.now = now;
        let Some(vif) = self.find_vif(ifindex) else {
            return;
        };
        if self.cache.contains_key(&flow) {
            self.forward(ifindex, flow);
            return;
        }
        let first = !self.unresolved.contains_key(&flow);
        if first {
            self.report(UpcallKind::NoCache, vif, flow);
        }
        let queue = self.unresolved.entry(flow).or_default();
        if queue.len() < WAITING {
            queue.push(ifindex);
        }
    }

    /// `ip_mr_forward`.
    fn forward(&mut self, ifindex: u32, flow: Flow) {
        let arrived = self.find_vif(ifindex);
        let mfc = self
            .cache
            .get_mut(&flow)
            .expect("only flows with an entry come here");
        mfc.counters.all.packets += 1;
        mfc.counters.all.bytes += PACKET;
        let parent = self.vifs[usize::from(mfc.parent)].as_ref();
        if parent.map(|vif| vif.ifindex) != Some(ifindex) {
            mfc.counters.wrong_vif += 1;
            let asserted = mfc.last_assert;
            if let Some(vif) = arrived
                && !self.silent
                && asserted.is_none_or(|last| last + ASSERT_INTERVAL < self.now)
            {
                mfc.last_assert = Some(self.now);
                self.report(UpcallKind::WrongVif, vif, flow);
            }
            return;
        }
        for &number in &mfc.outgoing {
            if let Some(vif) = &mut self.vifs[usize::from(number)] {
                vif.forwarded.packets += 1;
                vif.forwarded.bytes += PACKET;
                self.sent.push(vif.ifindex);
            }
        }
    }

    fn report(&mut self, kind: UpcallKind, vif: u16, flow: Flow) {
        let Flow { group, source } = flow;
        self.messages.push_back(Some(Upcall {
            kind,
            vif,
            source,
            group,
        }));
    }

    fn find_vif(&self, ifindex: u32) -> Option<u16> {
        let found = self
            .vifs
            .iter()
            .rposition(|vif| vif.as_ref().is_some_and(|vif| vif.ifindex == ifindex));
        found.map(|number| number as u16)
    }
}

impl RoutingSocket for FakeKernel {
    fn add_vif(&mut self, vif: u16, ifindex: u32) -> io::Result<()> {
        self.calls.push("add_vif");
        let place = self.vifs.get_mut(usize::from(vif)).ok_or(error(libc::ENFILE))?;
        if place.is_some() {
            return Err(error(libc::EADDRINUSE));
        }
        if !self.interfaces.contains(&ifindex) {
            return Err(error(libc::EADDRNOTAVAIL));
        }
        // A packet could arrive at any moment.
        assert!(
            self.cache
                .values()
                .all(|mfc| mfc.parent != vif && !mfc.outgoing.contains(&vif)),
            "entries speak of the interface that had the number before"
        );
        *place = Some(Vif {
            ifindex,
            forwarded: Traffic::default(),
        });
        Ok(())
    }

    fn remove_vif(&mut self, vif: u16) -> io::Result<()> {
        self.calls.push("remove_vif");
        let place = self.vifs.get_mut(usize::from(vif)).ok_or(error(libc::ENFILE))?;
        place.take().map(drop).ok_or(error(libc::EADDRNOTAVAIL))
    }

    fn vif_counters(&mut self, vif: u16) -> io::Result<Traffic> {
        let place = self.vifs.get(usize::from(vif)).ok_or(error(libc::EINVAL))?;
        place
            .as_ref()
            .map(|vif| vif.forwarded)
            .ok_or(error(libc::EADDRNOTAVAIL))
    }

    fn set_entry(&mut self, flow: Flow, parent: u16, outgoing: VifSet) -> io::Result<()> {
        self.calls.push("set_entry");
        if self.refuse_entries {
            return Err(error(libc::ENOMEM));
        }
        // `ipmr_update_thresholds` leaves out what is no virtual interface at the moment.
        let outgoing = outgoing
            .iter()
            .filter(|&number| self.vifs[usize::from(number)].is_some())
            .collect();
        if let Some(mfc) = self.cache.get_mut(&flow) {
            mfc.parent = parent;
            mfc.outgoing = outgoing;
            return Ok(());
        }
        let mfc = Mfc {
            parent,
            outgoing,
            counters: EntryCounters::default(),
            last_assert: None,
        };
        self.cache.insert(flow, mfc);
        for ifindex in self.unresolved.remove(&flow).unwrap_or_default() {
            self.forward(ifindex, flow);
        }
        Ok(())
    }

    fn remove_entry(&mut self, flow: Flow) -> io::Result<()> {
        self.calls.push("remove_entry");
        self.cache.remove(&flow).map(drop).ok_or(error(libc::ENOENT))
    }

    fn entry_counters(&mut self, flow: Flow) -> io::Result<EntryCounters> {
        let mfc = self.cache.get(&flow).ok_or(error(libc::EADDRNOTAVAIL))?;
        Ok(mfc.counters)
    }

    fn receive(&mut self) -> io::Result<Option<Upcall>> {
        self.messages.pop_front().ok_or(io::ErrorKind::WouldBlock.into())
    }

    fn lost(&mut self) -> io::Result<u64> {
        Ok(0)
    }
}
