//! queue.delete (AMQP 0-9-1 1.7.2.9).

use leveret_protocol::queue;

use super::super::{Channel, Context, Step};
use crate::broker::connection::{Effect, Request};
use crate::broker::error::BrokerError;

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    method: queue::Delete,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    let queue = channel.queue_or_last(method.queue)?;
    let request = Request::DeleteQueue { name: queue, if_unused: method.if_unused, if_empty: method.if_empty };
    Ok(channel.ask(context, (50, 40), method.nowait, request, effects))
}
