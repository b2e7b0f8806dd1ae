//! Tables for people.

mod event;
mod groups;
mod interfaces;
mod joins;
mod neighbors;
mod operations;
mod routes;
mod statistics;

use std::{fmt::Write, net::Ipv4Addr};

pub(super) use event::event;
pub(super) use groups::groups;
pub(super) use interfaces::interfaces;
pub(super) use joins::joins;
pub(super) use neighbors::neighbors;
pub(super) use operations::{cleared, reloaded};
pub(super) use routes::routes;
pub(super) use statistics::statistics;

use super::well_known;
use crate::api::Seconds;

/// What stands where there is nothing.
const NOTHING: &str = "-";

fn or_nothing(value: Option<impl ToString>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| value.to_string())
}

/// Hours, minutes and seconds, and days before them where there are any.
fn clock(span: Seconds) -> String {
    let seconds = span.get().max(0.0) as u64;
    let (days, hours, minutes, seconds) = (
        seconds / 86_400,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    );
    match days {
        0 => format!("{hours:02}:{minutes:02}:{seconds:02}"),
        _ => format!("{days}d{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A group, with its name where it has one.
fn named(group: Ipv4Addr) -> String {
    match well_known::name(group) {
        Some(name) => format!("{group} ({name})"),
        None => group.to_string(),
    }
}

/// A Generation ID as protocol analysers show it.
fn generation_id(id: u32) -> String {
    format!("{id:#010x}")
}

/// How many sources are named before the rest is only counted.
const SOURCES_SHOWN: usize = 3;

/// Sources, each with whether it is wanted; those that are not have a `!` before them.
fn source_list(sources: impl ExactSizeIterator<Item = (Ipv4Addr, bool)>) -> String {
    let count = sources.len();
    if count == 0 {
        return "*".to_owned();
    }
    let mut text = String::new();
    for (source, wanted) in sources.take(SOURCES_SHOWN) {
        let separator = if text.is_empty() { "" } else { ", " };
        let excluded = if wanted { "" } else { "!" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{excluded}{source}");
    }
    if let Some(more) = count.checked_sub(SOURCES_SHOWN)
        && more > 0
    {
        let _ = write!(text, " and {more} more");
    }
    text
}
