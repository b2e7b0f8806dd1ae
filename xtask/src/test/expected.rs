//! Which test programs must run tests, found in the sources: if one of them runs none, something hides its tests.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command;
use crate::workspace::Workspace;

/// The test programs of the packages that `wanted` accepts which have tests in their sources, by the names of their
/// files.
///
/// # Errors
///
/// When cargo cannot tell the targets of the workspace, or a source file cannot be read.
pub(crate) fn programs(workspace: &Workspace, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let metadata = command::output(
        workspace
            .cargo()
            .args(["metadata", "--no-deps", "--format-version=1"]),
    )?;
    let metadata: Value = serde_json::from_str(&metadata).context("the answer of cargo metadata")?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut programs = Vec::new();
    for package in list(&metadata["packages"]) {
        if !package["name"].as_str().is_some_and(&wanted) {
            continue;
        }
        for target in list(&package["targets"]) {
            let (Some(name), Some(source)) = (target["name"].as_str(), target["src_path"].as_str()) else {
                continue;
            };
            let source = Path::new(source);
            let has_tests = match target["kind"][0].as_str() {
                // A file of `tests/` is there for its tests alone.
                Some("test") => true,
                Some("lib") => has_tests(source.parent().unwrap_or(source))?,
                Some("bin") if source.ends_with("src/main.rs") => {
                    has_tests(source.parent().unwrap_or(source))?
                }
                Some("bin") => has_tests(source)?,
                _ => false,
            };
            if has_tests {
                programs.push(name.replace('-', "_"));
            }
        }
    }
    Ok(programs)
}

/// Whether this source file, or one below this directory, has a test.
fn has_tests(path: &Path) -> Result<bool> {
    if path.is_dir() {
        for entry in fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
            if has_tests(
                &entry
                    .with_context(|| format!("cannot read {}", path.display()))?
                    .path(),
            )? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if path.extension().is_none_or(|extension| extension != "rs") {
        return Ok(false);
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.lines().any(|line| line.trim() == "#[test]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_expected_to_have_tests() {
        let workspace = Workspace::find().expect("the workspace of this test");
        let programs = programs(&workspace, |package| package == "xtask").expect("cargo metadata");
        assert_eq!(programs, ["xtask"]);
    }
}
