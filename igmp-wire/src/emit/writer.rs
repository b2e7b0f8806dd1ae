//! Writing into a buffer from its beginning to its end.

use core::net::Ipv4Addr;

use super::Error;
use crate::checksum;

/// The part of a buffer that is not written yet.
pub(super) struct Writer<'a> {
    rest: &'a mut [u8],
}

impl<'a> Writer<'a> {
    /// Writes into `buffer`, all of which is to be filled.
    pub(super) fn new(buffer: &'a mut [u8]) -> Self {
        Self { rest: buffer }
    }

    /// Writes `bytes` next.
    pub(super) fn put<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), Error> {
        let available = self.rest.len();
        let (to, rest) = core::mem::take(&mut self.rest)
            .split_first_chunk_mut::<N>()
            .ok_or(Error::BufferTooSmall { needed: N, available })?;
        *to = bytes;
        self.rest = rest;
        Ok(())
    }

    /// Writes `addresses` next, four bytes each.
    pub(super) fn put_addresses(&mut self, addresses: &[Ipv4Addr]) -> Result<(), Error> {
        addresses
            .iter()
            .try_for_each(|address| self.put(address.octets()))
    }
}

/// The first `len` bytes of `buffer`.
pub(super) fn first(buffer: &mut [u8], len: usize) -> Result<&mut [u8], Error> {
    let available = buffer.len();
    buffer.get_mut(..len).ok_or(Error::BufferTooSmall {
        needed: len,
        available,
    })
}

/// The first `len` bytes of `buffer`, and the others.
pub(super) fn split(buffer: &mut [u8], len: usize) -> Result<(&mut [u8], &mut [u8]), Error> {
    let available = buffer.len();
    buffer.split_at_mut_checked(len).ok_or(Error::BufferTooSmall {
        needed: len,
        available,
    })
}

/// Writes the checksum over `bytes` into the two bytes at `AT`, which hold zero so far.
pub(super) fn put_checksum<const AT: usize>(bytes: &mut [u8]) {
    let value = checksum::finish(checksum::sum(bytes)).to_be_bytes();
    for (to, from) in bytes.iter_mut().skip(AT).zip(value) {
        *to = from;
    }
}
