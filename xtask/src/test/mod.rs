//! Every check and every test of the workspace, and one closing line over all of them.

mod expected;
mod tally;

use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;

use self::tally::Tally;
use crate::bench::contestants;
use crate::build::{self, Built, Profile};
use crate::command;
use crate::ebpf;
use crate::lint::{self, Check};
use crate::setup::{Installation, Need};
use crate::ui;
use crate::workspace::Workspace;

/// A part of the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Formatting, clippy, rustdoc.
    Lint,
    /// The tests that need no privilege, simulations included.
    Unit,
    /// The tests that load the XDP program and run igmpd in network namespaces; they need root.
    Privileged,
}

/// The parts in their order, with the names that people see.
const PARTS: [(Part, &str); 3] = [
    (Part::Lint, "checks"),
    (Part::Unit, "unit tests"),
    (Part::Privileged, "privileged tests"),
];

/// Sets up, builds, and runs the parts asked for (all when none is named), only tests matching `filter` when given.
///
/// # Errors
///
/// When the tests cannot be started; whatever fails after that is no error but an exit code.
pub(crate) fn run(
    workspace: &Workspace,
    profile: Profile,
    only: &[Part],
    filter: Option<&str>,
    installation: Installation,
) -> Result<ExitCode> {
    let started = Instant::now();
    let wanted = |part| match only {
        [] => !(part == Part::Lint && filter.is_some()),
        parts => parts.contains(&part),
    };
    ui::headline("build");
    let mut total = Tally::default();
    let mut times = Vec::new();
    match build::everything(workspace, profile, Need::Test, installation) {
        Ok(built) => {
            times.push(("build", started.elapsed()));
            for (part, name) in PARTS.into_iter().filter(|(part, _)| wanted(*part)) {
                let started = Instant::now();
                run_part(
                    (workspace, profile, installation),
                    &built,
                    (part, name),
                    filter,
                    &mut total,
                )?;
                times.push((name, started.elapsed()));
            }
        }
        Err(error) => total.fail(format!("set-up and build: {error:#}")),
    }

    ui::headline("result");
    for (name, time) in times {
        println!("{name}: {:.1} s", time.as_secs_f32());
    }
    for failure in &total.failures {
        println!("failed: {failure}");
    }
    println!("total time: {:.1} s", started.elapsed().as_secs_f32());
    println!("{total}");
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run_part(
    (workspace, profile, installation): (&Workspace, Profile, Installation),
    built: &Built,
    (part, name): (Part, &str),
    filter: Option<&str>,
    total: &mut Tally,
) -> Result<()> {
    if part == Part::Lint {
        run_checks(workspace, built, total);
        return Ok(());
    }
    ui::headline(name);
    let mut cargo = cargo_test(workspace, profile, built);
    let privileged = part == Part::Privileged;
    if privileged {
        if let Err(error) = become_root(&mut cargo) {
            total.fail(format!("{name}: {error:#}"));
            return Ok(());
        }
        // They wait for timers of the protocol most of the time, each in namespaces of its own, so that more of them than
        // there are processors get on side by side.
        for package in PRIVILEGED_PACKAGES {
            cargo.args(["--package", package]);
        }
        cargo
            .env("RUST_TEST_THREADS", PRIVILEGED_THREADS)
            .env(
                ebpf::MEASURING_OBJECT_VARIABLE,
                ebpf::measuring_object(&built.object),
            )
            .env(
                contestants::DIRECTORY_VARIABLE,
                contestants::fetch(workspace, installation),
            );
    } else {
        cargo.args(["--workspace", "--exclude=igmp-ebpf"]);
        for package in PRIVILEGED_PACKAGES {
            cargo.args(["--exclude", package]);
        }
    }
    // Under a filter most test programs run nothing, as asked.
    let expected = if filter.is_some() {
        Vec::new()
    } else {
        expected::programs(workspace, |package| {
            PRIVILEGED_PACKAGES.contains(&package) == privileged && package != "igmp-ebpf"
        })?
    };
    run_tests(name, cargo.args(filter), &expected, total)
}

/// The packages whose tests need root.
const PRIVILEGED_PACKAGES: [&str; 2] = ["bench", "tests"];

/// How many privileged tests run at a time.
const PRIVILEGED_THREADS: &str = "8";

fn run_checks(workspace: &Workspace, built: &Built, total: &mut Tally) {
    for Check { name, mut command } in lint::checks(workspace, &built.toolchain, &built.object) {
        ui::headline(name);
        if let Err(error) = command::check(&mut command) {
            total.fail(format!("{name}: {error:#}"));
        }
    }
}

fn cargo_test(workspace: &Workspace, profile: Profile, built: &Built) -> Command {
    let mut cargo = workspace.cargo();
    cargo
        .args(["test", "--no-fail-fast"])
        .env(ebpf::OBJECT_VARIABLE, &built.object);
    // The privileged tests run the igmpd and igmpctl that lie beside them: those of the same profile.
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    cargo
}

/// Lets cargo run the test programs, but not the compiler, as root.
fn become_root(cargo: &mut Command) -> Result<()> {
    if !command::is_root() {
        command::as_root("true", "Running the privileged tests")?;
        cargo.args(["--config", r#"target.'cfg(unix)'.runner=["sudo", "-E"]"#]);
    }
    Ok(())
}

/// Runs cargo, passes on what it prints as it comes, and counts. A run that fails without a failed test (it did not
/// compile, a test program crashed) counts as one failure, and so does a test program that should have tests and ran
/// none.
fn run_tests(name: &str, cargo: &mut Command, expected: &[String], total: &mut Tally) -> Result<()> {
    let (reader, writer) = io::pipe().context("cannot make a pipe")?;
    // One pipe for both: which test program a result belongs to is in the order of the lines.
    cargo
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("cannot share a pipe")?)
        .stderr(writer);
    if io::stdout().is_terminal() {
        cargo.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = cargo
        .spawn()
        .with_context(|| format!("cannot start `{}`", command::display(cargo)))?;
    // Else the pipe would stay open here after cargo has ended.
    cargo.stdout(Stdio::null()).stderr(Stdio::null());

    let mut tally = Tally::default();
    let mut stdout = io::stdout();
    for line in BufReader::new(reader).split(b'\n') {
        let mut line = line.context("cannot read the output of cargo test")?;
        tally.read(&String::from_utf8_lossy(&line));
        line.push(b'\n');
        stdout.write_all(&line).context("cannot print")?;
    }
    let status = child.wait().context("cannot wait for cargo test")?;
    tally.conclude(name, status.success(), expected);
    total.add(tally);
    Ok(())
}
