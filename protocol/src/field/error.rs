//! Why octets are not a field table.

use nom::error::{ErrorKind, ParseError};

/// Why octets are not a field table.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableError {
    /// A table, name or value is longer than what is left of its surroundings.
    #[error("field table is cut short")]
    Truncated,
    /// No value has this tag.
    #[error("unknown field type {tag} in a field table")]
    UnknownTag {
        /// The octet where the tag of a value was due.
        tag: u8,
    },
    /// Tables and arrays lie deeper in one another than [`MAX_TABLE_DEPTH`](super::MAX_TABLE_DEPTH).
    #[error("field table is nested deeper than 64 levels")]
    TooDeep,
}

impl ParseError<&[u8]> for TableError {
    fn from_error_kind(_input: &[u8], _kind: ErrorKind) -> Self {
        // The parsers underneath only take octets, so running out of them is all that can go wrong there.
        Self::Truncated
    }

    fn append(_input: &[u8], _kind: ErrorKind, other: Self) -> Self {
        other
    }
}

impl From<nom::Err<Self>> for TableError {
    fn from(error: nom::Err<Self>) -> Self {
        match error {
            nom::Err::Incomplete(_) => Self::Truncated,
            nom::Err::Error(error) | nom::Err::Failure(error) => error,
        }
    }
}
