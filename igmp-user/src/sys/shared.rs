//! The table of refreshes, as memory that the XDP program writes as well.

use std::{
    io,
    os::fd::AsFd,
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicU32, AtomicU64},
};

use aya::maps::{Array, IterableMap, MapData};
use igmp_wire::abi::RefreshEntry;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::Plain;

/// An entry of the table: a [`RefreshEntry`] that others write too.
#[derive(Debug)]
#[repr(C)]
pub struct SharedRefresh {
    /// See [`RefreshEntry::tag`].
    pub tag: AtomicU32,
    /// See [`RefreshEntry::reporter`].
    pub reporter: AtomicU32,
    /// See [`RefreshEntry::stamp`].
    pub stamp: AtomicU64,
}

const _: () = assert!(size_of::<SharedRefresh>() == RefreshEntry::LEN);
const _: () = assert!(align_of::<SharedRefresh>() == align_of::<RefreshEntry>());

/// The whole table in this process's memory. It stays when the map it is of is closed.
#[derive(Debug)]
pub struct SharedRefreshes {
    first: NonNull<SharedRefresh>,
    len: usize,
}

// SAFETY: the memory belongs to no thread, and is read and written through atomics only.
unsafe impl Send for SharedRefreshes {}
// SAFETY: as above.
unsafe impl Sync for SharedRefreshes {}

impl SharedRefreshes {
    /// Maps the values of the map into memory.
    ///
    /// # Errors
    ///
    /// What the kernel answers: above all where the map was not made for that.
    pub fn of(map: &Array<MapData, Plain<RefreshEntry>>) -> io::Result<Self> {
        let len = map.len() as usize;
        // SAFETY: the kernel chooses a place where nothing else is. The values of a map of 16 bytes each are one after the other
        // from the beginning, and the kernel refuses lengths beyond their end.
        let memory = unsafe {
            mmap(
                ptr::null_mut(),
                len * size_of::<SharedRefresh>(),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                map.map().fd().as_fd(),
                0,
            )?
        };
        let first = NonNull::new(memory.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { first, len })
    }

    /// The entries, by place.
    pub fn entries(&self) -> &[SharedRefresh] {
        // SAFETY: so many entries were mapped, at the beginning of a page, until this is dropped. Any bytes are a valid entry,
        // and who else writes them does so by single stores of their fields, as atomics do.
        unsafe { slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

impl Drop for SharedRefreshes {
    fn drop(&mut self) {
        // SAFETY: this is what was mapped, and nobody borrows it any more.
        let outcome = unsafe { munmap(self.first.as_ptr().cast(), self.len * size_of::<SharedRefresh>()) };
        debug_assert!(outcome.is_ok());
    }
}
