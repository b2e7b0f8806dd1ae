//! A group that reads the RFC's tables anew for each record.

use std::collections::{BTreeMap, BTreeSet};

use crate::expression::evaluate;

/// A source, by its number.
pub(crate) type Source = u8;

/// A group as an observer sees it: mode, end of the group timer, sources with the ends of their timers.
pub(crate) type Written = (String, Option<u64>, Vec<(Source, Option<u64>)>);

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;
/// Group Membership Interval: 2 * 125 s + 2 * 10 s (RFC 9776 §8.4).
const GMI: u64 = 270 * SECOND;
/// Last Member Query Time: 2 * 1 s (§8.10).
const LMQT: u64 = 2 * SECOND;

/// Table 8 and Table 9: router state, report, new router state, actions.
const TABLES: [(&str, &str, &str, &str); 12] = [
    ("INCLUDE (A)", "IS_IN (B)", "INCLUDE (A+B)", "(B)=GMI"),
    (
        "INCLUDE (A)",
        "IS_EX (B)",
        "EXCLUDE (A*B,B-A)",
        "(B-A)=0; Delete (A-B); Group Timer=GMI",
    ),
    ("EXCLUDE (X,Y)", "IS_IN (A)", "EXCLUDE (X+A,Y-A)", "(A)=GMI"),
    (
        "EXCLUDE (X,Y)",
        "IS_EX (A)",
        "EXCLUDE (A-Y,Y*A)",
        "(A-X-Y)=GMI; Delete (X-A); Delete (Y-A); Group Timer=GMI",
    ),
    ("INCLUDE (A)", "ALLOW (B)", "INCLUDE (A+B)", "(B)=GMI"),
    ("INCLUDE (A)", "BLOCK (B)", "INCLUDE (A)", "Send Q(G,A*B)"),
    (
        "INCLUDE (A)",
        "TO_EX (B)",
        "EXCLUDE (A*B,B-A)",
        "(B-A)=0; Delete (A-B); Send Q(G,A*B); Group Timer=GMI",
    ),
    (
        "INCLUDE (A)",
        "TO_IN (B)",
        "INCLUDE (A+B)",
        "(B)=GMI; Send Q(G,A-B)",
    ),
    ("EXCLUDE (X,Y)", "ALLOW (A)", "EXCLUDE (X+A,Y-A)", "(A)=GMI"),
    (
        "EXCLUDE (X,Y)",
        "BLOCK (A)",
        "EXCLUDE (X+(A-Y),Y)",
        "(A-X-Y)=Group Timer; Send Q(G,A-Y)",
    ),
    (
        "EXCLUDE (X,Y)",
        "TO_EX (A)",
        "EXCLUDE (A-Y,Y*A)",
        "(A-X-Y)=Group Timer; Delete (X-A); Delete (Y-A); Send Q(G,A-Y); Group Timer=GMI",
    ),
    (
        "EXCLUDE (X,Y)",
        "TO_IN (A)",
        "EXCLUDE (X+A,Y-A)",
        "(A)=GMI; Send Q(G,X-A); Send Q(G)",
    ),
];

/// Whether the modelled router is the one that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Querier,
    NonQuerier,
}

/// What a record makes the querier ask.
#[derive(Debug, Default)]
pub(crate) struct Question {
    pub(crate) group: bool,
    pub(crate) sources: BTreeSet<Source>,
}

/// The state of a group.
#[derive(Debug)]
pub(crate) struct Group {
    role: Role,
    mode: String,
    /// End of the group timer.
    timer: u64,
    /// Ends of source timers, 0 where they do not run.
    sources: BTreeMap<Source, u64>,
}

impl Group {
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role,
            mode: "INCLUDE".to_owned(),
            timer: 0,
            sources: BTreeMap::new(),
        }
    }

    /// Looks up the row of a record and does what it says. Returns what it says to ask.
    pub(crate) fn record(&mut self, name: &str, list: &BTreeSet<Source>, now: u64) -> Question {
        let (old_state, report, new_state, actions) = TABLES
            .into_iter()
            .find(|(state, report, ..)| state.starts_with(&self.mode) && report.starts_with(name))
            .expect("the tables have a row for everything");
        let list_letter = letters(report);
        let old = self.sources.clone();
        let running: BTreeSet<Source> = old.iter().filter(|(_, end)| **end > 0).map(|(s, _)| *s).collect();
        let stopped: BTreeSet<Source> = old
            .iter()
            .filter(|(_, end)| **end == 0)
            .map(|(s, _)| *s)
            .collect();
        let state_letters = letters(old_state);
        let set = |letter: char| {
            if list_letter == [letter] {
                list.clone()
            } else if state_letters.first() == Some(&letter) {
                running.clone()
            } else if state_letters.get(1) == Some(&letter) {
                stopped.clone()
            } else {
                panic!("{letter} is no set of {old_state} and {report}")
            }
        };

        // The new state says which sources there are.
        let (new_mode, sets) = new_state.split_once(' ').expect("a mode and its sets");
        let sets: Vec<BTreeSet<Source>> = sets
            .strip_prefix('(')
            .and_then(|sets| sets.strip_suffix(')'))
            .expect("sets in parentheses")
            .split(',')
            .map(|expression| evaluate(expression, &set))
            .collect();
        let old_timer = self.timer;
        let mut timers = old;
        let mut question = Question::default();
        let mut deleted = BTreeSet::new();
        for action in actions.split("; ") {
            if let Some(expression) = action.strip_prefix("Delete ") {
                deleted.extend(evaluate(expression, &set));
            } else if action == "Group Timer=GMI" {
                self.timer = now + GMI;
            } else if action == "Send Q(G)" {
                question.group = true;
            } else if let Some(expression) = action.strip_prefix("Send Q(G,") {
                let expression = expression.strip_suffix(')').expect("a closing parenthesis");
                question.sources = evaluate(expression, &set);
            } else {
                let (expression, value) = action.split_once('=').expect("an assignment");
                let value = match value {
                    "GMI" => now + GMI,
                    "Group Timer" => old_timer,
                    "0" => 0,
                    other => panic!("{other} is no timer value"),
                };
                for source in evaluate(expression, &set) {
                    timers.insert(source, value);
                }
            }
        }
        timers.retain(|source, _| !deleted.contains(source));

        // Both halves of a row must say the same.
        let listed: BTreeSet<Source> = sets.iter().flatten().copied().collect();
        assert_eq!(
            timers.keys().copied().collect::<BTreeSet<_>>(),
            listed,
            "{old_state} {report}"
        );
        if let [_, excluded] = sets.as_slice() {
            for (source, end) in &timers {
                assert_eq!(*end == 0, excluded.contains(source), "{old_state} {report}");
            }
        }
        self.mode = new_mode.to_owned();
        self.sources = timers;

        if self.role == Role::Querier {
            // §6.6.3.1 and §6.6.3.2: asking lowers timers, and never raises them.
            if question.group {
                self.timer = self.timer.min(now + LMQT);
            }
            for source in &question.sources {
                let end = self
                    .sources
                    .get_mut(source)
                    .expect("only sources with records are asked for");
                *end = (*end).min(now + LMQT);
            }
        }
        question
    }

    /// Does what the ends of timers demand (§6.3 and §6.5).
    pub(crate) fn expire(&mut self, now: u64) {
        if self.mode == "EXCLUDE" {
            for end in self.sources.values_mut() {
                if *end <= now {
                    *end = 0;
                }
            }
            if self.timer <= now {
                self.mode = "INCLUDE".to_owned();
            }
        }
        if self.mode == "INCLUDE" {
            self.sources.retain(|_, end| *end > now);
        }
    }

    /// When the next timer ends.
    pub(crate) fn next_end(&self, now: u64) -> Option<u64> {
        let group = (self.mode == "EXCLUDE").then_some(self.timer);
        let sources = self.sources.values().copied();
        sources.chain(group).filter(|end| *end > now).min()
    }

    /// What an observer sees; nothing of INCLUDE ({}).
    pub(crate) fn state(&self) -> Option<Written> {
        let exclude = self.mode == "EXCLUDE";
        if !exclude && self.sources.is_empty() {
            return None;
        }
        let sources = self
            .sources
            .iter()
            .map(|(source, end)| (*source, (*end > 0).then_some(*end)));
        Some((
            self.mode.clone(),
            exclude.then_some(self.timer),
            sources.collect(),
        ))
    }
}

/// The letters that stand for sets, such as X and Y of `EXCLUDE (X,Y)`.
fn letters(term: &str) -> Vec<char> {
    let (_, sets) = term.split_once('(').expect("sets in parentheses");
    sets.chars().filter(char::is_ascii_uppercase).collect()
}
