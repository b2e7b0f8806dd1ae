//! What all interfaces together may remember.

/// Counts the group and source records of all interfaces, and holds them against what the router has room for.
///
/// The XDP program can only limit what it has in its maps. It has no entries of excluded sources, of which hosts may
/// report as many as they like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    groups: usize,
    sources: usize,
    max_groups: usize,
    max_sources: usize,
}

impl Default for Budget {
    /// Room for everything.
    fn default() -> Self {
        Self::new(usize::MAX, usize::MAX)
    }
}

impl Budget {
    /// Room for so many records, of which there are none yet.
    pub(crate) fn new(max_groups: usize, max_sources: usize) -> Self {
        Self {
            groups: 0,
            sources: 0,
            max_groups,
            max_sources,
        }
    }

    /// Most groups.
    pub(crate) fn max_groups(&self) -> usize {
        self.max_groups
    }

    /// Most sources.
    pub(crate) fn max_sources(&self) -> usize {
        self.max_sources
    }

    /// Whether there is no room for another group.
    pub(crate) fn is_out_of_groups(&self) -> bool {
        self.groups >= self.max_groups
    }

    /// How many more sources there is room for, that hosts want.
    pub(crate) fn room_for_wanted(&self) -> usize {
        self.max_sources.saturating_sub(self.sources)
    }

    /// How many more sources there is room for, that hosts exclude. Without a record of such a source its traffic goes on,
    /// which harms nobody, while a wanted one without a record gets no traffic. So half of the room is kept for those.
    pub(crate) fn room_for_excluded(&self) -> usize {
        self.max_sources.div_ceil(2).saturating_sub(self.sources)
    }

    /// A group record was made.
    pub(crate) fn add_group(&mut self) {
        self.groups += 1;
    }

    /// A group record was dropped.
    pub(crate) fn remove_group(&mut self) {
        debug_assert!(self.groups > 0, "a group that was never counted");
        self.groups = self.groups.saturating_sub(1);
    }

    /// A source record was made.
    pub(crate) fn add_source(&mut self) {
        self.sources += 1;
    }

    /// Source records were dropped.
    pub(crate) fn remove_sources(&mut self, sources: usize) {
        debug_assert!(self.sources >= sources, "a source that was never counted");
        self.sources = self.sources.saturating_sub(sources);
    }

    /// How many groups and sources there are.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.groups, self.sources)
    }
}
