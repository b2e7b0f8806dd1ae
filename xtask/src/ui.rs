//! What a person sees while something takes long: a spinner with the elapsed time on a terminal, plain lines elsewhere.

use std::collections::VecDeque;
use std::env;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::command;

/// How often a log without a terminal hears from a command that is still running.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(15);

/// How much of a failed command's output is shown.
const LINES_OF_A_FAILURE: usize = 40;

/// Whether standard output is a terminal where colour is welcome.
pub(crate) fn is_colourful() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none()
}

/// Prints the headline of a part.
pub(crate) fn headline(text: &str) {
    if is_colourful() {
        println!("\n\x1b[1m== {text}\x1b[0m");
    } else {
        println!("\n== {text}");
    }
}

/// Runs the command without standard input, shows its last line of output beside the elapsed time, and prints the end
/// of its output only if it fails.
///
/// # Errors
///
/// When it cannot be started or does not exit with 0.
pub(crate) fn with_progress(what: &str, command: &mut Command) -> Result<()> {
    let line = command::display(command);
    let started = Instant::now();
    let (reader, writer) = io::pipe().context("cannot make a pipe")?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("cannot share a pipe")?)
        .stderr(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    // The command holds the writing ends of the pipe; as long as it does, reading would not end with the child.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let progress = Progress::start(what);
    let mut last_lines = VecDeque::with_capacity(LINES_OF_A_FAILURE);
    for output in BufReader::new(reader).split(b'\n') {
        let output = output.with_context(|| format!("cannot read the output of `{line}`"))?;
        // A carriage return rewrites the line; what stands after the last one is what a terminal would show.
        let output = String::from_utf8_lossy(&output);
        let output = output
            .trim_end()
            .rsplit('\r')
            .next()
            .unwrap_or_default()
            .to_owned();
        progress.update(&output);
        if last_lines.len() == LINES_OF_A_FAILURE {
            last_lines.pop_front();
        }
        last_lines.push_back(output);
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{line}`"))?;
    progress.finish();
    let seconds = started.elapsed().as_secs_f32();
    if !status.success() {
        for output in last_lines {
            eprintln!("    {output}");
        }
        bail!("`{line}` failed after {seconds:.0} s: {status}");
    }
    println!("{what}: done in {seconds:.1} s");
    Ok(())
}

/// A spinner, or the lines that stand for it in a log.
enum Progress {
    Spinner(ProgressBar),
    Lines {
        what: String,
        started: Instant,
        next: std::cell::Cell<Instant>,
    },
}

impl Progress {
    fn start(what: &str) -> Self {
        if !io::stderr().is_terminal() {
            println!("{what} ...");
            let started = Instant::now();
            return Self::Lines {
                what: what.to_owned(),
                started,
                next: std::cell::Cell::new(started + PLAIN_LINE_EVERY),
            };
        }
        let spinner = ProgressBar::new_spinner().with_prefix(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} [{elapsed}] {wide_msg:.dim}") {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(Duration::from_millis(120));
        Self::Spinner(spinner)
    }

    fn update(&self, line: &str) {
        match self {
            Self::Spinner(spinner) => spinner.set_message(line.to_owned()),
            Self::Lines { what, started, next } => {
                let now = Instant::now();
                if next.get() <= now {
                    println!(
                        "{what} ... {:.0} s: {}",
                        started.elapsed().as_secs_f32(),
                        line.trim()
                    );
                    next.set(now + PLAIN_LINE_EVERY);
                }
            }
        }
    }

    fn finish(&self) {
        match self {
            Self::Spinner(spinner) => spinner.finish_and_clear(),
            Self::Lines { .. } => {}
        }
    }
}
