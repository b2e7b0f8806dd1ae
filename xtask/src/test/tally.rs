//! Counts of tests, read from the lines that cargo and the test programs print.

use std::fmt;

/// What ran, over one or several runs of `cargo test`.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Tests that exist but were not run (`#[ignore]`); those left out by a filter are not counted.
    pub(crate) skipped: u64,
    /// What failed, one sentence for each that is not a test with lines of its own above.
    pub(crate) failures: Vec<String>,
    programs: Vec<Program>,
}

/// A test program that cargo started.
#[derive(Debug)]
struct Program {
    name: String,
    /// Tests run, once it has printed its result.
    executed: Option<u64>,
}

impl Tally {
    /// Counts something that failed and was no test.
    pub(crate) fn fail(&mut self, failure: String) {
        self.failed += 1;
        self.failures.push(failure);
    }

    /// Takes in one line of output.
    pub(crate) fn read(&mut self, line: &str) {
        let line = without_colour(line);
        let line = line.trim();
        if let Some(started) = line.strip_prefix("Running ") {
            self.programs.extend(parse_program(started));
        } else if let Some(name) = line.strip_prefix("Doc-tests ") {
            self.programs.push(Program {
                name: format!("doc-tests of {name}"),
                executed: None,
            });
        } else if let Some(result) = line.strip_prefix("test result: ") {
            let count = |word| parse_count(result, word);
            let (passed, failed, skipped) = (count("passed"), count("failed"), count("ignored"));
            self.passed += passed;
            self.failed += failed;
            self.skipped += skipped;
            let Some(program) = self.programs.last_mut() else {
                return;
            };
            program.executed = Some(passed + failed);
            if failed > 0 {
                self.failures.push(format!("{failed} tests in {}", program.name));
            }
        }
    }

    /// Ends a run of cargo called `name`: finds what the counts do not show. `expected` are the test programs that
    /// should have run a test each.
    pub(crate) fn conclude(&mut self, name: &str, success: bool, expected: &[String]) {
        let mut hidden = Vec::new();
        for Program { name, executed } in &self.programs {
            if executed.is_none() {
                hidden.push(format!("{name} ended without a result"));
            }
        }
        if self.passed + self.failed == 0 {
            hidden.push(format!("{name}: no test was run"));
        } else {
            // One that ended without a result has been named already.
            let ran = |name: &String| {
                self.programs
                    .iter()
                    .any(|program| program.name == *name && program.executed != Some(0))
            };
            let empty = expected.iter().filter(|name| !ran(name));
            hidden.extend(empty.map(|name| format!("{name} has tests and ran none")));
        }
        if !success && self.failed == 0 && hidden.is_empty() {
            hidden.push(format!("{name}: cargo failed although no test did"));
        }
        for failure in hidden {
            self.fail(failure);
        }
    }

    /// Adds the counts of another run.
    pub(crate) fn add(&mut self, other: Self) {
        let Self {
            passed,
            failed,
            skipped,
            failures,
            programs,
        } = other;
        self.passed += passed;
        self.failed += failed;
        self.skipped += skipped;
        self.failures.extend(failures);
        self.programs.extend(programs);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// Reads `unittests src/lib.rs (target/debug/deps/igmp_core-0123456789abcdef)` or `tests/x.rs (…/x-0123…)`.
fn parse_program(started: &str) -> Option<Program> {
    let (_, file) = started.split_once(" (")?;
    let file = file.strip_suffix(')')?.rsplit('/').next()?;
    let name = file.rsplit_once('-').map_or(file, |(name, _)| name);
    Some(Program {
        name: name.to_owned(),
        executed: None,
    })
}

/// The number before `word` in `ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`.
fn parse_count(result: &str, word: &str) -> u64 {
    result
        .split([';', '.'])
        .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
        .unwrap_or_default()
}

/// The line without the escape sequences that colour it.
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, escape)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = escape.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Tally {
        let mut tally = Tally::default();
        lines.lines().for_each(|line| tally.read(line));
        tally
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    const TWO_PROGRAMS: &str = "\
     \x1b[1m\x1b[92mRunning\x1b[0m unittests src/lib.rs (target/debug/deps/igmp_core-0123456789abcdef)

running 6 tests
test a ... ok
test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s
     Running tests/hosts.rs (/elsewhere/debug/deps/hosts-0123456789abcdef)
test result: \x1b[31mFAILED\x1b[0m. 12 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 3.21s
";

    #[test]
    fn sums_over_the_test_programs() {
        let mut tally = read(TWO_PROGRAMS);
        tally.conclude("all", false, &names(&["igmp_core", "hosts"]));
        assert_eq!((tally.passed, tally.failed, tally.skipped), (17, 2, 1));
        assert_eq!(tally.failures, ["2 tests in hosts"]);
        assert_eq!(tally.to_string(), "17 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_program_without_a_result_has_failed() {
        let mut tally = read(TWO_PROGRAMS);
        tally.read("Running tests/crash.rs (target/debug/deps/crash-00)");
        tally.read("running 1 test");
        tally.conclude("all", false, &names(&["crash"]));
        assert_eq!(
            tally.failures,
            ["2 tests in hosts", "crash ended without a result"]
        );
        assert_eq!(tally.failed, 3);
    }

    #[test]
    fn a_program_that_has_tests_and_ran_none_has_failed() {
        let none =
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let one =
            "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let output = format!(
            "Running unittests src/lib.rs (t/a-0)\n{none}\nRunning unittests src/main.rs (t/b-0)\n{none}\n\
             Doc-tests c\n{none}\nRunning tests/d.rs (t/d-0)\n{one}\n"
        );
        let mut tally = read(&output);
        // The last one is missing altogether, as if it had been left out of the manifest.
        tally.conclude("all", true, &names(&["a", "d", "e"]));
        assert_eq!(
            tally.failures,
            ["a has tests and ran none", "e has tests and ran none"]
        );
        assert_eq!((tally.passed, tally.failed), (1, 2));

        // Under a filter most programs run nothing, as asked.
        let mut tally = read(&output);
        tally.conclude("all", true, &[]);
        assert_eq!(tally.to_string(), "1 passed, 0 failed");
    }

    #[test]
    fn what_does_not_compile_has_failed() {
        let mut tally = read("error: could not compile `igmp-core` (lib test) due to 1 previous error\n");
        tally.conclude("unit tests", false, &names(&["igmp_core"]));
        assert_eq!(tally.failures, ["unit tests: no test was run"]);
        let mut tally = read("Doc-tests a\ntest result: ok. 1 passed; 0 failed; 0 ignored;\n");
        tally.conclude("unit tests", false, &[]);
        assert_eq!(tally.failures, ["unit tests: cargo failed although no test did"]);
    }
}
