//! What an exchange remembers from message to message. The topology does not change by a message, so this only says what
//! is wanted; whoever runs the vhost keeps it.

use leveret_protocol::FieldTable;

use super::types::{ExchangeType, recent_history};
use crate::broker::dedup::{InvalidSetting, Settings};

/// What is to be remembered of an exchange's messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// So many of the last messages, for bindings that come later.
    pub history: Option<usize>,
    /// What tells duplicates.
    pub deduplication: Option<Settings>,
}

impl Memory {
    /// What an exchange of that type with these arguments remembers.
    ///
    /// # Errors
    /// When an argument of deduplication makes no sense.
    pub fn of(kind: ExchangeType, arguments: &FieldTable) -> Result<Self, InvalidSetting> {
        let deduplication = if kind == ExchangeType::MessageDeduplication {
            Some(Settings::of_type(arguments)?)
        } else {
            Settings::parse(arguments)?
        };
        let history = (kind == ExchangeType::RecentHistory).then(|| recent_history::length(arguments));
        Ok(Self { history, deduplication })
    }

    /// Whether there is nothing to remember.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.history.is_none() && self.deduplication.is_none()
    }
}
