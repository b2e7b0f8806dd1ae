//! What the XDP program decides by itself, against the state tables of RFC 9776 §6.4.
//!
//! The program may keep a report from the agent only where the tables say that it changes nothing but timers which the
//! program itself writes down. A model of the tables says what each report changes, for every state and every list of
//! up to three sources.

use igmp_wire::{
    abi::{Change, GroupFlags, GroupStep},
    igmp::RecordKind,
};

/// Sources as bits.
type Set = u8;

/// All sets of three sources.
const SETS: std::ops::Range<Set> = 0..8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// INCLUDE(A); no state at all is INCLUDE({}).
    Include(Set),
    /// EXCLUDE(X, Y).
    Exclude(Set, Set),
}
use State::{Exclude, Include};

/// What a row of the tables says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    state: State,
    /// Sources whose timers become the Group Membership Interval.
    refreshed: Set,
    /// Sources whose timers become something else.
    other_timers: Set,
    group_timer: bool,
    /// Sources of a Group-and-Source-Specific Query; none is sent without sources.
    ask_sources: Set,
    ask_group: bool,
}

impl Row {
    const fn new(state: State) -> Self {
        Self {
            state,
            refreshed: 0,
            other_timers: 0,
            group_timer: false,
            ask_sources: 0,
            ask_group: false,
        }
    }

    const fn asks(self) -> bool {
        self.ask_sources != 0 || self.ask_group
    }
}

/// RFC 9776 §6.4.1 and §6.4.2, row by row.
fn table(state: State, kind: RecordKind, list: Set) -> Row {
    use RecordKind::{Allow, Block, IsExclude, IsInclude, ToExclude, ToInclude};
    match (state, kind) {
        (Include(a), IsInclude | Allow) => Row {
            refreshed: list,
            ..Row::new(Include(a | list))
        },
        (Include(a), IsExclude) => Row {
            other_timers: list & !a,
            group_timer: true,
            ..Row::new(Exclude(a & list, list & !a))
        },
        (Include(a), Block) => Row {
            ask_sources: a & list,
            ..Row::new(Include(a))
        },
        (Include(a), ToExclude) => Row {
            other_timers: list & !a,
            group_timer: true,
            ask_sources: a & list,
            ..Row::new(Exclude(a & list, list & !a))
        },
        (Include(a), ToInclude) => Row {
            refreshed: list,
            ask_sources: a & !list,
            ..Row::new(Include(a | list))
        },
        (Exclude(x, y), IsInclude | Allow) => Row {
            refreshed: list,
            ..Row::new(Exclude(x | list, y & !list))
        },
        (Exclude(x, y), IsExclude) => Row {
            refreshed: list & !x & !y,
            group_timer: true,
            ..Row::new(Exclude(list & !y, y & list))
        },
        (Exclude(x, y), Block) => Row {
            other_timers: list & !x & !y,
            ask_sources: list & !y,
            ..Row::new(Exclude(x | (list & !y), y))
        },
        (Exclude(x, y), ToExclude) => Row {
            other_timers: list & !x & !y,
            group_timer: true,
            ask_sources: list & !y,
            ..Row::new(Exclude(list & !y, y & list))
        },
        (Exclude(x, y), ToInclude) => Row {
            refreshed: list,
            ask_sources: x & !list,
            ask_group: true,
            ..Row::new(Exclude(x | list, y & !list))
        },
    }
}

fn states() -> Vec<State> {
    let mut states: Vec<_> = SETS.map(Include).collect();
    for x in SETS {
        states.extend(SETS.filter(|y| x & y == 0).map(|y| Exclude(x, y)));
    }
    states
}

/// The flags that the agent gives the group's entry: version 3 refreshes EXCLUDE({}). Nothing else about the state is
/// known in the kernel, and INCLUDE({}) has no entry.
fn flags(state: State) -> Option<u32> {
    match state {
        Include(0) => None,
        Exclude(0, 0) => Some(GroupFlags::REFRESH_V3),
        Include(_) | Exclude(..) => Some(0),
    }
}

/// The sources that have entries: those whose timers run.
fn running(state: State) -> Set {
    match state {
        Include(a) => a,
        Exclude(x, _) => x,
    }
}

const KINDS: [RecordKind; 6] = [
    RecordKind::IsInclude,
    RecordKind::IsExclude,
    RecordKind::ToInclude,
    RecordKind::ToExclude,
    RecordKind::Allow,
    RecordKind::Block,
];

#[test]
fn what_the_agent_does_not_hear_of_changes_nothing() {
    let mut kept = [0; 4];
    for state in states() {
        for kind in KINDS {
            for list in SETS {
                let row = table(state, kind, list);
                let change = Change::of_record(kind, list.count_ones() as u16);
                let step = GroupStep::decide(change, flags(state));
                let context = format!("{state:?} {kind:?} {list:03b}: {step:?}, {row:?}");
                match step {
                    GroupStep::Ignore => {
                        assert_eq!(row, Row::new(state), "{context}");
                        kept[0] += 1;
                    }
                    GroupStep::Refresh => {
                        let expected = Row {
                            group_timer: true,
                            ..Row::new(state)
                        };
                        assert_eq!(row, expected, "{context}");
                        kept[1] += 1;
                    }
                    // With `always` false there is no event if the group and all sources are known.
                    GroupStep::Sources { always: false } if list & !running(state) == 0 => {
                        let expected = Row {
                            refreshed: list,
                            ..Row::new(state)
                        };
                        assert_eq!(row, expected, "{context}");
                        kept[2] += 1;
                    }
                    GroupStep::Sources { .. } => {
                        // What the program writes to known sources on the way must be what the table says.
                        let known = list & running(state);
                        assert_eq!(row.refreshed & known, known, "{context}");
                    }
                    GroupStep::Insert(flags) => {
                        assert_eq!(state, Include(0), "{context}");
                        // What is not pending is as the agent would have it, and the rest tells the mode.
                        let pending = GroupFlags::PENDING | GroupFlags::EXCLUDE;
                        let expected = match row.state {
                            Exclude(0, 0) => GroupFlags::REFRESH_V3,
                            _ => pending,
                        };
                        assert_eq!(flags, expected, "{context}");
                        // Until the agent has seen it, the entry refreshes what the state it stands for refreshes.
                        let refresh = flags & !pending;
                        assert_eq!(Some(refresh), super::membership::flags(row.state), "{context}");
                        assert!(row.group_timer && !row.asks(), "{context}");
                        kept[3] += 1;
                    }
                    GroupStep::Hand(_) => {}
                }
            }
        }
    }
    // Each kind of decision was met: IS_IN, ALLOW and BLOCK without sources in all 35 states, and TO_IN({}) and the
    // seven lists of BLOCK in none; IS_EX({}) and TO_EX({}) in EXCLUDE({}); and both with any list in no state.
    assert_eq!((kept[0], kept[1], kept[3]), (3 * 35 + 1 + 7, 2, 2 * 8));
    assert!(kept[2] > 0);
}

#[test]
fn what_changes_state_is_handed_over() {
    for state in states() {
        for kind in KINDS {
            for list in SETS {
                let row = table(state, kind, list);
                if row.state == state && !row.asks() {
                    continue;
                }
                let change = Change::of_record(kind, list.count_ones() as u16);
                let step = GroupStep::decide(change, flags(state));
                let handed = match step {
                    GroupStep::Insert(_) | GroupStep::Hand(_) | GroupStep::Sources { always: true } => true,
                    GroupStep::Sources { always: false } => list & !running(state) != 0,
                    GroupStep::Ignore | GroupStep::Refresh => false,
                };
                assert!(handed, "{state:?} {kind:?} {list:03b}: {step:?}, {row:?}");
            }
        }
    }
}

/// All flags that an entry can have.
const ALL_FLAGS: u32 = GroupFlags::LOST_CHANGE * 2 - 1;

#[test]
fn a_report_refreshes_by_the_flag_of_its_version_alone() {
    // A version 1 or 2 report means IS_EX({}) and that there is a host of that version, which is what the flag is
    // about.
    for (version, flag) in [
        (1, GroupFlags::REFRESH_V1),
        (2, GroupFlags::REFRESH_V2),
        (3, GroupFlags::REFRESH_V3),
    ] {
        let change = Change::AnySource { version };
        for flags in 0..=ALL_FLAGS {
            let expected = if flags & flag != 0 {
                GroupStep::Refresh
            } else {
                GroupStep::Hand(GroupFlags::LOST_JOIN)
            };
            assert_eq!(GroupStep::decide(change, Some(flags)), expected);
        }
        // EXCLUDE({}) with a host of that version.
        let inserted = GroupFlags::REFRESH_V3 | flag;
        assert_eq!(GroupStep::decide(change, None), GroupStep::Insert(inserted));
    }
}

#[test]
fn other_changes_do_not_depend_on_flags() {
    for flags in 0..=ALL_FLAGS {
        for (change, expected) in [
            (Change::ExcludeList, GroupStep::Hand(GroupFlags::LOST_JOIN)),
            (Change::Include, GroupStep::Sources { always: false }),
            (Change::ToInclude, GroupStep::Sources { always: true }),
            (Change::Less, GroupStep::Hand(GroupFlags::LOST_CHANGE)),
            (Change::Nothing, GroupStep::Ignore),
        ] {
            assert_eq!(GroupStep::decide(change, Some(flags)), expected);
        }
    }
    // A Leave or BLOCK for a group without members (RFC 2236 §3, and INCLUDE({}) in RFC 9776 §6.4.2).
    assert_eq!(GroupStep::decide(Change::Less, None), GroupStep::Ignore);
    assert_eq!(GroupStep::decide(Change::Nothing, None), GroupStep::Ignore);
}
