//! Routes, port sets and where sources are, in the kernel's maps.

use std::{
    collections::BTreeSet,
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aya::maps::{
    Array, ArrayOfMaps, DevMapHash, HashMap as BpfHashMap, LpmTrie, Map, MapData, MapError, lpm_trie::Key,
};
use igmp_wire::abi::{FlowEntry, ForwardingState, GroupKey, Port, PortSet, RouteEntry, RouteKey, name};
use ipnet::Ipv4Net;
use tracing::debug;

use super::{Kernel, KernelError, object::typed};
use crate::sys::Plain;

/// The maps of forwarding.
pub(super) struct ForwardingMaps {
    routes: BpfHashMap<MapData, Plain<RouteKey>, Plain<RouteEntry>>,
    flows: Flows,
    prefixes: LpmTrie<MapData, [u8; 4], u32>,
    port_maps: ArrayOfMaps<MapData, DevMapHash<MapData>>,
    port_sets: Array<MapData, Plain<PortSet>>,
    ports: Array<MapData, Plain<Port>>,
    local_groups: BpfHashMap<MapData, Plain<GroupKey>, u32>,
    state: Array<MapData, Plain<ForwardingState>>,
}

impl ForwardingMaps {
    /// Takes the maps out of the object.
    pub(super) fn take(ebpf: &mut aya::Ebpf) -> Result<Self, KernelError> {
        Ok(Self {
            routes: typed(ebpf, name::ROUTES)?,
            flows: Flows(Arc::new(Mutex::new(typed(ebpf, name::FLOWS)?))),
            prefixes: typed(ebpf, name::SOURCE_PREFIXES)?,
            port_maps: typed(ebpf, name::PORT_MAPS)?,
            port_sets: typed(ebpf, name::PORT_SETS)?,
            ports: typed(ebpf, name::PORTS)?,
            local_groups: typed(ebpf, name::LOCAL_GROUPS)?,
            state: typed(ebpf, name::FORWARDING)?,
        })
    }
}

/// The sources of data that the kernel knows. It can be handed to another thread, since there may be many.
#[derive(Clone)]
pub struct Flows(Arc<Mutex<FlowMap>>);

type FlowMap = BpfHashMap<MapData, Plain<RouteKey>, Plain<FlowEntry>>;

impl Flows {
    /// All of them.
    pub fn read(&self) -> Vec<(RouteKey, FlowEntry)> {
        let map = self.lock();
        let flows = map.iter().flatten();
        flows.map(|(Plain(key), Plain(entry))| (key, entry)).collect()
    }

    /// One of them.
    pub fn get(&self, key: RouteKey) -> Option<FlowEntry> {
        self.lock().get(&Plain(key), 0).ok().map(|Plain(entry)| entry)
    }

    /// Forgets one. With its next packet the kernel finds out anew where it goes. Returns whether it was there.
    pub fn remove(&self, key: RouteKey) -> bool {
        self.lock().remove(&Plain(key)).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, FlowMap> {
        // There is nothing in it that a panic could leave half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What [`io::ErrorKind`] hides: there is no such entry.
fn is_missing(error: &MapError) -> bool {
    match error {
        MapError::KeyNotFound => true,
        MapError::SyscallError(error) => error.io_error.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

/// A removal that may come too late is no error.
fn removed(outcome: Result<(), MapError>, what: &'static str) -> Result<(), KernelError> {
    match outcome {
        Err(error) if is_missing(&error) => Ok(()),
        outcome => outcome.map_err(KernelError::map(what)),
    }
}

/// The key of a prefix in the kernel's trie.
fn prefix_key(prefix: Ipv4Net) -> Key<[u8; 4]> {
    Key::new(u32::from(prefix.prefix_len()), prefix.network().octets())
}

impl Kernel {
    /// Tells where packets go. It counts from the next [`set_forwarding_state`](Self::set_forwarding_state) on for sources
    /// that are known.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where there is no room, or the kernel refuses.
    pub fn set_route(&mut self, key: RouteKey, entry: RouteEntry) -> Result<(), KernelError> {
        self.forwarding
            .routes
            .insert(Plain(key), Plain(entry), 0)
            .map_err(KernelError::map("set a route in the kernel"))
    }

    /// Removes a route. Nothing happens where there is none.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn remove_route(&mut self, key: RouteKey) -> Result<(), KernelError> {
        removed(
            self.forwarding.routes.remove(&Plain(key)),
            "remove a route in the kernel",
        )
    }

    /// The routes in the kernel; after a restart, those of the earlier igmpd.
    pub fn routes(&self) -> Vec<RouteKey> {
        let keys = self.forwarding.routes.keys();
        keys.flatten().map(|Plain(key)| key).collect()
    }

    /// The sources of data that the kernel knows.
    pub fn flows(&self) -> Flows {
        self.forwarding.flows.clone()
    }

    /// For how many sources of data there was no room since the programs were first loaded.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn flows_refused(&self) -> Result<u64, KernelError> {
        self.lost
            .get(&1, 0)
            .map_err(KernelError::map("read how many sources of data found no room"))
    }

    /// Tells from which interface (its slot, or one of the values of `INCOMING_*`) packets of sources in a network are
    /// accepted. The longest prefix counts.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where there is no room, or the kernel refuses.
    pub fn set_source_prefix(&mut self, prefix: Ipv4Net, incoming: u32) -> Result<(), KernelError> {
        self.forwarding
            .prefixes
            .insert(&prefix_key(prefix), incoming, 0)
            .map_err(KernelError::map("tell the kernel where sources are"))
    }

    /// Forgets a prefix of sources. Nothing happens where it is not known.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn remove_source_prefix(&mut self, prefix: Ipv4Net) -> Result<(), KernelError> {
        let outcome = self.forwarding.prefixes.remove(&prefix_key(prefix));
        removed(outcome, "forget where sources are")
    }

    /// The prefixes of sources in the kernel; after a restart, those of the earlier igmpd.
    pub fn source_prefixes(&self) -> Vec<(Ipv4Net, u32)> {
        let prefixes = self.forwarding.prefixes.iter().flatten();
        prefixes
            .filter_map(|(key, incoming)| {
                let prefix_len = u8::try_from(key.prefix_len()).ok()?;
                Some((
                    Ipv4Net::new(Ipv4Addr::from(key.data()), prefix_len).ok()?,
                    incoming,
                ))
            })
            .collect()
    }

    /// Tells how packets leave through the interface with this slot; the default for none.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn set_port(&mut self, slot: u32, port: &Port) -> Result<(), KernelError> {
        self.forwarding
            .ports
            .set(slot, Plain(*port), 0)
            .map_err(KernelError::map("describe a port to the kernel"))
    }

    /// Makes a port set, or makes it anew in one step: packets go to the old one or to the new one. `devices` are those
    /// that XDP redirects to, by slot and index; a set that is not redirected to has none.
    ///
    /// # Errors
    ///
    /// [`KernelError`] where the kernel refuses.
    pub fn set_port_set(
        &mut self,
        number: u32,
        set: &PortSet,
        devices: &[(u32, u32)],
    ) -> Result<(), KernelError> {
        let what = "make a port set in the kernel";
        if !devices.is_empty() {
            let egress = self
                .program(name::EGRESS)?
                .fd()
                .map_err(|source| KernelError::Program {
                    program: name::EGRESS,
                    source: Box::new(source),
                })?;
            /// `BPF_MAP_TYPE_DEVMAP_HASH` of linux/bpf.h.
            const DEVMAP_HASH: u32 = 25;
            // Keys are slots, values are an index and the program behind the redirect.
            let entries = devices.len().next_power_of_two() as u32;
            let definition = aya_obj::Map::new_from_params(DEVMAP_HASH, 4, 8, entries, 0);
            let data = MapData::create(definition, "port_set", None).map_err(KernelError::map(what))?;
            let mut map = DevMapHash::try_from(Map::DevMapHash(data)).map_err(KernelError::map(what))?;
            for &(slot, ifindex) in devices {
                // An interface that is gone by now must not keep packets from the others.
                if let Err(error) = map.insert(slot, ifindex, Some(egress), 0) {
                    debug!("cannot redirect to the interface with index {ifindex}: {error}");
                }
            }
            // The outer map holds the inner one, so its descriptor is not needed any longer.
            self.forwarding
                .port_maps
                .set(number, &map, 0)
                .map_err(KernelError::map(what))?;
        }
        self.forwarding
            .port_sets
            .set(number, Plain(*set), 0)
            .map_err(KernelError::map(what))
    }

    /// The numbers of the port sets with ports; after a restart, those of the earlier igmpd.
    pub fn port_sets_in_use(&self) -> BTreeSet<u32> {
        let sets = &self.forwarding.port_sets;
        (0..sets.len())
            .filter(|number| sets.get(number, 0).is_ok_and(|Plain(set)| set.count > 0))
            .collect()
    }

    /// Empties a port set that no route has any more.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn clear_port_set(&mut self, number: u32) -> Result<(), KernelError> {
        self.forwarding
            .port_sets
            .set(number, Plain(PortSet::default()), 0)
            .map_err(KernelError::map("remove a port set in the kernel"))
    }

    /// Tells that sockets of the router have joined a group on the interface with this slot, or no longer have.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where there is no room, or the kernel refuses.
    pub fn set_local_group(&mut self, slot: u32, group: Ipv4Addr, joined: bool) -> Result<(), KernelError> {
        let key = Plain(GroupKey {
            slot,
            group: group.to_bits(),
        });
        let what = "tell the kernel of groups of the router itself";
        if joined {
            let map = &mut self.forwarding.local_groups;
            map.insert(key, 1, 0).map_err(KernelError::map(what))
        } else {
            removed(self.forwarding.local_groups.remove(&key), what)
        }
    }

    /// The groups of the router itself that the kernel was told of.
    pub fn local_groups(&self) -> Vec<GroupKey> {
        let keys = self.forwarding.local_groups.keys();
        keys.flatten().map(|Plain(key)| key).collect()
    }

    /// The state of forwarding as it is.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn forwarding_state(&self) -> Result<ForwardingState, KernelError> {
        let what = "read the state of forwarding";
        let state = self.forwarding.state.get(&0, 0);
        state.map(|Plain(state)| state).map_err(KernelError::map(what))
    }

    /// Lets all changes up to now count for sources that are known, by a new generation.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn set_forwarding_state(&mut self, state: &ForwardingState) -> Result<(), KernelError> {
        self.forwarding
            .state
            .set(0, Plain(*state), 0)
            .map_err(KernelError::map("let changes of routes count"))
    }
}
