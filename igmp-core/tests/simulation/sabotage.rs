//! Faults that are put in on purpose, to see that the checks find them.

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// The kernel does not write the time of reports that change nothing.
    DropRefreshes,
    /// Leaves, `TO_IN({})` and `BLOCK` never reach the core.
    IgnoreLeaves,
    /// Queries of other routers never reach the core.
    DeafToQueries,
    /// Entries are deleted though a report has just refreshed them.
    DeleteNewer,
    /// Marks of lost events are never looked for.
    NoResync,
    /// No General Query is sent.
    NoGeneralQueries,
    /// No specific query is sent, though timers are lowered.
    NoSpecificQueries,
    /// The core is told a Robustness Variable of 1, so that timers end too early.
    ShortMemberships,
    /// The core is told a Query Response Interval that is too long, and so are its timers.
    LongMemberships,
    /// Sources are not removed from the kernel's map.
    KeepSources,
    /// The kernel refreshes groups silently whether or not the core says so.
    RefreshAlways,
    /// The kernel hands every report over whether or not the core says that it may refresh.
    RefreshNever,
    /// Routes that are needed no longer stay.
    KeepRoutes,
    /// Routes of blocked sources do not arrive.
    LoseBlocks,
}
