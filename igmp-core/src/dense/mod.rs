//! An ordered map that takes hardly more memory than what is in it.
//!
//! A million groups are known at a time, and each is in several maps. A B-tree whose keys come in ascending order leaves its
//! nodes half empty. Here entries lie in chunks, and where keys come in order, a full chunk stays full: it is split behind
//! the last of them, or not at all. Keys lie beside each other, so that a search touches little memory.
//!
//! An event asks several times for the same key, and the next event often for the next key. So the chunk that was asked for last
//! is looked at before it is searched for.
//!
//! Each operation moves keys of one chunk; once in many times, when a chunk is made or dropped, values move, and a part of the
//! list of chunks does, which is eight bytes for each of them where keys are addresses. Nothing of that list moves at its ends,
//! where deadlines come and go.

mod arena;
mod chunk;

use std::{cell::Cell, collections::VecDeque};

use self::{
    arena::Arena,
    chunk::{CHUNK, Chunk},
};

/// A map with ascending keys.
#[derive(Clone, Debug)]
pub struct DenseMap<K, V> {
    /// For each chunk a key that none of its keys is less than, and that is greater than all before it.
    firsts: VecDeque<K>,
    /// The numbers of the chunks, in order. No chunk is empty.
    order: VecDeque<u32>,
    chunks: Arena<K, V>,
    len: usize,
    /// The key of the last new entry.
    last: Option<K>,
    /// The place in the order of the chunk that was searched for last. It may have become that of another, or of none.
    recent: Cell<usize>,
}

impl<K, V> Default for DenseMap<K, V> {
    fn default() -> Self {
        Self {
            firsts: VecDeque::new(),
            order: VecDeque::new(),
            chunks: Arena::default(),
            len: 0,
            last: None,
            recent: Cell::new(0),
        }
    }
}

impl<K: Copy + Ord, V> DenseMap<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The chunk that a key belongs into, if there is any chunk.
    fn chunk_of(&self, key: &K) -> usize {
        let recent = self.recent.get();
        let at = if self.is_within(recent, key) {
            recent
        } else if self.is_within(recent + 1, key) {
            recent + 1
        } else {
            self.firsts
                .partition_point(|first| first <= key)
                .saturating_sub(1)
        };
        self.recent.set(at);
        at
    }

    /// Whether there is such a chunk, and a key from its first to that of the next one belongs into it.
    fn is_within(&self, at: usize, key: &K) -> bool {
        self.firsts.get(at).is_some_and(|first| first <= key)
            && self.firsts.get(at + 1).is_none_or(|next| key < next)
    }

    /// A chunk, by its place in the order.
    fn chunk(&self, at: usize) -> Option<&Chunk<K, V>> {
        self.chunks.get(*self.order.get(at)?)
    }

    fn chunk_mut(&mut self, at: usize) -> Option<&mut Chunk<K, V>> {
        self.chunks.get_mut(*self.order.get(at)?)
    }

    /// All chunks from a place in the order on.
    fn chunks_from(&self, at: usize) -> impl Iterator<Item = &Chunk<K, V>> {
        self.order
            .iter()
            .skip(at)
            .filter_map(|&number| self.chunks.get(number))
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let chunk = self.chunk(self.chunk_of(key))?;
        chunk.value(chunk.find(key).ok()?)
    }

    /// The value of a key, to change it.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let index = self.chunk_of(key);
        let chunk = self.chunk_mut(index)?;
        let index = chunk.find(key).ok()?;
        chunk.value_mut(index)
    }

    /// Whether there is an entry with this key.
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Sets the value of a key. Answers what it was before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok((at, index)) => {
                let place = self.chunk_mut(at)?.value_mut(index)?;
                Some(core::mem::replace(place, value))
            }
            Err(place) => {
                self.insert_at(place, key, value);
                None
            }
        }
    }

    /// The value of a key; where there is none, a new one.
    ///
    /// # Panics
    ///
    /// Never: the place was found or made just before.
    pub fn get_or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        let (at, index) = match self.find(&key) {
            Ok(place) => place,
            Err(place) => self.insert_at(place, key, value()),
        };
        let value = self.chunk_mut(at).and_then(|chunk| chunk.value_mut(index));
        value.expect("an entry that was found or made has a value")
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (at, index) = self.find(key).ok()?;
        let value = self.chunk_mut(at)?.remove(index);
        self.len -= 1;
        self.tidy(at);
        value
    }

    /// The least key.
    pub fn first_key(&self) -> Option<K> {
        self.chunk(0)?.keys().first().copied()
    }

    /// Takes out the entry with the least key.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        let chunk = self.chunk_mut(0)?;
        let key = chunk.keys().first().copied()?;
        let value = chunk.remove(0)?;
        self.len -= 1;
        self.tidy(0);
        Some((key, value))
    }

    /// The entries from a key on, ascending.
    pub fn range(&self, from: K) -> impl Iterator<Item = (K, &V)> {
        let (Ok((at, index)) | Err((at, index))) = self.find(&from);
        let mut index = index;
        self.chunks_from(at)
            .flat_map(move |chunk| chunk.from(core::mem::take(&mut index)))
    }

    /// All entries, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.chunks_from(0).flat_map(|chunk| chunk.from(0))
    }

    /// All keys, ascending.
    pub fn keys(&self) -> impl Iterator<Item = K> {
        self.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// All entries, ascending.
    pub fn into_entries(self) -> impl Iterator<Item = (K, V)> {
        let Self {
            order, mut chunks, ..
        } = self;
        let chunks = order.into_iter().filter_map(move |number| chunks.remove(number));
        chunks.flat_map(Chunk::into_entries)
    }

    /// Where the entry of a key is: in which chunk, and at which place there. Or where it would have to be.
    fn find(&self, key: &K) -> Result<(usize, usize), (usize, usize)> {
        let at = self.chunk_of(key);
        match self.chunk(at).map(|chunk| chunk.find(key)) {
            Some(Ok(index)) => Ok((at, index)),
            Some(Err(index)) => Err((at, index)),
            None => Err((at, 0)),
        }
    }

    /// Makes the entry of a key that has none at the place where it has to be. Answers where that came to be.
    fn insert_at(&mut self, (at, index): (usize, usize), key: K, value: V) -> (usize, usize) {
        self.len += 1;
        let last = self.last.replace(key);
        let Some(chunk) = self.chunk_mut(at) else {
            return self.begin_chunk(at, key, value);
        };
        if chunk.len() < CHUNK {
            chunk.insert(index, key, value);
            if let Some(first) = self.firsts.get_mut(at) {
                *first = key.min(*first);
            }
            return (at, index);
        }
        if index < CHUNK {
            let before = index.checked_sub(1).and_then(|before| chunk.keys().get(before));
            let middle = match before {
                Some(before) if last == Some(*before) => index,
                _ => CHUNK / 2,
            };
            let mut after = chunk.split_off(middle);
            let first_after = after.keys().first().copied().unwrap_or(key);
            let place = if index <= middle {
                chunk.insert(index, key, value);
                if let Some(first) = self.firsts.get_mut(at) {
                    *first = key.min(*first);
                }
                (at, index)
            } else {
                after.insert(index - middle, key, value);
                (at + 1, index - middle)
            };
            let number = self.chunks.add(after);
            self.firsts.insert(at + 1, first_after);
            self.order.insert(at + 1, number);
            return place;
        }
        // After everything in a full chunk, which stays full.
        match self.chunk_mut(at + 1) {
            Some(next) if next.len() < CHUNK => {
                next.insert(0, key, value);
                if let Some(first) = self.firsts.get_mut(at + 1) {
                    *first = key;
                }
                (at + 1, 0)
            }
            _ => self.begin_chunk(at + 1, key, value),
        }
    }

    /// Makes a chunk of one entry, as the one at this place in the order. Answers where the entry is.
    fn begin_chunk(&mut self, at: usize, key: K, value: V) -> (usize, usize) {
        let number = self.chunks.make(key);
        if let Some(chunk) = self.chunks.get_mut(number) {
            chunk.insert(0, key, value);
        }
        self.firsts.insert(at, key);
        self.order.insert(at, number);
        (at, 0)
    }

    fn remove_chunk(&mut self, at: usize) -> Option<Chunk<K, V>> {
        self.firsts.remove(at);
        let number = self.order.remove(at)?;
        self.chunks.remove(number)
    }

    /// Drops a chunk that has become empty, and puts two together of which little is left.
    fn tidy(&mut self, at: usize) {
        let len = |at: usize| self.chunk(at).map(Chunk::len);
        let Some(here) = len(at).filter(|len| *len <= CHUNK / 4) else {
            return;
        };
        if here == 0 {
            self.firsts.remove(at);
            if let Some(number) = self.order.remove(at) {
                self.chunks.drop(number);
            }
            return;
        }
        let fits = |other: usize| len(other).is_some_and(|other| here + other <= CHUNK / 2);
        let into = match at.checked_sub(1) {
            _ if fits(at + 1) => Some(at),
            Some(before) if fits(before) => Some(before),
            _ => None,
        };
        if let Some(into) = into {
            let after = self.remove_chunk(into + 1);
            if let (Some(chunk), Some(after)) = (self.chunk_mut(into), after) {
                chunk.append(after);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{collection::vec, prelude::*};

    use super::{CHUNK, DenseMap};

    /// What holds between operations.
    fn check(map: &DenseMap<u16, u32>) {
        assert_eq!(map.firsts.len(), map.order.len());
        let mut before = None;
        let mut len = 0;
        for (first, chunk) in map.firsts.iter().zip(map.chunks_from(0)) {
            chunk.check();
            assert!(before.is_none_or(|before| before < *first));
            assert!(chunk.keys().first().is_some_and(|key| first <= key));
            before = chunk.keys().last().copied();
            len += chunk.len();
        }
        assert_eq!(map.len(), len);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u16, u32),
        GetOrInsert(u16, u32),
        Remove(u16),
        PopFirst,
        /// Many in a row, to fill chunks.
        Run(u16, u16),
        /// Removes as many in a row.
        RemoveRun(u16, u16),
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = 0..2_000_u16;
        prop_oneof![
            4 => (key.clone(), any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
            2 => (key.clone(), any::<u32>()).prop_map(|(key, value)| Step::GetOrInsert(key, value)),
            4 => key.clone().prop_map(Step::Remove),
            1 => Just(Step::PopFirst),
            2 => (key.clone(), 1..400_u16).prop_map(|(from, count)| Step::Run(from, count)),
            2 => (key, 1..400_u16).prop_map(|(from, count)| Step::RemoveRun(from, count)),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in vec(step(), 1..120), from in 0..2_400_u16) {
            let mut map = DenseMap::default();
            let mut model = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Insert(key, value) => {
                        prop_assert_eq!(map.insert(key, value), model.insert(key, value));
                    }
                    Step::GetOrInsert(key, value) => {
                        prop_assert_eq!(map.get_or_insert_with(key, || value), model.entry(key).or_insert(value));
                    }
                    Step::Remove(key) => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                    Step::PopFirst => prop_assert_eq!(map.pop_first(), model.pop_first()),
                    Step::Run(first, count) => {
                        for key in first..first + count {
                            prop_assert_eq!(map.insert(key, 7), model.insert(key, 7));
                        }
                    }
                    Step::RemoveRun(first, count) => {
                        for key in first..first + count {
                            prop_assert_eq!(map.remove(&key), model.remove(&key));
                        }
                    }
                }
                check(&map);
            }
            prop_assert_eq!(map.is_empty(), model.is_empty());
            prop_assert_eq!(map.first_key(), model.keys().next().copied());
            for key in 0..2_400 {
                prop_assert_eq!(map.get(&key), model.get(&key));
                prop_assert_eq!(map.get_mut(&key), model.get_mut(&key));
                prop_assert_eq!(map.contains_key(&key), model.contains_key(&key));
            }
            let entries = || model.iter().map(|(&key, value)| (key, value));
            prop_assert!(map.iter().eq(entries()));
            prop_assert!(map.keys().eq(entries().map(|(key, _)| key)));
            prop_assert!(map.values().eq(entries().map(|(_, value)| value)));
            prop_assert!(map.range(from).eq(entries().filter(|(key, _)| *key >= from)));
            prop_assert!(map.into_entries().eq(model));
        }
    }

    /// The purpose of it all: what comes in order fills chunks to the last place, also in the middle.
    #[test]
    fn ascending_keys_leave_no_room_unused() {
        let mut map = DenseMap::default();
        for key in (0..20_000).chain(60_000..65_000).chain(20_000..60_000) {
            map.insert(key, 0);
        }
        check(&map);
        let least = 65_000_usize.div_ceil(CHUNK);
        assert!(map.order.len() <= least + 2, "{} chunks", map.order.len());
    }
}
