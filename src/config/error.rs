//! What can be wrong with a configuration, told so that the reader knows where and what to write instead.

use std::fmt;

use thiserror::Error;

/// Where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// A file's name, `--set`, or `environment`.
    pub source: String,
    /// Line in the file, from 1; `None` outside files.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.source)?;
        self.line.map_or(Ok(()), |line| write!(formatter, ":{line}"))
    }
}

/// Why a configuration was refused. The text is meant for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The key is neither ours nor RabbitMQ's.
    #[error("{place}: unknown key `{key}`{}", did_you_mean(.nearest.as_deref()))]
    UnknownKey {
        /// Where it was written.
        place: Place,
        /// The key as written.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// The value is not of the key's type or outside its range.
    #[error("{place}: `{key}` is {value:?}, expected {expected}")]
    InvalidValue {
        /// Where it was written.
        place: Place,
        /// The key.
        key: String,
        /// The value after variables were put in.
        value: String,
        /// What the key takes.
        expected: String,
    },
    /// The line is not `key = value`.
    #[error("{place}: expected `key = value`, found {found:?}")]
    NotASetting {
        /// Where it was written.
        place: Place,
        /// The text of the line.
        found: String,
    },
    /// A single-quoted value has no closing quote, or something follows it.
    #[error(
        "{place}: the value of `{key}` must be one text in single quotes ('...', with \\' for a quote inside) \
         followed by nothing but a comment"
    )]
    BadQuotes {
        /// Where it was written.
        place: Place,
        /// The key.
        key: String,
    },
    /// `$(VAR)` names a variable that is not set.
    #[error("{place}: `{key}` uses $({variable}), but the environment has no {variable}")]
    UndefinedVariable {
        /// Where it was written.
        place: Place,
        /// The key.
        key: String,
        /// The variable.
        variable: String,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}
