//! What was done for an operator.

use std::fmt::Write;

use super::plural;
use crate::api::{Cleared, Reloaded};

/// `clear groups`
pub(in crate::ctl) fn cleared(cleared: &Cleared) -> String {
    let count = usize::try_from(cleared.groups_cleared).unwrap_or(usize::MAX);
    format!("{} cleared\n", plural(count, "membership", "memberships"))
}

/// `reload`
pub(in crate::ctl) fn reloaded(reloaded: &Reloaded) -> String {
    let Reloaded {
        file,
        interface_changed,
        restart_needed,
    } = reloaded;
    let mut text = match interface_changed.as_slice() {
        [] => format!("read {file}: no interface changed\n"),
        names => format!("read {file}: changed {}\n", names.join(", ")),
    };
    if !restart_needed.is_empty() {
        let keys = restart_needed.join(", ");
        let _ = writeln!(text, "restart igmpd for these to come into force: {keys}");
    }
    text
}
