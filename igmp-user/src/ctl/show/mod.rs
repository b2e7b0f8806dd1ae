//! Tables for people.

mod event;
mod groups;
mod interfaces;
mod operations;
mod routes;
mod statistics;

use std::net::Ipv4Addr;

pub(super) use event::event;
pub(super) use groups::groups;
pub(super) use interfaces::interfaces;
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
