//! What happened, for whoever has to find out why a seed failed.

use core::net::Ipv4Addr;

use igmp_core::Instant;

/// A record of what happened. It is empty unless it is asked for: a seed is run again to get it.
#[derive(Default)]
pub(crate) struct Trace {
    on: bool,
    lines: Vec<(Option<Ipv4Addr>, String)>,
}

impl Trace {
    pub(crate) fn new(on: bool) -> Self {
        Self {
            on,
            lines: Vec::new(),
        }
    }

    /// Writes a line, about one group or about none.
    pub(crate) fn note(&mut self, now: Instant, group: Option<Ipv4Addr>, line: impl FnOnce() -> String) {
        if self.on {
            self.lines
                .push((group, format!("{:>12.6} {}", seconds(now), line())));
        }
    }

    /// The last lines that have to do with a group, oldest first.
    pub(crate) fn last(&self, group: Option<Ipv4Addr>, count: usize) -> Vec<&str> {
        let mut lines: Vec<_> = self
            .lines
            .iter()
            .rev()
            .filter(|(about, _)| about.is_none() || group.is_none() || *about == group)
            .take(count)
            .map(|(_, line)| line.as_str())
            .collect();
        lines.reverse();
        lines
    }
}

/// Seconds of virtual time.
pub(crate) fn seconds(at: Instant) -> f64 {
    at.since(Instant::ZERO).as_secs_f64()
}
