//! Answers to what an operator has done, and errors.

use serde::{Deserialize, Serialize};

/// The answer to `POST /v1/clear-groups`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cleared {
    /// How many groups were forgotten, counted for each interface.
    pub groups_cleared: u64,
}

/// The answer to `POST /v1/reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reloaded {
    /// The file that was read.
    pub file: String,
    /// Interfaces that are new, gone or configured differently.
    pub interface_changed: Vec<String>,
    /// Keys that differ and take a restart to come into force.
    pub restart_needed: Vec<String>,
}

/// The answer to `GET /v1/version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Version {
    /// The version of igmpd.
    pub version: String,
    /// The version of what igmpd and the XDP program agree on.
    pub abi_version: u32,
}

/// The body of every answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ErrorBody {
    /// A sentence for the operator.
    pub error: String,
}
