//! Why octets are not a content header.

use crate::PropertiesError;

/// Why octets are not a content header. RabbitMQ closes the connection with 541 `INTERNAL_ERROR`.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentError {
    /// Fewer octets than class, weight and body size have.
    #[error("content header is cut short")]
    Truncated,
    /// The property list is wrong.
    #[error(transparent)]
    Properties(#[from] PropertiesError),
}
