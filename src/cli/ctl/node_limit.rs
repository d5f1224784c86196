//! Setting a limit of the node until the next start.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::api::Target;
use crate::cli::{announcement::escaped, error::CliError};

/// How a limit is written on the command line: what a word in front makes of the value, and what it is without.
pub(super) struct NodeLimit {
    /// The last part of its address.
    pub(super) setting: &'static str,
    /// The word, and the field it stands for.
    pub(super) with_word: (&'static str, &'static str),
    /// The field of a value alone.
    pub(super) alone: &'static str,
}

impl NodeLimit {
    pub(super) fn set(&self, target: &Target, words: &[String]) -> Result<ExitCode, CliError> {
        let limit = match words {
            [word, value] if word == self.with_word.0 => json!({ self.with_word.1: value }),
            // What is too much is refused where the limit is understood.
            all => json!({ self.alone: all.join(" ") }),
        };
        let overview = target.get("/overview")?;
        let node = overview.get("node").and_then(Value::as_str).unwrap_or_default();
        target.put(&format!("/nodes/{}/{}", escaped(node), self.setting), &limit, "node")?;
        Ok(ExitCode::SUCCESS)
    }
}
