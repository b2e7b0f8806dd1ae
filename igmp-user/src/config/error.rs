//! What is wrong with a configuration file, and where.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1. `None` where the problem is the file itself.
    pub line: Option<usize>,
    /// The key, with the tables that it is in, as in `interfaces.lan0.igmp.version`. Empty where there is none.
    pub key: String,
    /// What is wrong with it, as a sentence for the operator.
    pub reason: String,
}

/// A configuration file that cannot be used. There is at least one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as it was named by the operator.
    pub file: PathBuf,
    /// Everything that was found, in the order of lines.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// An error about the file as a whole.
    pub(super) fn file(file: &Path, reason: String) -> Self {
        Self {
            file: file.to_owned(),
            problems: vec![Problem {
                line: None,
                key: String::new(),
                reason,
            }],
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:", self.file.display())?;
            if let Some(line) = problem.line {
                write!(f, "{line}:")?;
            }
            if !problem.key.is_empty() {
                write!(f, " {}:", problem.key)?;
            }
            write!(f, " {}", problem.reason)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
