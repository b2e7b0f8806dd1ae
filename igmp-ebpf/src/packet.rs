//! The reader that the parser of `igmp-wire` runs on.

use core::{ffi::c_void, ptr};

use aya_ebpf::{bindings::xdp_md, helpers::bpf_loop};
use igmp_wire::{Packet, checksum, packet::MAX_FRAME_LEN};

/// Bytes that one turn of the summing loop takes.
const CHUNK_LEN: usize = 32;

/// A frame in the driver's buffer.
#[derive(Clone, Copy)]
pub(crate) struct XdpPacket {
    context: *mut xdp_md,
}

impl XdpPacket {
    /// Wraps the context of the running program.
    #[inline(always)]
    pub(crate) const fn new(context: *mut xdp_md) -> Self {
        Self { context }
    }

    /// The context, for helpers that take one.
    #[inline(always)]
    pub(crate) const fn context(&self) -> *mut xdp_md {
        self.context
    }

    /// Length of the frame in bytes.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.end() - self.start()
    }

    /// The kernel's index of the interface that the frame came in on.
    #[inline(always)]
    pub(crate) fn ifindex(&self) -> u32 {
        // SAFETY: the context is the one the kernel gave to the running program, valid for all of its run.
        unsafe { (*self.context).ingress_ifindex }
    }

    #[inline(always)]
    fn start(&self) -> usize {
        // SAFETY: as in `ifindex`.
        unsafe { (*self.context).data as usize }
    }

    #[inline(always)]
    fn end(&self) -> usize {
        // SAFETY: as in `ifindex`.
        unsafe { (*self.context).data_end as usize }
    }

    /// A pointer to `N` bytes at `offset`, if all of them are within the frame.
    #[inline(always)]
    pub(crate) fn at<const N: usize>(&self, offset: usize) -> Option<*mut [u8; N]> {
        // The verifier derives no range for a packet pointer whose offset may be above 65,535
        // (`find_good_pkt_pointers`), so every offset is capped before it is added.
        if offset > MAX_FRAME_LEN {
            return None;
        }
        let first = self.start() + offset;
        if first + N > self.end() {
            return None;
        }
        Some(first as *mut [u8; N])
    }
}

impl Packet for XdpPacket {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let bytes = self.at::<N>(offset)?;
        // SAFETY: `at` has compared the range with the frame's end, and the verifier has checked that it did.
        Some(unsafe { ptr::read_unaligned(bytes) })
    }

    #[inline(always)]
    fn sum(&self, offset: usize, len: usize) -> Option<u16> {
        let mut state = Sum {
            packet: *self,
            offset,
            total: 0,
            failed: 0,
        };
        let chunks = len / CHUNK_LEN;
        if chunks > 0 {
            // SAFETY: the callback has the signature that the helper calls, and the state outlives the call.
            unsafe {
                bpf_loop(
                    chunks as u32,
                    sum_chunk as *mut c_void,
                    (&raw mut state).cast(),
                    0,
                );
            }
        }
        if state.failed != 0 {
            return None;
        }
        let mut at = offset + chunks * CHUNK_LEN;
        let mut total = state.total;
        if len & 16 != 0 {
            total += add::<16>(self.read(at)?);
            at += 16;
        }
        if len & 8 != 0 {
            total += add::<8>(self.read(at)?);
            at += 8;
        }
        if len & 4 != 0 {
            total += u64::from(u32::from_ne_bytes(self.read(at)?));
            at += 4;
        }
        if len & 2 != 0 {
            total += u64::from(u16::from_ne_bytes(self.read(at)?));
            at += 2;
        }
        if len & 1 != 0 {
            // A single byte at a variable offset cannot be checked in a way that the verifier understands, so the byte
            // before it, which is there in any message, is read with it.
            let [_, last] = self.read::<2>(at.checked_sub(1)?)?;
            total += u64::from(u16::from_ne_bytes([last, 0]));
        }
        // One's-complement sums do not depend on byte order, but for the order of the result (RFC 1071 §2).
        Some(u16::from_be(checksum::fold(total)))
    }
}

/// State of the summing loop.
struct Sum {
    packet: XdpPacket,
    offset: usize,
    total: u64,
    failed: u64,
}

/// Sums 32-bit words in native order.
#[inline(always)]
fn add<const LEN: usize>(bytes: [u8; LEN]) -> u64 {
    let mut total = 0;
    let (words, _) = bytes.as_chunks::<4>();
    for word in words {
        total += u64::from(u32::from_ne_bytes(*word));
    }
    total
}

/// One turn of the summing loop.
#[inline(never)]
unsafe extern "C" fn sum_chunk(_turn: u32, state: *mut c_void) -> i64 {
    // SAFETY: `sum` passes its own state, which is not used elsewhere during the loop.
    let state = unsafe { &mut *state.cast::<Sum>() };
    let Some(bytes) = state.packet.read::<CHUNK_LEN>(state.offset) else {
        state.failed = 1;
        return 1;
    };
    state.total += add::<CHUNK_LEN>(bytes);
    state.offset += CHUNK_LEN;
    0
}
