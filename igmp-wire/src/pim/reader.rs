//! Reading a message from its beginning to its end.

use super::Refusal;

/// The part of a message that is not read yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their beginning.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether everything is read.
    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] where there are not as many.
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Refusal::Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next `len` bytes, where they are.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] where there are not as many.
    pub(super) fn take_slice(&mut self, len: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Refusal::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// What `walk` reads, where it is.
    ///
    /// # Errors
    ///
    /// Those of `walk`.
    pub(super) fn span(
        &mut self,
        walk: impl FnOnce(&mut Self) -> Result<(), Refusal>,
    ) -> Result<&'a [u8], Refusal> {
        let before = self.rest;
        walk(self)?;
        // What is left is a suffix of what was there.
        let len = before.len().saturating_sub(self.rest.len());
        before.get(..len).ok_or(Refusal::Malformed)
    }
}
