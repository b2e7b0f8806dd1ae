//! Reading a hash map many entries at a time.

use std::{
    io,
    marker::PhantomData,
    os::fd::{AsFd, AsRawFd},
    ptr,
};

use aya::{Pod, maps::IterableMap};

/// The command of `bpf(2)`, from linux/bpf.h.
const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;

/// What a call asks for and answers: `batch` of `union bpf_attr` in linux/bpf.h.
#[repr(C)]
struct Batch {
    /// Where the last call ended, a `u32` in hash maps; null for the beginning.
    in_batch: *const u32,
    /// Where this one ends.
    out_batch: *mut u32,
    keys: *mut libc::c_void,
    values: *mut libc::c_void,
    /// In: room for so many entries. Out: how many there are.
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// How far the entries of a hash map have been read. Each that is there all the time is read once.
#[derive(Debug)]
pub struct Entries<K, V> {
    /// Where to go on; `None` at the beginning.
    place: Option<u32>,
    is_over: bool,
    /// How many entries are read at a time.
    room: usize,
    _entries: PhantomData<(K, V)>,
}

impl<K: Pod, V: Pod> Entries<K, V> {
    /// From the beginning on, with room for so many entries at a time.
    pub const fn new(room: usize) -> Self {
        Self {
            place: None,
            is_over: false,
            room,
            _entries: PhantomData,
        }
    }

    /// Reads the next entries into `keys` and `values`, of which one belongs to one. They are empty when there are no more.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    pub fn next(
        &mut self,
        map: &impl IterableMap<K, V>,
        keys: &mut Vec<K>,
        values: &mut Vec<V>,
    ) -> io::Result<()> {
        keys.clear();
        values.clear();
        while !self.is_over && keys.is_empty() {
            keys.reserve(self.room);
            values.reserve(self.room);
            let mut place = 0;
            let mut batch = Batch {
                in_batch: self.place.as_ref().map_or(ptr::null(), ptr::from_ref),
                out_batch: &raw mut place,
                keys: keys.as_mut_ptr().cast(),
                values: values.as_mut_ptr().cast(),
                count: u32::try_from(self.room).unwrap_or(u32::MAX),
                map_fd: map.map().fd().as_fd().as_raw_fd().cast_unsigned(),
                elem_flags: 0,
                flags: 0,
            };
            // SAFETY: the structure is what the kernel expects of this command, and as long as it is said to be. Keys and
            // values of the map have the sizes of these types, which aya has compared when it made the typed map, and there
            // is room for `count` of each. Both places are readable and writable while the call lasts.
            let outcome = unsafe {
                libc::syscall(
                    libc::SYS_bpf,
                    BPF_MAP_LOOKUP_BATCH,
                    &raw mut batch,
                    size_of::<Batch>(),
                )
            };
            let error = (outcome < 0).then(io::Error::last_os_error);
            match error.as_ref().and_then(io::Error::raw_os_error) {
                None => {}
                // These were the last ones.
                Some(libc::ENOENT) => self.is_over = true,
                // More entries than there is room for have the same hash.
                Some(libc::ENOSPC) => {
                    self.room *= 2;
                    continue;
                }
                Some(_) => return Err(error.unwrap_or_else(io::Error::last_os_error)),
            }
            let count = (batch.count as usize).min(self.room);
            // SAFETY: the kernel has written so many of each, there is room for them, and any bytes are a valid value of a
            // type that is plain.
            unsafe {
                keys.set_len(count);
                values.set_len(count);
            }
            self.place = Some(place);
        }
        Ok(())
    }
}
