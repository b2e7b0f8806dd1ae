//! The reader that the parser of `igmp-wire` runs on.

use core::{ffi::c_void, hint::black_box, ptr};

use aya_ebpf::{bindings::xdp_md, helpers::bpf_loop};
use igmp_wire::{
    Packet,
    packet::{MAX_FRAME_LEN, Turn, Walk},
};

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
        // Read anew each time: a packet pointer that the compiler keeps and extends to 64 bits later is a mere number to
        // the verifier.
        // SAFETY: as in `ifindex`.
        unsafe { (&raw const (*self.context).data).read_volatile() as usize }
    }

    #[inline(always)]
    fn end(&self) -> usize {
        // SAFETY: as in `ifindex`.
        unsafe { (&raw const (*self.context).data_end).read_volatile() as usize }
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
    fn forget(&self, number: usize) -> usize {
        // The verifier does not know that both reads bring the same, and the compiler must not find out.
        // SAFETY: as in `ifindex`; the field is a plain number.
        let zero = unsafe {
            // The address of the field is computed where it is used: kept in a register, it is a context pointer that was
            // changed, which the verifier does not follow.
            let queue = &raw const (*black_box(self.context)).rx_queue_index;
            queue.read_volatile() ^ queue.read_volatile()
        };
        (number as u32 ^ zero) as usize
    }

    #[inline(always)]
    fn repeat<W: Walk<Self>>(&self, turns: u32, walk: &mut W) {
        repeat(self, turns, walk);
    }
}

/// Calls `walk` up to `turns` times by `bpf_loop`.
#[inline(always)]
pub(crate) fn repeat<P: Copy, W: Walk<P>>(packet: &P, turns: u32, walk: &mut W) {
    let mut state = Repeat {
        packet: *packet,
        walk,
    };
    // SAFETY: the callback has the signature that the helper calls, it is made for these very types of packet and walk,
    // and the state outlives the call.
    unsafe {
        bpf_loop(turns, turn::<P, W> as *mut c_void, (&raw mut state).cast(), 0);
    }
}

/// What the callback of `bpf_loop` gets.
struct Repeat<'a, P, W> {
    packet: P,
    walk: &'a mut W,
}

/// One turn of a loop. The helper goes on as long as this returns 0.
#[inline(never)]
unsafe extern "C" fn turn<P, W: Walk<P>>(index: u32, state: *mut c_void) -> i64 {
    // SAFETY: `repeat` passes its own state, which is not used elsewhere during the loop.
    let state = unsafe { &mut *state.cast::<Repeat<'_, P, W>>() };
    match state.walk.turn(index, &state.packet) {
        Turn::More => 0,
        Turn::Done => 1,
    }
}
