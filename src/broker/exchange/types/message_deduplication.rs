//! x-message-deduplication: a message goes to every binding, unless one with the same key has come before (the type of a
//! RabbitMQ plugin). What has come is kept outside of the table; see `dedup`.

use leveret_protocol::FieldTable;

use crate::broker::dedup::Settings;
use crate::broker::error::ChannelError;
use crate::broker::resource::Resource;

/// What it refuses.
pub(super) struct Rules;

impl super::Rules for Rules {
    fn validate_arguments(arguments: &FieldTable, exchange: &Resource) -> Result<(), ChannelError> {
        Settings::of_type(arguments).map(drop).map_err(|invalid| invalid.of(exchange))
    }
}
