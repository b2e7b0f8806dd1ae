//! The filter mode of a group.

use crate::forwarding::Journal;

/// The filter mode of a group (RFC 9776 §6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FilterMode {
    /// Traffic of the listed sources is wanted.
    Include,
    /// Traffic of all sources is wanted but of the excluded ones.
    Exclude,
}

/// The filter mode that a group is in. It does not change without a note of that, since routes follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode(FilterMode);

impl Mode {
    /// INCLUDE mode, in which a group begins.
    pub(crate) const fn new() -> Self {
        Self(FilterMode::Include)
    }

    pub(crate) const fn get(self) -> FilterMode {
        self.0
    }

    pub(crate) fn set(&mut self, mode: FilterMode, journal: &mut Journal<'_>) {
        if self.0 != mode {
            self.0 = mode;
            journal.any_source();
        }
    }
}
