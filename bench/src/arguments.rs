//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::suite::Suite;

/// Measure the router beside what a user would pick instead.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Arguments {
    /// Measure the essentials in less than two minutes, print them, and change no file.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Run this suite alone; may be given several times. The others keep the results of their last run.
    #[arg(long, value_enum, value_name = "SUITE")]
    pub(crate) only: Vec<Suite>,
    /// Where the results are written.
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) output: PathBuf,
    /// The object file of the programs that measure: floors, generators and sinks.
    #[arg(long, value_name = "FILE")]
    pub(crate) object: PathBuf,
    /// The object file of the router's own programs.
    #[arg(long, value_name = "FILE")]
    pub(crate) router_object: PathBuf,
    /// Where the packages of contestants are unpacked, each in a directory of its name.
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) contestants: PathBuf,

    #[command(subcommand)]
    pub(crate) task: Option<Task>,
}

/// What to do instead of measuring.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Task {
    /// Write the tables and plots anew from the raw numbers that are there.
    Render,
}

#[cfg(test)]
impl Arguments {
    /// What a test of a suite runs with: a quick look with the programs of this build.
    pub(crate) fn for_tests() -> Self {
        let path = |variable: &str| {
            let path = std::env::var_os(variable);
            PathBuf::from(path.unwrap_or_else(|| {
                panic!("{variable} names no file: run `cargo xtask test --only privileged`")
            }))
        };
        Self {
            quick: true,
            only: Vec::new(),
            output: std::env::temp_dir(),
            object: path("IGMP_BENCH_OBJECT"),
            router_object: path("IGMP_EBPF_OBJECT"),
            contestants: path("IGMP_BENCH_CONTESTANTS"),
            task: None,
        }
    }
}
