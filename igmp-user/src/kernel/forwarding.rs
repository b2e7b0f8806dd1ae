//! Routes, port sets and where sources are, in the kernel's maps.

use std::{
    collections::BTreeSet,
    io,
    net::Ipv4Addr,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aya::{
    maps::{
        Array, ArrayOfMaps, DevMapHash, HashMap as BpfHashMap, LpmTrie, Map, MapData, MapError, lpm_trie::Key,
    },
    programs::{ProgramError, ProgramFd},
};
use igmp_wire::abi::{
    Command, CommandStatus, FlowEntry, ForwardingState, GroupKey, MAX_COMMANDS, Operation, Port, PortSet,
    RouteEntry, RouteKey, name,
};
use ipnet::Ipv4Net;
use tracing::debug;

use super::{Kernel, KernelError, object::typed};
use crate::sys::Plain;

/// How many changes of routes wait at most, so that a change of all of them takes no memory.
const ROUTES_AT_ONCE: usize = 16 * MAX_COMMANDS;

/// The maps of forwarding.
pub(super) struct ForwardingMaps {
    routes: BpfHashMap<MapData, Plain<RouteKey>, Plain<RouteEntry>>,
    /// Changes of routes that are not written yet.
    changes: Vec<Command>,
    /// How many routes found no room since that was last asked.
    refused: u64,
    flows: Flows,
    prefixes: LpmTrie<MapData, [u8; 4], u32>,
    port_maps: OwnedFd,
    port_sets: Array<MapData, Plain<PortSet>>,
    port_sets_fd: OwnedFd,
    ports: Array<MapData, Plain<Port>>,
    local_groups: BpfHashMap<MapData, Plain<GroupKey>, u32>,
    state: Array<MapData, Plain<ForwardingState>>,
}

impl ForwardingMaps {
    /// Takes the maps out of the object.
    pub(super) fn take(ebpf: &mut aya::Ebpf) -> Result<Self, KernelError> {
        Ok(Self {
            routes: typed(ebpf, name::ROUTES)?,
            changes: Vec::new(),
            refused: 0,
            flows: Flows(Arc::new(Mutex::new(typed(ebpf, name::FLOWS)?))),
            prefixes: typed(ebpf, name::SOURCE_PREFIXES)?,
            port_maps: descriptor(ebpf, name::PORT_MAPS)?,
            port_sets_fd: descriptor(ebpf, name::PORT_SETS)?,
            port_sets: typed(ebpf, name::PORT_SETS)?,
            ports: typed(ebpf, name::PORTS)?,
            local_groups: typed(ebpf, name::LOCAL_GROUPS)?,
            state: typed(ebpf, name::FORWARDING)?,
        })
    }
}

/// Another descriptor of a map in the object.
fn descriptor(ebpf: &aya::Ebpf, name: &'static str) -> Result<OwnedFd, KernelError> {
    let data = match ebpf.map(name) {
        Some(Map::Array(data) | Map::ArrayOfMaps(data)) => data,
        _ => return Err(KernelError::Missing(name)),
    };
    let fd = data.fd().as_fd().try_clone_to_owned().map_err(MapError::IoError);
    fd.map_err(KernelError::map("open the maps of port sets"))
}

/// Makes port sets. It can be handed to another thread, since the kernel waits for all packets under way with each.
pub struct PortSetMaker {
    maps: ArrayOfMaps<MapData, DevMapHash<MapData>>,
    sets: Array<MapData, Plain<PortSet>>,
    /// The program behind the redirect.
    egress: ProgramFd,
    /// What sets get that are over.
    nothing: Option<DevMapHash<MapData>>,
}

/// An empty map of devices.
fn new_devices(entries: u32) -> Result<DevMapHash<MapData>, KernelError> {
    /// `BPF_MAP_TYPE_DEVMAP_HASH` of linux/bpf.h.
    const DEVMAP_HASH: u32 = 25;
    let what = "make a port set in the kernel";
    // Keys are slots, values are an index and the program behind the redirect.
    let definition = aya_obj::Map::new_from_params(DEVMAP_HASH, 4, 8, entries, 0);
    let data = MapData::create(definition, "port_set", None).map_err(KernelError::map(what))?;
    DevMapHash::try_from(Map::DevMapHash(data)).map_err(KernelError::map(what))
}

impl PortSetMaker {
    /// Makes the devices of a set, by slot and index, in one step: packets go to the old ones or to the new ones. With none
    /// the set takes no memory any more.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn make_devices(&mut self, number: u32, devices: &[(u32, u32)]) -> Result<(), KernelError> {
        let what = "make a port set in the kernel";
        if devices.is_empty() {
            let nothing = match self.nothing.take() {
                Some(nothing) => nothing,
                None => new_devices(1)?,
            };
            // There is no way to take a map out, so a set that is over gets one that all of them share.
            let outcome = self.maps.set(number, &nothing, 0);
            self.nothing = Some(nothing);
            return outcome.map_err(KernelError::map(what));
        }
        let mut map = new_devices(devices.len().next_power_of_two() as u32)?;
        for &(slot, ifindex) in devices {
            // An interface that is gone by now must not keep packets from the others.
            if let Err(error) = map.insert(slot, ifindex, Some(&self.egress), 0) {
                debug!("cannot redirect to the interface with index {ifindex}: {error}");
            }
        }
        // The outer map holds the inner one, so its descriptor is not needed any longer.
        self.maps.set(number, &map, 0).map_err(KernelError::map(what))
    }

    /// Describes a set whose devices have been made.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn describe(&mut self, number: u32, set: &PortSet) -> Result<(), KernelError> {
        self.sets
            .set(number, Plain(*set), 0)
            .map_err(KernelError::map("describe a port set to the kernel"))
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
    /// Tells where packets go. It is written with the next [`write_routes`](Self::write_routes) or
    /// [`set_forwarding_state`](Self::set_forwarding_state), and counts for sources that are known from the latter on.
    ///
    /// # Errors
    ///
    /// [`KernelError::Program`] where many changes wait and the kernel refuses to carry them out.
    pub fn set_route(&mut self, key: RouteKey, entry: RouteEntry) -> Result<(), KernelError> {
        self.change_route(Command {
            operation: Operation::SetRoute as u32,
            group: key.group,
            source: key.source,
            set: entry.port_set,
            clear: entry.incoming,
            ..Command::default()
        })
    }

    /// Removes a route, as [`set_route`](Self::set_route) sets one. Nothing happens where there is none.
    ///
    /// # Errors
    ///
    /// As [`set_route`](Self::set_route).
    pub fn remove_route(&mut self, key: RouteKey) -> Result<(), KernelError> {
        self.change_route(Command {
            operation: Operation::RemoveRoute as u32,
            group: key.group,
            source: key.source,
            ..Command::default()
        })
    }

    fn change_route(&mut self, command: Command) -> Result<(), KernelError> {
        self.forwarding.changes.push(command);
        if self.forwarding.changes.len() < ROUTES_AT_ONCE {
            return Ok(());
        }
        self.carry_out_route_changes()
    }

    fn carry_out_route_changes(&mut self) -> Result<(), KernelError> {
        let mut changes = std::mem::take(&mut self.forwarding.changes);
        let mut refused = 0;
        let outcome = self.run_each(&changes, |result| {
            refused += u64::from(CommandStatus::from_code(result.status) == CommandStatus::Full);
        });
        changes.clear();
        self.forwarding.changes = changes;
        self.forwarding.refused += refused;
        outcome
    }

    /// Writes the routes that are told, in order. Returns for how many there was no room since this was last called.
    ///
    /// # Errors
    ///
    /// [`KernelError::Program`] where the kernel refuses.
    pub fn write_routes(&mut self) -> Result<u64, KernelError> {
        self.carry_out_route_changes()?;
        Ok(std::mem::take(&mut self.forwarding.refused))
    }

    /// The routes in the kernel; after a restart, those of the earlier igmpd.
    pub fn routes(&self) -> Vec<(RouteKey, RouteEntry)> {
        let routes = self.forwarding.routes.iter().flatten();
        routes.map(|(Plain(key), Plain(entry))| (key, entry)).collect()
    }

    /// The port set with this number; after a restart, that of the earlier igmpd.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn port_set(&self, number: u32) -> Result<PortSet, KernelError> {
        let set = self.forwarding.port_sets.get(&number, 0);
        set.map(|Plain(set)| set)
            .map_err(KernelError::map("read a port set in the kernel"))
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

    /// What the kernel was told of a port; after a restart, by the earlier igmpd.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn port(&self, slot: u32) -> Result<Port, KernelError> {
        let port = self.forwarding.ports.get(&slot, 0);
        port.map(|Plain(port)| port)
            .map_err(KernelError::map("read what the kernel was told of a port"))
    }

    /// Describes a port set, and makes the devices that XDP redirects to, by slot and index: none for a set that is not
    /// redirected to. The kernel waits for all packets under way where there are some; see [`PortSetMaker`].
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
        if !devices.is_empty() {
            self.port_set_maker()?.make_devices(number, devices)?;
        }
        self.forwarding
            .port_sets
            .set(number, Plain(*set), 0)
            .map_err(KernelError::map("describe a port set to the kernel"))
    }

    /// What makes port sets, for a thread of its own.
    ///
    /// # Errors
    ///
    /// [`KernelError`] where the kernel refuses further descriptors.
    pub fn port_set_maker(&self) -> Result<PortSetMaker, KernelError> {
        let failed = |source| KernelError::Program {
            program: name::EGRESS,
            source: Box::new(source),
        };
        let egress = self.program(name::EGRESS)?.fd().map_err(failed)?;
        let again = |map: &OwnedFd| {
            let fd = map.try_clone().map_err(MapError::IoError);
            fd.and_then(MapData::from_fd)
                .map_err(KernelError::map("open the maps of port sets"))
        };
        let maps = Map::ArrayOfMaps(again(&self.forwarding.port_maps)?);
        let sets = Map::Array(again(&self.forwarding.port_sets_fd)?);
        Ok(PortSetMaker {
            maps: maps
                .try_into()
                .map_err(KernelError::map("open the maps of port sets"))?,
            sets: sets
                .try_into()
                .map_err(KernelError::map("open the maps of port sets"))?,
            egress: egress
                .try_clone()
                .map_err(|error| failed(ProgramError::IOError(error)))?,
            nothing: None,
        })
    }

    /// The numbers of the port sets with ports; after a restart, those of the earlier igmpd.
    pub fn port_sets_in_use(&self) -> BTreeSet<u32> {
        let sets = &self.forwarding.port_sets;
        (0..sets.len())
            .filter(|number| sets.get(number, 0).is_ok_and(|Plain(set)| set.count > 0))
            .collect()
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

    /// Lets all changes up to now count for sources that are known, by a new generation. Routes that were not written yet are
    /// written before; returns for how many there was no room since this was last asked.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] and [`KernelError::Program`] where the kernel refuses. What it does not refuse counts all the
    /// same.
    pub fn set_forwarding_state(&mut self, state: &ForwardingState) -> Result<u64, KernelError> {
        let written = self.write_routes();
        self.forwarding
            .state
            .set(0, Plain(*state), 0)
            .map_err(KernelError::map("let changes of routes count"))?;
        written
    }
}
