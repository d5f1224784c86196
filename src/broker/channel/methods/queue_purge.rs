//! queue.purge (AMQP 0-9-1 1.7.2.7).

use leveret_protocol::queue;

use super::super::{Channel, Context, Step};
use crate::broker::connection::{Effect, Request};
use crate::broker::error::BrokerError;

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    method: queue::Purge,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    let queue = channel.queue_or_last(method.queue)?;
    let request = Request::PurgeQueue(queue);
    Ok(channel.ask(context, (50, 30), method.nowait, request, effects))
}
