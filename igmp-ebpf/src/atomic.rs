//! Atomic operations on map values.
//!
//! `core::sync::atomic` offers none but loads and stores here, because the BPF target is declared without compare and
//! swap; the kernel has had the ones that are needed since 5.12.

use core::intrinsics::{AtomicOrdering, atomic_and, atomic_or, atomic_xadd, atomic_xsub};

/// A number in a map value that several CPUs change.
#[derive(Clone, Copy)]
pub(crate) struct Shared<T>(*mut T);

impl<T: Copy> Shared<T> {
    /// Wraps a place in a map value.
    ///
    /// # Safety
    ///
    /// The pointer is to an aligned number within a map value that was looked up in this run of the program, and nobody
    /// changes the number but by atomic operations.
    #[inline(always)]
    pub(crate) const unsafe fn new(place: *mut T) -> Self {
        Self(place)
    }

    /// The number now.
    #[inline(always)]
    pub(crate) fn load(self) -> T {
        // SAFETY: `new` was promised that the place is good for this.
        unsafe { self.0.read_volatile() }
    }

    /// Adds to the number.
    #[inline(always)]
    pub(crate) fn add(self, more: T) {
        // SAFETY: as in `load`.
        unsafe { atomic_xadd::<T, T, { AtomicOrdering::Relaxed }>(self.0, more) };
    }

    /// Takes from the number.
    #[inline(always)]
    pub(crate) fn subtract(self, less: T) {
        // SAFETY: as in `load`.
        unsafe { atomic_xsub::<T, T, { AtomicOrdering::Relaxed }>(self.0, less) };
    }

    /// Sets bits.
    #[inline(always)]
    pub(crate) fn set(self, bits: T) {
        // SAFETY: as in `load`.
        unsafe { atomic_or::<T, T, { AtomicOrdering::Relaxed }>(self.0, bits) };
    }

    /// Leaves only these bits, and returns what the number was before.
    #[inline(always)]
    pub(crate) fn mask(self, bits: T) -> T {
        // A relaxed operation becomes an instruction that brings nothing back, whether its result is used or not.
        // SAFETY: as in `load`.
        unsafe { atomic_and::<T, T, { AtomicOrdering::SeqCst }>(self.0, bits) }
    }
}
