//! Why octets are not the properties of a message.

use nom::error::{ErrorKind, ParseError};

use crate::TableError;

/// Why octets are not the properties of a message. RabbitMQ closes the connection with 541 `INTERNAL_ERROR`.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertiesError {
    /// The flags announce more than there is.
    #[error("properties are cut short")]
    Truncated,
    /// There is more than the flags announce.
    #[error("{count} octets follow the last property")]
    Trailing {
        /// Octets too many.
        count: usize,
    },
    /// The headers are not a field table.
    #[error("headers property: {0}")]
    Headers(#[from] TableError),
}

impl ParseError<&[u8]> for PropertiesError {
    fn from_error_kind(_input: &[u8], _kind: ErrorKind) -> Self {
        // The parsers underneath only take octets, so running out of them is all that can go wrong there.
        Self::Truncated
    }

    fn append(_input: &[u8], _kind: ErrorKind, other: Self) -> Self {
        other
    }
}

impl From<nom::Err<Self>> for PropertiesError {
    fn from(error: nom::Err<Self>) -> Self {
        match error {
            nom::Err::Incomplete(_) => Self::Truncated,
            nom::Err::Error(error) | nom::Err::Failure(error) => error,
        }
    }
}
