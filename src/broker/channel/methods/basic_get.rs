//! basic.get (AMQP 0-9-1 1.8.3.10).

use leveret_protocol::basic;

use super::super::{Channel, Context, Step, reply_to};
use crate::broker::connection::{Effect, Request};
use crate::broker::error::{BrokerError, ConnectionError};
use crate::broker::resource::Resource;

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    method: basic::Get,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    let queue = channel.queue_or_last(method.queue)?;
    if reply_to::is_token(queue.as_bytes()) {
        let queue = Resource::queue(&queue, context.vhost);
        return Err(ConnectionError::NotImplemented(format!("basic.get not supported by volatile {queue}")).into());
    }
    let request = Request::Get { queue, no_ack: method.no_ack };
    Ok(channel.ask(context, (60, 70), false, request, effects))
}
