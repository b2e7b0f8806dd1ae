//! Where packets end that were forwarded: a program on each device that looks at them, counts and drops them.

use anyhow::{Context, Result, ensure};
use aya::{
    Ebpf,
    maps::{Array, MapData},
    programs::{Xdp, xdp::XdpMode},
};
use tests::Namespace;

/// Devices whose program counts what arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sinks<'a> {
    namespace: &'a Namespace,
    devices: &'a [String],
    first_index: u32,
    /// Whether packets are to arrive with one less in their TTL and another Ethernet source address than they began with,
    /// as a router sends them; else unchanged.
    pub(crate) is_routed: bool,
}

impl<'a> Sinks<'a> {
    /// Devices of a namespace that were made one after the other.
    ///
    /// # Errors
    ///
    /// When the kernel's indexes of them have gaps.
    pub(crate) fn new(namespace: &'a Namespace, devices: &'a [String], is_routed: bool) -> Result<Self> {
        let first = devices.first().context("there is at least one sink")?;
        let first_index = namespace.index(first);
        for (index, device) in (first_index..).zip(devices) {
            ensure!(
                namespace.index(device) == index,
                "the index of {device} does not follow that of the sink before"
            );
        }
        Ok(Self {
            namespace,
            devices,
            first_index,
            is_routed,
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.devices.len()
    }

    /// The kernel's index of the first one.
    pub(super) fn first_index(&self) -> u32 {
        self.first_index
    }

    pub(super) fn attach(&self, program: &mut Xdp) -> Result<()> {
        program.load()?;
        self.namespace.enter(|| {
            for (index, device) in (self.first_index..).zip(self.devices) {
                program
                    .attach_to_if_index(index, XdpMode::Driver)
                    .with_context(|| format!("cannot attach the sink to {device}"))?;
            }
            Ok(())
        })
    }
}

/// What has arrived at a sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Packets as they should be.
    pub(crate) packets: u64,
    /// Bytes of them, from the Ethernet header on.
    pub(crate) bytes: u64,
    /// Multicast datagrams with another TTL or Ethernet source address than they should have.
    pub(crate) wrong: u64,
    /// Frames of anything else.
    pub(crate) other: u64,
    /// Packets that did not arrive and were given up.
    pub(crate) lost: u64,
}

/// The words of an entry of the map `ARRIVED`.
pub(super) type Words = [u64; 8];

impl Arrived {
    pub(super) fn from_words([packets, bytes, wrong, other, lost, ..]: Words) -> Self {
        Self {
            packets,
            bytes,
            wrong,
            other,
            lost,
        }
    }

    pub(super) fn words(self) -> Words {
        let Self {
            packets,
            bytes,
            wrong,
            other,
            lost,
        } = self;
        [packets, bytes, wrong, other, lost, 0, 0, 0]
    }

    /// Frames of all kinds that have arrived.
    pub(super) fn all(&self) -> u64 {
        self.packets + self.wrong + self.other
    }

    /// What has arrived since an earlier moment.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            packets: self.packets - earlier.packets,
            bytes: self.bytes - earlier.bytes,
            wrong: self.wrong - earlier.wrong,
            other: self.other - earlier.other,
            lost: self.lost - earlier.lost,
        }
    }
}

pub(super) fn arrived_mut(ebpf: &mut Ebpf) -> Result<Array<&mut MapData, Words>> {
    let map = ebpf.map_mut("ARRIVED").context("the object has no map ARRIVED")?;
    Ok(Array::try_from(map)?)
}
