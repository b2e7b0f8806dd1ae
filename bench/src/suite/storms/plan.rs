//! Which storms there are, and what the kernel has to allow for them.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};

use super::{feed::Feed, load::Version, who::Who};
use crate::suite::Effort;

/// How many refreshes of each version take long enough for what a contestant does besides, such as answering how many groups it
/// knows, to be a small part of what is measured.
const ENOUGH_REPORTS: u32 = 400_000;
const ENOUGH_RECORDS: u32 = 2_000_000;

/// Storms of one size.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) feed: Feed,
    pub(crate) version: Version,
    pub(crate) groups: u32,
    pub(crate) contestants: Vec<Who>,
    /// How often the quick ones take their turn; the others once.
    pub(crate) repetitions: usize,
    /// How often the quick ones have the same groups refreshed, one time after the other.
    pub(crate) rounds: u32,
    /// How long a storm may take.
    pub(crate) limit: Duration,
}

/// All storms.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) stages: Vec<Stage>,
}

impl Plan {
    /// The storms of a full or a quick look.
    pub(crate) fn new(effort: &Effort) -> Self {
        let sizes: &[u32] = if effort.quick {
            &[20_000]
        } else {
            &[20_000, 100_000, 1_000_000]
        };
        let mut stages = Vec::new();
        for groups in sizes.iter().copied() {
            for (version, feed) in Feed::ALL
                .into_iter()
                .flat_map(|feed| Version::ALL.map(|version| (version, feed)))
            {
                // A daemon does not see how frames came in.
                let is_brief = effort.quick || feed == Feed::LiveFrames;
                let enough = match version {
                    Version::V2 => ENOUGH_REPORTS,
                    Version::V3 => ENOUGH_RECORDS,
                } / if effort.quick { 4 } else { 1 };
                stages.push(Stage {
                    feed,
                    version,
                    groups,
                    contestants: if is_brief {
                        vec![Who::Igmpd, Who::Bridge]
                    } else {
                        Who::ALL.to_vec()
                    },
                    repetitions: effort.repetitions.min(match (effort.quick, is_brief) {
                        (true, _) => 1,
                        (false, true) => 2,
                        (false, false) => 3,
                    }),
                    rounds: enough.div_ceil(groups),
                    limit: Duration::from_secs(if groups > 100_000 { 60 } else { 30 }),
                });
            }
        }
        Self { stages }
    }
}

/// Limits of the whole machine that would hold contestants back, raised while this lives: what a socket may have waiting,
/// and what its options, to which joined groups count, may take.
#[derive(Debug)]
pub(crate) struct Limits(Vec<(&'static str, String)>);

/// Where they are, and what they become.
const LIMITS: [(&str, u64); 2] = [
    ("/proc/sys/net/core/rmem_max", 1 << 30),
    ("/proc/sys/net/core/optmem_max", 1 << 30),
];

impl Limits {
    /// Raises them.
    ///
    /// # Errors
    ///
    /// When the kernel has no such limits.
    pub(crate) fn raise() -> Result<Self> {
        let mut limits = Self(Vec::new());
        for (path, wanted) in LIMITS {
            let before = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
            let is_enough = before.trim().parse::<u64>().is_ok_and(|now| now >= wanted);
            if !is_enough {
                fs::write(Path::new(path), wanted.to_string())
                    .with_context(|| format!("cannot raise {path}"))?;
                limits.0.push((path, before));
            }
        }
        Ok(limits)
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        for (path, before) in &self.0 {
            if let Err(error) = fs::write(path, before.trim()) {
                eprintln!("{path} stays raised: {error}");
            }
        }
    }
}
