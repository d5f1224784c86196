//! What is wrong with a policy, in RabbitMQ's words (RabbitMQ: text must match; clients of the HTTP API show it).

use std::fmt;

use leveret_protocol::{FieldTable, FieldValue};
use thiserror::Error;

use super::term::{json, pairs};

/// A policy that cannot be: everything that is wrong with it, in RabbitMQ's order.
#[derive(Clone, Debug, PartialEq)]
pub struct Invalid(pub Vec<Fault>);

/// Something that is wrong with a policy.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum Fault {
    /// The definition has no keys.
    #[error("no policy provided")]
    NoDefinition,
    /// The definition is not an object.
    #[error("definition should be an object, actually was {}", json(.0))]
    DefinitionType(FieldValue),
    /// A key has a value that it cannot have.
    #[error("{} is not a valid {expected}", json(value))]
    Value {
        /// The value.
        value: FieldValue,
        /// What it should have been.
        expected: &'static str,
    },
    /// The key is one of old that has no meaning any more.
    #[error("use of deprecated {0} argument is not permitted")]
    Deprecated(&'static str),
    /// Keys that there are none of.
    #[error("{} are not recognised policy settings", pairs(.0))]
    Unknown(FieldTable),
    /// Retries are delayed, and it is not said for how long.
    #[error("delayed-retry-min is required when delayed-retry-type is {0}")]
    NoRetryDelay(String),
    /// Bounds of delays that nothing is between.
    #[error("delayed-retry-max ({max}) must not be smaller than delayed-retry-min ({min})")]
    RetryDelays {
        /// The shortest delay.
        min: i64,
        /// The longest.
        max: i64,
    },
    /// `apply-to` names nothing that policies can apply to.
    #[error(
        "apply-to '{0}' unrecognised; should be one of: 'queues', 'classic_queues',  'quorum_queues', 'streams', \
         'exchanges', or 'all'"
    )]
    ApplyTo(String),
    /// The pattern is not a text.
    #[error("pattern should be a binary but was {}", json(.0))]
    PatternType(FieldValue),
    /// The pattern is longer than a pattern may be.
    #[error("pattern must not exceed {} bytes", super::pattern::MAX_BYTES)]
    PatternLength,
    /// The pattern is no regular expression.
    #[error("pattern should be regular expression but is invalid: {0}")]
    Pattern(String),
    /// The priority is not a number.
    #[error("priority should be a number, actually was {}", json(.0))]
    Priority(FieldValue),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Validation failed\n\n")?;
        self.0.iter().try_for_each(|fault| writeln!(f, "{fault}"))
    }
}

impl std::error::Error for Invalid {}
