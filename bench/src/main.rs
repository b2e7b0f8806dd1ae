//! Measures this router and what a user would pick instead, on the same work, in one run.
//!
//! `cargo xtask bench` builds everything, fetches the contestants and starts this program as root. Each suite measures
//! one question and returns a [`Section`](model::Section); all sections together are kept as raw numbers in
//! `results.json`, from which `RESULTS.md` and its plots are written.
//!
//! | module | holds |
//! |---|---|
//! | [`suite`] | what is measured, one module a question |
//! | [`contestant`] | the programs that are measured, each started and asked in its own way |
//! | [`load`] | what sends frames at full speed |
//! | [`site`] | the namespaces and links of a measurement |
//! | [`cpu`] | CPU time of processes and kernel threads, and whether there was enough of it |
//! | [`patience`] | measuring again what was starved |
//! | [`interrupt`] | what a signal does |
//! | [`model`] | results: figures, tables, plots, goals |
//! | [`report`] | results for people: Markdown and SVG |
//! | [`machine`] | where and with what it was measured |

#![forbid(unsafe_code)]

mod arguments;
mod contestant;
mod cpu;
mod interrupt;
mod load;
mod machine;
mod model;
mod patience;
mod report;
mod site;
mod suite;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Task};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.task {
        Some(Task::Render) => report::write_again(&arguments.output),
        None => suite::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
