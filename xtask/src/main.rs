//! Every command a developer or a user needs: build, run, test. Each sets up what it needs first, and says so.

mod bench;
mod build;
mod command;
mod ebpf;
mod lab;
mod lint;
mod run;
mod setup;
mod test;
mod ui;
mod workspace;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::build::Profile;
use crate::setup::{Installation, Need};
use crate::workspace::Workspace;

/// Build, run and test the IGMP router.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    /// Install nothing: when something is missing, print the commands that would install it and stop.
    #[arg(long, global = true)]
    no_install: bool,

    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Look for everything a command needs and install what is missing, whatever was found earlier.
    Setup {
        /// What the machine is to be ready for.
        #[arg(long = "for", value_enum, default_value_t = Need::Test)]
        need: Need,
    },
    /// Build the XDP program, igmpd and igmpctl.
    Build {
        /// Optimise igmpd and igmpctl (the XDP program always is).
        #[arg(long)]
        release: bool,
    },
    /// Show the router at work in a lab of network namespaces, or run igmpd on real interfaces.
    Run {
        /// Run igmpd on this interface, in the foreground, instead of the lab; may be given several times.
        #[arg(long = "iface", value_name = "INTERFACE", conflicts_with = "hold")]
        interfaces: Vec<String>,
        /// Keep the lab up after the demonstration, until Ctrl-C, and say how to look around in it.
        #[arg(long)]
        hold: bool,
        /// Use optimised builds of igmpd and igmpctl.
        #[arg(long)]
        release: bool,
    },
    /// Run every check and every test: formatting, clippy, rustdoc, unit tests, privileged tests.
    Test {
        /// Run this part alone; may be given several times.
        #[arg(long, value_enum, value_name = "PART")]
        only: Vec<test::Part>,
        /// Test optimised builds.
        #[arg(long)]
        release: bool,
        /// Run only the tests whose name contains this text (the checks are then left out).
        filter: Option<String>,
    },
    /// Measure the router beside what a user would pick instead, and write bench/RESULTS.md.
    Bench {
        /// Measure the essentials in less than two minutes, print them, and change no file.
        #[arg(long, conflicts_with = "render")]
        quick: bool,
        /// Run this suite alone (cost, storms, latency, forwarding, growth, start); may be given several times. The others
        /// keep the results of their last run.
        #[arg(long, value_name = "SUITE", conflicts_with = "render")]
        only: Vec<String>,
        /// Measure nothing: write the tables and plots anew from the raw numbers.
        #[arg(long)]
        render: bool,
    },
    /// Formatting, clippy and rustdoc alone; warnings are errors.
    Lint,
    /// Join a group with a real socket until Ctrl-C: a receiver for trying things out inside the lab.
    Join {
        /// The multicast group.
        group: Ipv4Addr,
        /// Ask for this source only; may be given several times.
        #[arg(long)]
        source: Vec<Ipv4Addr>,
        /// The interface to join on.
        #[arg(long, default_value = lab::HOST_INTERFACE)]
        interface: String,
    },
    /// The lab itself, for `run` to start it as root once everything is built.
    #[command(hide = true)]
    Lab {
        #[arg(long)]
        binaries: PathBuf,
        #[arg(long)]
        hold: bool,
    },
}

fn main() -> ExitCode {
    match perform(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(Arguments { no_install, task }: Arguments) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let installation = if no_install {
        Installation::Refused
    } else {
        Installation::Allowed
    };
    match task {
        Task::Setup { need } => {
            let toolchain = setup::afresh(&workspace, need, installation)?;
            println!("Ready: {toolchain}");
        }
        Task::Build { release } => {
            build::everything(&workspace, Profile::new(release), Need::Build, installation)?;
        }
        Task::Run {
            interfaces,
            hold,
            release,
        } => {
            let profile = Profile::new(release);
            return if interfaces.is_empty() {
                run::lab(&workspace, profile, hold, installation)
            } else {
                run::on_interfaces(&workspace, profile, &interfaces, installation)
            };
        }
        Task::Test {
            only,
            release,
            filter,
        } => {
            let profile = Profile::new(release);
            return test::run(&workspace, profile, &only, filter.as_deref(), installation);
        }
        Task::Bench { quick, only, render } => {
            let wishes = bench::Wishes { quick, only, render };
            return bench::run(&workspace, &wishes, installation);
        }
        Task::Lint => return lint::run(&workspace, installation),
        Task::Join {
            group,
            source,
            interface,
        } => lab::receive(group, &source, &interface)?,
        Task::Lab { binaries, hold } => return lab::run(&binaries, hold),
    }
    Ok(ExitCode::SUCCESS)
}
