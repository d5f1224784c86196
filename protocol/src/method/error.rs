//! Why octets are not a method, in RabbitMQ's words.

use nom::error::{ErrorKind, ParseError};

use crate::{ReplyCode, TableError};

/// Why octets are not a method. The text is the explanation of the reply text.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
pub enum MethodError {
    /// No method has these ids. RabbitMQ drops the connection without a word here.
    #[error("unimplemented method")]
    Unknown {
        /// The class id that came.
        class_id: u16,
        /// The method id that came.
        method_id: u16,
    },
    /// Too few or too many octets for the arguments.
    #[error("cannot decode {arguments}")]
    Malformed {
        /// The class id, which RabbitMQ names in connection.close.
        class_id: u16,
        /// The method id, likewise.
        method_id: u16,
        /// The octets behind the ids as Erlang writes a binary; only as many as a reply text can show.
        arguments: String,
    },
    /// A short string is not UTF-8, though the arguments are well-formed otherwise.
    #[error("Malformed UTF-8 in shortstr")]
    InvalidUtf8,
    /// A table is not one inside, though its length fits. RabbitMQ drops the connection without a word here.
    #[error("malformed field table: {0}")]
    Table(#[from] TableError),
}

impl MethodError {
    /// The code the connection closes with. RabbitMQ has none for unknown methods and malformed tables.
    #[must_use]
    pub const fn code(&self) -> ReplyCode {
        match self {
            Self::Unknown { .. } => ReplyCode::CommandInvalid,
            Self::Malformed { .. } | Self::InvalidUtf8 => ReplyCode::FrameError,
            Self::Table(_) => ReplyCode::SyntaxError,
        }
    }

    /// Class and method id for connection.close; 0 and 0 where RabbitMQ names none.
    #[must_use]
    pub const fn ids(&self) -> (u16, u16) {
        match self {
            Self::Unknown { class_id, method_id } | Self::Malformed { class_id, method_id, .. } => {
                (*class_id, *method_id)
            }
            Self::InvalidUtf8 | Self::Table(_) => (0, 0),
        }
    }
}

/// Why an argument could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArgumentError {
    /// Too few octets.
    Truncated,
    /// A table of fitting length is malformed inside.
    Table(TableError),
}

impl ParseError<&[u8]> for ArgumentError {
    fn from_error_kind(_input: &[u8], _kind: ErrorKind) -> Self {
        // The parsers underneath only take octets, so running out of them is all that can go wrong there.
        Self::Truncated
    }

    fn append(_input: &[u8], _kind: ErrorKind, other: Self) -> Self {
        other
    }
}

impl From<nom::Err<Self>> for ArgumentError {
    fn from(error: nom::Err<Self>) -> Self {
        match error {
            nom::Err::Incomplete(_) => Self::Truncated,
            nom::Err::Error(error) | nom::Err::Failure(error) => error,
        }
    }
}
