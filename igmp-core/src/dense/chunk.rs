//! A part of a map: so many entries that a search among them is short.

/// Most entries of a chunk: as many as there are bits in [`Chunk::free`].
pub(super) const CHUNK: usize = 64;

/// By how many values the room for them grows at least. Where keys come in no order chunks are two thirds full, and so is
/// not much more memory than that in use.
const LEAST_STEP: usize = 8;
/// By how many bytes it grows at least.
const LEAST_STEP_BYTES: usize = 64;

/// How many values may be missing among those that there is room for.
const MOST_FREE: usize = 16;

/// Some entries, ascending by their keys.
///
/// Keys lie in order and beside each other. Values stay where they are when an entry comes or goes before them, since they
/// are large, and what lies in memory that was not touched for long takes long to move.
#[derive(Clone, Debug)]
pub(super) struct Chunk<K, V> {
    /// How many entries there are.
    len: usize,
    /// A bit for each place among the values that has none.
    free: u64,
    /// The keys. What is behind the last means nothing.
    keys: [K; CHUNK],
    /// At which place the value of each key is.
    places: [u8; CHUNK],
    values: Vec<Option<V>>,
}

impl<K: Copy + Ord, V> Chunk<K, V> {
    /// By how many values the room for them grows.
    const STEP: usize = {
        let step = LEAST_STEP_BYTES / size_of::<Option<V>>();
        if step > LEAST_STEP { step } else { LEAST_STEP }
    };

    /// A chunk without entries, and any key to fill it with.
    pub(super) fn new(filler: K) -> Self {
        Self {
            len: 0,
            free: 0,
            keys: [filler; CHUNK],
            places: [0; CHUNK],
            values: Vec::new(),
        }
    }

    /// Takes all entries out.
    pub(super) fn take(&mut self) -> Self {
        Self {
            len: core::mem::take(&mut self.len),
            free: core::mem::take(&mut self.free),
            keys: self.keys,
            places: self.places,
            values: core::mem::take(&mut self.values),
        }
    }

    /// Drops all entries.
    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.free = 0;
        self.values = Vec::new();
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The keys, ascending.
    pub(super) fn keys(&self) -> &[K] {
        &self.keys[..self.len]
    }

    /// Which entry has this key, or which it would have to be.
    pub(super) fn find(&self, key: &K) -> Result<usize, usize> {
        // What comes in order comes after the last.
        if self.keys().last().is_some_and(|last| last < key) {
            return Err(self.len);
        }
        self.keys().binary_search(key)
    }

    /// The value of an entry.
    pub(super) fn value(&self, index: usize) -> Option<&V> {
        self.values.get(usize::from(self.places[index]))?.as_ref()
    }

    /// The value of an entry, to change it.
    pub(super) fn value_mut(&mut self, index: usize) -> Option<&mut V> {
        self.values.get_mut(usize::from(self.places[index]))?.as_mut()
    }

    /// Makes an entry where it has to be. There is room for it.
    pub(super) fn insert(&mut self, index: usize, key: K, value: V) {
        let place = if self.free == 0 {
            if self.values.len() == self.values.capacity() {
                self.values.reserve_exact(Self::STEP);
            }
            self.values.push(Some(value));
            self.values.len() - 1
        } else {
            let place = self.free.trailing_zeros() as usize;
            self.free &= self.free - 1;
            self.values[place] = Some(value);
            place
        };
        self.keys.copy_within(index..self.len, index + 1);
        self.places.copy_within(index..self.len, index + 1);
        self.keys[index] = key;
        self.places[index] = place as u8;
        self.len += 1;
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, index: usize) -> Option<V> {
        let value = self.take_value(index);
        self.keys.copy_within(index + 1..self.len, index);
        self.places.copy_within(index + 1..self.len, index);
        self.len -= 1;
        if self.values.len() >= self.len + MOST_FREE {
            self.compact();
        }
        value
    }

    /// Takes out all entries from one on.
    pub(super) fn split_off(&mut self, from: usize) -> Self {
        let mut after = Self::new(self.keys[from]);
        after.values.reserve_exact(self.len - from + Self::STEP);
        for index in from..self.len {
            if let Some(value) = self.take_value(index) {
                after.insert(index - from, self.keys[index], value);
            }
        }
        self.len = from;
        self.compact();
        after
    }

    /// Takes over the entries of the chunk that follows.
    pub(super) fn append(&mut self, mut after: Self) {
        for index in 0..after.len {
            if let Some(value) = after.take_value(index) {
                self.insert(self.len, after.keys[index], value);
            }
        }
    }

    /// The entries from one on.
    pub(super) fn from(&self, index: usize) -> impl Iterator<Item = (K, &V)> {
        (index..self.len).filter_map(|index| Some((self.keys[index], self.value(index)?)))
    }

    /// All entries.
    pub(super) fn into_entries(mut self) -> impl Iterator<Item = (K, V)> {
        (0..self.len).filter_map(move |index| Some((self.keys[index], self.take_value(index)?)))
    }

    fn take_value(&mut self, index: usize) -> Option<V> {
        let place = self.places[index];
        self.free |= 1 << place;
        self.values.get_mut(usize::from(place))?.take()
    }

    /// Puts the values into the order of their keys, and gives back the memory that is not needed for them.
    fn compact(&mut self) {
        let mut values = Vec::with_capacity(self.len + Self::STEP);
        for index in 0..self.len {
            values.push(self.take_value(index));
            self.places[index] = index as u8;
        }
        self.values = values;
        self.free = 0;
    }

    /// What holds between operations.
    #[cfg(test)]
    pub(super) fn check(&self) {
        assert!((1..=CHUNK).contains(&self.len));
        assert!(self.keys().is_sorted_by(|one, other| one < other));
        assert_eq!(self.values.len(), self.len + self.free.count_ones() as usize);
        assert!(self.values.len() < self.len + MOST_FREE);
        assert!(self.values.capacity() <= self.values.len() + Self::STEP);
        for (place, value) in self.values.iter().enumerate() {
            assert_eq!(value.is_none(), self.free & (1 << place) != 0);
        }
        assert!((0..self.len).all(|index| self.value(index).is_some()));
    }
}
