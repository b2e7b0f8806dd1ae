//! The state tables (RFC 9776 §6.4.1 Table 8 and §6.4.2 Table 9).

use core::{
    net::Ipv4Addr,
    ops::{Mul, Sub},
};

use igmp_wire::igmp::RecordKind::{self, Allow, Block, IsExclude, IsInclude, ToExclude, ToInclude};

use crate::{mode::FilterMode, sources::Sources};

/// A set of source addresses that lies somewhere else. The left operand of `-` is the one that is walked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Set<'a> {
    /// The sources of a record, sorted and without duplicates.
    List(&'a [Ipv4Addr]),
    /// The sources of a group whose timers run: A in INCLUDE mode, X in EXCLUDE mode.
    Running(&'a Sources),
    /// The sources of a group whose timers do not run: Y.
    Stopped(&'a Sources),
}

impl Set<'_> {
    fn contains(self, source: Ipv4Addr) -> bool {
        match self {
            Self::List(list) => list.binary_search(&source).is_ok(),
            Self::Running(sources) => sources.get(source).is_some_and(|source| source.timer().is_some()),
            Self::Stopped(sources) => sources.get(source).is_some_and(|source| source.timer().is_none()),
        }
    }

    fn filter(self, keep: impl Fn(Ipv4Addr) -> bool) -> Addresses {
        Addresses(match self {
            Self::List(list) => list.iter().copied().filter(|&source| keep(source)).collect(),
            Self::Running(sources) | Self::Stopped(sources) => sources
                .iter()
                .map(|(address, _)| address)
                .filter(|&source| self.contains(source) && keep(source))
                .collect(),
        })
    }

    fn all(self) -> Addresses {
        self.filter(|_| true)
    }
}

impl Sub for Set<'_> {
    type Output = Addresses;

    fn sub(self, other: Self) -> Addresses {
        self.filter(|source| !other.contains(source))
    }
}

impl Mul for Set<'_> {
    type Output = Addresses;

    /// The intersection. A record's list is walked rather than a group's sources, of which there may be many more.
    fn mul(self, other: Self) -> Addresses {
        match self {
            Self::List(_) => self.filter(|source| other.contains(source)),
            _ => other.filter(|source| self.contains(source)),
        }
    }
}

/// A set of source addresses of its own, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses(pub(crate) Vec<Ipv4Addr>);

impl Sub<Set<'_>> for Addresses {
    type Output = Self;

    fn sub(mut self, other: Set<'_>) -> Self {
        self.0.retain(|&source| !other.contains(source));
        self
    }
}

/// The state of a group, as the tables write it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State<'a> {
    /// INCLUDE (A). A group without state is INCLUDE ({}).
    Include {
        /// The sources wanted.
        a: Set<'a>,
    },
    /// EXCLUDE (X,Y).
    Exclude {
        /// The sources that somebody wants while others exclude them.
        x: Set<'a>,
        /// The sources that nobody wants.
        y: Set<'a>,
    },
}

impl<'a> State<'a> {
    /// The state that consists of this filter mode and these source records.
    pub(crate) fn of(mode: FilterMode, sources: &'a Sources) -> Self {
        match mode {
            FilterMode::Include => Self::Include {
                a: Set::Running(sources),
            },
            FilterMode::Exclude => Self::Exclude {
                x: Set::Running(sources),
                y: Set::Stopped(sources),
            },
        }
    }
}

/// A row's right side: what becomes of the group. Sources that are not mentioned stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// The filter mode of the new state; `None` where it stays.
    pub(crate) mode: Option<FilterMode>,
    /// `(…)=GMI`: source timers that are set to the Group Membership Interval.
    pub(crate) gmi: Addresses,
    /// `(…)=Group Timer`: source timers that are set to the value that the group timer had before.
    pub(crate) group_timer: Addresses,
    /// `(…)=0`: sources that become excluded.
    pub(crate) zero: Addresses,
    /// `Delete (…)`: sources that are forgotten.
    pub(crate) delete: Addresses,
    /// `Group Timer=GMI`.
    pub(crate) refresh: bool,
    /// `Send Q(G,…)`.
    pub(crate) ask_sources: Addresses,
    /// `Send Q(G)`.
    pub(crate) ask_group: bool,
}

/// The row for a group in `state` and a record of `kind` with the sources of `list`.
///
/// Every set is computed from the old state, so the order in which the right side is carried out does not matter, but
/// for two things: `(…)=Group Timer` comes before `Group Timer=GMI`, and queries, which lower timers, come last.
pub(crate) fn row(state: State<'_>, kind: RecordKind, list: &[Ipv4Addr]) -> Row {
    use FilterMode::Exclude as ToExcludeMode;
    use State::{Exclude, Include};

    let stay = Row::default();
    match (state, kind, Set::List(list)) {
        // Table 8
        // Router State    Report     New Router State       Actions
        // INCLUDE (A)     IS_IN (B)  INCLUDE (A+B)          (B)=GMI
        (Include { .. }, IsInclude, b) => Row { gmi: b.all(), ..stay },
        // INCLUDE (A)     IS_EX (B)  EXCLUDE (A*B,B-A)      (B-A)=0, Delete (A-B), Group Timer=GMI
        (Include { a }, IsExclude, b) => Row {
            mode: Some(ToExcludeMode),
            zero: b - a,
            delete: a - b,
            refresh: true,
            ..stay
        },
        // EXCLUDE (X,Y)   IS_IN (A)  EXCLUDE (X+A,Y-A)      (A)=GMI
        (Exclude { .. }, IsInclude, a) => Row { gmi: a.all(), ..stay },
        // EXCLUDE (X,Y)   IS_EX (A)  EXCLUDE (A-Y,Y*A)      (A-X-Y)=GMI, Delete (X-A), Delete (Y-A), Group Timer=GMI
        (Exclude { x, y }, IsExclude, a) => Row {
            gmi: a - x - y,
            delete: both(x - a, y - a),
            refresh: true,
            ..stay
        },

        // Table 9
        // Router State    Report     New Router State       Actions
        // INCLUDE (A)     ALLOW (B)  INCLUDE (A+B)          (B)=GMI
        (Include { .. }, Allow, b) => Row { gmi: b.all(), ..stay },
        // INCLUDE (A)     BLOCK (B)  INCLUDE (A)            Send Q(G,A*B)
        (Include { a }, Block, b) => Row {
            ask_sources: a * b,
            ..stay
        },
        // INCLUDE (A)     TO_EX (B)  EXCLUDE (A*B,B-A)      (B-A)=0, Delete (A-B), Send Q(G,A*B), Group Timer=GMI
        (Include { a }, ToExclude, b) => Row {
            mode: Some(ToExcludeMode),
            zero: b - a,
            delete: a - b,
            ask_sources: a * b,
            refresh: true,
            ..stay
        },
        // INCLUDE (A)     TO_IN (B)  INCLUDE (A+B)          (B)=GMI, Send Q(G,A-B)
        (Include { a }, ToInclude, b) => Row {
            gmi: b.all(),
            ask_sources: a - b,
            ..stay
        },
        // EXCLUDE (X,Y)   ALLOW (A)  EXCLUDE (X+A,Y-A)      (A)=GMI
        (Exclude { .. }, Allow, a) => Row { gmi: a.all(), ..stay },
        // EXCLUDE (X,Y)   BLOCK (A)  EXCLUDE (X+(A-Y),Y)    (A-X-Y)=Group Timer, Send Q(G,A-Y)
        (Exclude { x, y }, Block, a) => Row {
            group_timer: a - x - y,
            ask_sources: a - y,
            ..stay
        },
        // EXCLUDE (X,Y)   TO_EX (A)  EXCLUDE (A-Y,Y*A)      (A-X-Y)=Group Timer, Delete (X-A), Delete (Y-A),
        //                                                   Send Q(G,A-Y), Group Timer=GMI
        (Exclude { x, y }, ToExclude, a) => Row {
            group_timer: a - x - y,
            delete: both(x - a, y - a),
            ask_sources: a - y,
            refresh: true,
            ..stay
        },
        // EXCLUDE (X,Y)   TO_IN (A)  EXCLUDE (X+A,Y-A)      (A)=GMI, Send Q(G,X-A), Send Q(G)
        (Exclude { x, .. }, ToInclude, a) => Row {
            gmi: a.all(),
            ask_sources: x - a,
            ask_group: true,
            ..stay
        },
    }
}

/// The union of two sets that have nothing in common.
fn both(mut one: Addresses, mut other: Addresses) -> Addresses {
    one.0.append(&mut other.0);
    one
}
