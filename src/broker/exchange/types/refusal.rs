//! What exchange types refuse, in RabbitMQ's words. All of it is 406 (`PRECONDITION_FAILED`).

use thiserror::Error;

/// Arguments or a binding that an exchange's type does not take.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TypeRefusal {
    /// headers: x-match is none of the four.
    #[error("Invalid x-match field value {0}; expected all, any, all-with-x, or any-with-x")]
    XMatch(String),
    /// headers: x-match is not a string.
    #[error("Invalid x-match field type {kind} (value {value}); expected longstr")]
    XMatchType {
        /// RabbitMQ's name of the type found.
        kind: &'static str,
        /// The value, as RabbitMQ prints it.
        value: String,
    },
    /// x-consistent-hash: both arguments that say what to hash.
    #[error("hash-header and hash-property are mutually exclusive")]
    TwoHashSources,
    /// x-consistent-hash: hash-property is none of those that can be hashed.
    #[error("Unsupported property: {0}")]
    HashProperty(String),
    /// x-consistent-hash: the binding key is no number. As RabbitMQ prints it.
    #[error("The binding key must be an integer: {0}")]
    WeightNoInteger(String),
    /// x-consistent-hash: the binding key is zero or negative.
    #[error("The binding key must be greater than 0")]
    WeightTooSmall,
    /// x-consistent-hash: the binding key is more than 10000.
    #[error("The binding key must not exceed 10000")]
    WeightTooLarge,
    /// x-local-random: a binding key, octet by octet as Latin-1.
    #[error("Non empty binding '{0}' key not permitted")]
    BindingKeyNotEmpty(String),
    /// x-local-random: a queue of a type that lives on several nodes.
    #[error("Queue type {0} not valid for this exchange type")]
    QueueType(&'static str),
    /// x-delayed-message: no type to route by.
    #[error("Invalid argument, 'x-delayed-type' must be an existing exchange type")]
    NoDelayedType,
    /// x-delayed-message: no other type to route by.
    #[error("Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'")]
    DelayedByItself,
    /// x-local-random: a destination that is no queue.
    #[error("Destination not found")]
    NoQueue,
    /// x-recent-history: a length that is no positive integer. As RabbitMQ prints it.
    #[error("Invalid argument {0}, 'x-recent-history-length' must be a positive integer")]
    HistoryLength(String),
}
