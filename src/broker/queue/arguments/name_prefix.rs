//! `x-name-prefix`: what generated queue names begin with instead of `amq.gen` (RabbitMQ 4.3).

use leveret_protocol::FieldTable;

use crate::broker::error::ChannelError;

const NAME: &str = "x-name-prefix";
const LIMIT: usize = 64;

/// The prefix for a generated name.
///
/// # Errors
/// 406 when it is longer than 64 bytes.
pub fn value(arguments: &FieldTable) -> Result<String, ChannelError> {
    let Some(prefix) = arguments.get(NAME).and_then(|value| value.as_str()) else {
        return Ok("amq.gen".to_owned());
    };
    if prefix.len() > LIMIT {
        return Err(ChannelError::NamePrefixTooLong(prefix.to_owned()));
    }
    Ok(prefix.to_owned())
}
