//! Taking a changed configuration into force.

use std::collections::BTreeSet;

use tracing::{error, info, warn};

use super::Agent;
use crate::{api::Reloaded, config::Config, control::RequestError};

impl Agent {
    /// Reads the file again because of a signal; errors go to the log.
    pub(super) fn reload_on_signal(&mut self) {
        // What went wrong, and what is to be known of what went well, is in the log already.
        let _ = self.reload();
    }

    /// Reads the file again. What it changes is changed, memberships elsewhere stay.
    ///
    /// # Errors
    ///
    /// What is wrong with the file. Nothing is changed then.
    pub(super) fn reload(&mut self) -> Result<Reloaded, RequestError> {
        let new = Config::load(&self.config_path).map_err(|error| {
            error!("{error}");
            error!("the configuration in force stays as it is");
            RequestError::BadConfiguration(error.to_string())
        })?;
        let old = std::mem::replace(&mut self.config, new);
        let new = &self.config;

        let names: BTreeSet<&String> = old.interfaces.keys().chain(new.interfaces.keys()).collect();
        let interface_changed: Vec<String> = names
            .into_iter()
            .filter(|name| old.interfaces.get(*name) != new.interfaces.get(*name))
            .cloned()
            .collect();
        let restart_needed = restart_needed(&old, new);
        for sentence in &new.without_effect {
            if !old.without_effect.contains(sentence) {
                warn!("{sentence}");
            }
        }
        for key in &restart_needed {
            warn!("{key} takes a restart of igmpd to come into force");
        }
        info!(
            changed = interface_changed.join(" "),
            "read {} again",
            self.config_path.display()
        );
        let reloaded = Reloaded {
            file: self.config_path.display().to_string(),
            interface_changed,
            restart_needed,
        };
        self.reconcile();
        Ok(reloaded)
    }
}

/// The keys that differ and are only looked at when igmpd starts.
fn restart_needed(old: &Config, new: &Config) -> Vec<String> {
    [
        ("control-socket", old.control_socket != new.control_socket),
        ("bpf-pin-path", old.bpf_pin_path != new.bpf_pin_path),
        ("bpf-log-level", old.bpf_log_level != new.bpf_log_level),
        ("max-groups", old.max_groups != new.max_groups),
        ("max-entries", old.max_entries != new.max_entries),
        ("forwarding", old.forwarding != new.forwarding),
        ("event-ring-size", old.event_ring_size != new.event_ring_size),
    ]
    .into_iter()
    .filter(|&(_, differs)| differs)
    .map(|(key, _)| key.to_owned())
    .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_takes_a_restart_is_named() {
        let parse = |text| Config::parse(Path::new("igmpd.toml"), text).expect("right");
        let old = parse("");
        assert!(restart_needed(&old, &parse("[igmp]\nversion = 2\n")).is_empty());
        let new = parse("max-groups = 100\nevent-ring-size = 4096\ncontrol-socket = \"/run/other.sock\"\n");
        assert_eq!(
            restart_needed(&old, &new),
            ["control-socket", "max-groups", "event-ring-size"]
        );
    }
}
