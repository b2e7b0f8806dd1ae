//! The bytes of a frame.

use aya_ebpf::bindings::xdp_md;

/// The bytes at an offset, if all of them are within the frame.
#[inline(always)]
pub(crate) fn read<const N: usize>(context: *mut xdp_md, offset: usize) -> Option<[u8; N]> {
    // SAFETY: `at` has compared the range with the frame's end.
    at::<N>(context, offset).map(|place| unsafe { place.read_unaligned() })
}

/// A pointer to the bytes at an offset, if all of them are within the frame.
#[inline(always)]
pub(crate) fn at<const N: usize>(context: *mut xdp_md, offset: usize) -> Option<*mut [u8; N]> {
    // Volatile, as the compiler would otherwise make numbers of packet pointers that it keeps.
    // SAFETY: the context is the one the kernel gave to the running program, valid for all of its run.
    let (start, end) = unsafe {
        (
            (&raw const (*context).data).read_volatile() as usize,
            (&raw const (*context).data_end).read_volatile() as usize,
        )
    };
    let first = start + offset;
    (first + N <= end).then_some(first as *mut [u8; N])
}
