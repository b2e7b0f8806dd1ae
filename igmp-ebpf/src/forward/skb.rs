//! A packet in the network stack.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::{
    bindings::{__sk_buff, BPF_F_RECOMPUTE_CSUM},
    helpers::{bpf_skb_load_bytes, bpf_skb_store_bytes, bpf_skb_vlan_pop, bpf_skb_vlan_push},
};
use igmp_wire::{
    Packet,
    ethernet::ETHERTYPE_VLAN,
    packet::{MAX_FRAME_LEN, Walk},
};

use crate::packet;

/// A packet that a classifier looks at. It begins with an Ethernet header without tag: that is kept aside.
#[derive(Clone, Copy)]
pub(super) struct SkbPacket {
    skb: *mut __sk_buff,
}

impl SkbPacket {
    /// Wraps the context of the running classifier.
    #[inline(always)]
    pub(super) const fn new(skb: *mut __sk_buff) -> Self {
        Self { skb }
    }

    /// The context, for helpers that take one.
    #[inline(always)]
    pub(super) const fn skb(&self) -> *mut __sk_buff {
        self.skb
    }

    /// Length in bytes, from the Ethernet header on.
    #[inline(always)]
    pub(super) fn len(&self) -> u32 {
        // SAFETY: the context is the one the kernel gave to the running program, valid for all of its run.
        unsafe { (*self.skb).len }
    }

    /// The kernel's index of the interface that the packet came in on.
    #[inline(always)]
    pub(super) fn ifindex(&self) -> u32 {
        // SAFETY: as in `len`.
        unsafe { (*self.skb).ifindex }
    }

    /// The EtherType, behind the tag if there is one.
    #[inline(always)]
    pub(super) fn ethertype(&self) -> u16 {
        // SAFETY: as in `len`.
        u16::from_be(unsafe { (*self.skb).protocol } as u16)
    }

    /// How many packets this is, and how long the payload of each but the last one is, in bytes, behind the headers of IP
    /// and UDP. The sender may have left it to others to cut them (segmentation offload); 1 and 0 for a single packet.
    #[inline(always)]
    pub(super) fn segments(&self) -> (u32, u32) {
        // SAFETY: as in `len`.
        unsafe {
            let size = (*self.skb).gso_size;
            if size == 0 {
                (1, 0)
            } else {
                ((*self.skb).gso_segs, size)
            }
        }
    }

    /// Whether there is a tag. It may be one of VLAN 0, which only gives a priority.
    #[inline(always)]
    pub(super) fn is_tagged(&self) -> bool {
        // SAFETY: as in `len`.
        unsafe { (*self.skb).vlan_present != 0 }
    }

    /// VLAN ID and priority of the tag, 0 where there is none.
    #[inline(always)]
    pub(super) fn tag(&self) -> u16 {
        if !self.is_tagged() {
            return 0;
        }
        // SAFETY: as in `len`.
        unsafe { (*self.skb).vlan_tci as u16 }
    }

    /// Takes the tag away. Returns whether that succeeded.
    #[inline(always)]
    pub(super) fn untag(&self) -> bool {
        // SAFETY: the context is that of the running program.
        unsafe { bpf_skb_vlan_pop(self.skb) == 0 }
    }

    /// Puts a tag on. Returns whether that succeeded.
    #[inline(always)]
    pub(super) fn push_tag(&self, tag: u16) -> bool {
        // SAFETY: the context is that of the running program.
        unsafe { bpf_skb_vlan_push(self.skb, ETHERTYPE_VLAN.to_be(), tag) == 0 }
    }

    /// Writes bytes. A clone of the packet keeps what it had. Returns whether that succeeded.
    #[inline(always)]
    pub(super) fn write<const N: usize>(&self, offset: u32, bytes: &[u8; N]) -> bool {
        let from = (&raw const *bytes).cast::<c_void>();
        // SAFETY: the context is that of the running program, and the helper reads `N` bytes.
        unsafe { bpf_skb_store_bytes(self.skb, offset, from, N as u32, u64::from(BPF_F_RECOMPUTE_CSUM)) == 0 }
    }
}

impl Packet for SkbPacket {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        if offset > MAX_FRAME_LEN {
            return None;
        }
        let mut bytes = MaybeUninit::<[u8; N]>::uninit();
        let to = bytes.as_mut_ptr().cast::<c_void>();
        // SAFETY: the helper writes all `N` bytes or fails.
        unsafe {
            if bpf_skb_load_bytes(self.skb.cast(), offset as u32, to, N as u32) != 0 {
                return None;
            }
            Some(bytes.assume_init())
        }
    }

    #[inline(always)]
    fn forget(&self, number: usize) -> usize {
        // The verifier does not know that both reads bring the same, and the compiler must not find out.
        // SAFETY: as in `len`; the field is a plain number.
        let zero = unsafe {
            let queue = &raw const (*self.skb).queue_mapping;
            queue.read_volatile() ^ queue.read_volatile()
        };
        (number as u32 ^ zero) as usize
    }

    #[inline(always)]
    fn repeat<W: Walk<Self>>(&self, turns: u32, walk: &mut W) {
        packet::repeat(self, turns, walk);
    }
}
