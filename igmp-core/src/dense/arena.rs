//! Where the chunks of a map lie.

use super::chunk::Chunk;

/// How many chunks lie beside each other.
const BLOCK: usize = 64;

/// Chunks, by numbers that they keep.
///
/// They lie beside each other rather than each somewhere in the heap. So the keys of a million entries are within a few
/// megabytes, of which the processor's caches, and those of its page table, keep the most.
#[derive(Clone, Debug)]
pub(super) struct Arena<K, V> {
    /// All are full but the last one.
    blocks: Vec<Vec<Chunk<K, V>>>,
    /// Numbers of chunks that are not in use.
    free: Vec<u32>,
}

impl<K, V> Default for Arena<K, V> {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<K: Copy + Ord, V> Arena<K, V> {
    pub(super) fn get(&self, number: u32) -> Option<&Chunk<K, V>> {
        self.blocks
            .get(number as usize / BLOCK)?
            .get(number as usize % BLOCK)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Chunk<K, V>> {
        let block = self.blocks.get_mut(number as usize / BLOCK)?;
        block.get_mut(number as usize % BLOCK)
    }

    /// Makes an empty chunk, and answers its number. `filler` is any key.
    pub(super) fn make(&mut self, filler: K) -> u32 {
        match self.free.pop() {
            Some(number) => number,
            None => self.push(Chunk::new(filler)),
        }
    }

    /// Takes in a chunk, and answers its number.
    pub(super) fn add(&mut self, chunk: Chunk<K, V>) -> u32 {
        match self.free.pop() {
            Some(number) => {
                if let Some(place) = self.get_mut(number) {
                    *place = chunk;
                }
                number
            }
            None => self.push(chunk),
        }
    }

    fn push(&mut self, chunk: Chunk<K, V>) -> u32 {
        let before = self.blocks.len().saturating_sub(1) * BLOCK;
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK => {
                block.push(chunk);
                (before + block.len() - 1) as u32
            }
            _ => {
                self.blocks.push(vec![chunk]);
                ((self.blocks.len() - 1) * BLOCK) as u32
            }
        }
    }

    /// Takes out a chunk.
    pub(super) fn remove(&mut self, number: u32) -> Option<Chunk<K, V>> {
        let chunk = self.get_mut(number)?.take();
        self.drop(number);
        Some(chunk)
    }

    /// Drops a chunk.
    pub(super) fn drop(&mut self, number: u32) {
        if let Some(chunk) = self.get_mut(number) {
            chunk.clear();
            self.free.push(number);
        }
        // What was the most for a while is not kept for ever.
        if self.blocks.len() > 1 && self.free.len() == self.len() {
            *self = Self::default();
        }
    }

    /// How many chunks there are, those not in use included.
    fn len(&self) -> usize {
        let before = self.blocks.len().saturating_sub(1) * BLOCK;
        before + self.blocks.last().map_or(0, Vec::len)
    }
}
