//! basic.publish (AMQP 0-9-1 1.8.3.7), where it does not come with its content in one piece.

use leveret_protocol::basic;

use super::super::{Channel, Step};
use crate::broker::error::{BrokerError, ConnectionError};

pub(super) fn handle(channel: &mut Channel, method: &basic::Publish) -> Result<Step, BrokerError> {
    if method.immediate {
        return Err(ConnectionError::NotImplemented("immediate=true".to_owned()).into());
    }
    let mut names = Vec::with_capacity(method.exchange.len() + method.routing_key.len() + 2);
    for name in [&method.exchange, &method.routing_key] {
        names.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        names.extend_from_slice(name.as_bytes());
    }
    channel.begin_content(&names, method.mandatory);
    Ok(Step::Done)
}
