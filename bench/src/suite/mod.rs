//! What is measured, one module a question.

mod cost;
mod forwarding;
mod growth;
mod latency;
mod start;
mod storms;

use std::{
    env,
    fs::File,
    path::Path,
    process::Command,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    unistd::geteuid,
};

use crate::{
    arguments::Arguments,
    interrupt,
    machine::Machine,
    model::{Results, Section},
    report,
};

/// The suites, in the order in which they run and are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Suite {
    /// What a packet costs in XDP.
    Cost,
    /// Join storms and refreshes, absorbed end to end.
    Storms,
    /// How long a join and a leave take.
    Latency,
    /// Multicast data.
    Forwarding,
    /// What an event costs the agent as the number of groups grows.
    Growth,
    /// How long a start takes.
    Start,
}

/// How a measurement is to be made.
#[derive(Clone, Debug)]
pub(crate) struct Effort {
    /// How many times each contestant takes its turn.
    pub(crate) repetitions: usize,
    /// Whether only the essentials are wanted, with small numbers.
    pub(crate) quick: bool,
}

impl Suite {
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn measure(self, arguments: &Arguments, effort: &Effort) -> Result<Section> {
        match self {
            Self::Cost => cost::measure(arguments, effort),
            Self::Storms => storms::measure(arguments, effort),
            Self::Latency => latency::measure(arguments, effort),
            Self::Forwarding => forwarding::measure(arguments, effort),
            Self::Growth => growth::measure(effort),
            Self::Start => start::measure(arguments, effort),
        }
    }
}

/// Runs the suites that are asked for, prints what they found, and writes it down unless it was only a quick look. A
/// suite that fails leaves the others alone.
///
/// # Errors
///
/// Without root, while somebody else is measuring, when results cannot be written, when a suite failed, and when a signal came; then nothing is written.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !geteuid().is_root() {
        bail!("measuring makes network namespaces and loads XDP programs: run this as root");
    }
    let effort = Effort {
        repetitions: if arguments.quick { 3 } else { 5 },
        quick: arguments.quick,
    };
    let _alone = alone(&env::temp_dir())?;
    interrupt::watch().context("cannot watch for signals")?;
    let machine = Machine::look(&arguments.contestants);
    let revision = revision(&arguments.output);
    let mut results = if arguments.only.is_empty() {
        Results::default()
    } else {
        report::read(&arguments.output)?
    };
    results.machine = machine;
    let mut failed = Vec::new();
    for suite in Suite::value_variants().iter().copied() {
        if !(arguments.only.is_empty() || arguments.only.contains(&suite)) {
            continue;
        }
        let name = suite.name();
        eprintln!("== {name}");
        let started = Instant::now();
        let outcome = suite.measure(arguments, &effort);
        // What a signal cut short is worth nothing, whether it was taken for a failure or for a remark.
        interrupt::check()?;
        match outcome {
            Ok(mut section) => {
                let seconds = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .context("the time")?
                    .as_secs();
                section.suite.clone_from(&name);
                section.measured = format!("{seconds} {revision}");
                println!(
                    "{}",
                    report::section(&section, &report::causes(&arguments.output)?)
                );
                results.sections.retain(|earlier| earlier.suite != name);
                results.sections.push(section);
                eprintln!("{name}: done in {:.0} s", started.elapsed().as_secs_f32());
            }
            Err(error) => {
                eprintln!("{name}: {error:#}");
                failed.push(name);
            }
        }
    }
    let order = |section: &Section| Suite::from_str(&section.suite, false).ok();
    results.sections.sort_by_key(order);
    if !arguments.quick {
        report::write(&arguments.output, &results)?;
    }
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("these suites failed: {}", failed.join(", "))
    }
}

/// Keeps a second program from measuring at the same time: both would take the other's kernel threads, which go by the names of
/// devices, for their own, and the machine for their own as well.
fn alone(directory: &Path) -> Result<Flock<File>> {
    let path = directory.join("igmp-bench.lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
        Errno::EWOULDBLOCK => anyhow!("somebody else is measuring on this machine ({})", path.display()),
        error => anyhow!("cannot lock {}: {error}", path.display()),
    })
}

/// The revision of the source tree that a directory is in, as git describes it.
fn revision(directory: &Path) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["describe", "--always", "--dirty"])
        .output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "of an unknown revision".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_measurement_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = alone(directory.path()).expect("nobody else measures here");
        let error = alone(directory.path()).expect_err("somebody does");
        assert!(
            error.to_string().starts_with("somebody else is measuring"),
            "{error:#}"
        );
        drop(first);
        alone(directory.path()).expect("nobody does any more");
    }
}
