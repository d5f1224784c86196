//! x-recent-history: a message goes to every binding, and a new binding gets the last messages. Which those are is kept
//! outside of the table; see `exchange::history`.

use leveret_protocol::erlang::erlang_term;
use leveret_protocol::{FieldTable, FieldValue};

use super::TypeRefusal;
use crate::broker::error::ChannelError;
use crate::broker::resource::Resource;

const LENGTH: &str = "x-recent-history-length";
const NO_STORE: &str = "x-recent-history-no-store";
const DEFAULT_LENGTH: usize = 20;

/// What it refuses.
pub(super) struct Rules;

impl super::Rules for Rules {
    fn validate_arguments(arguments: &FieldTable, _: &Resource) -> Result<(), ChannelError> {
        match arguments.get(LENGTH) {
            Some(value) if positive(value).is_none() => Err(TypeRefusal::HistoryLength(erlang_term(value)).into()),
            Some(_) | None => Ok(()),
        }
    }
}

/// How many messages an exchange with these arguments keeps.
pub(in crate::broker::exchange) fn length(arguments: &FieldTable) -> usize {
    arguments.get(LENGTH).and_then(positive).unwrap_or(DEFAULT_LENGTH)
}

/// Whether a message with these headers is to be kept.
#[must_use]
pub fn is_kept(headers: Option<&FieldTable>) -> bool {
    headers.and_then(|headers| headers.get(NO_STORE)).and_then(FieldValue::as_bool) != Some(true)
}

fn positive(value: &FieldValue) -> Option<usize> {
    value.as_integer().and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0)
}
