//! queue.purge (AMQP 0-9-1 1.7.2.7).

use leveret_protocol::queue;

use super::super::{Channel, Context, Step, reply_to};
use crate::broker::connection::{Effect, Request};
use crate::broker::error::BrokerError;

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    method: queue::Purge,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    let queue = channel.queue_or_last(method.queue)?;
    if reply_to::is_token(queue.as_bytes()) {
        // Direct reply-to holds no messages.
        if !method.nowait {
            effects.push(Effect::Send { channel: context.number, method: queue::PurgeOk { message_count: 0 }.into() });
        }
        return Ok(Step::Done);
    }
    let request = Request::PurgeQueue(queue);
    Ok(channel.ask(context, (50, 30), method.nowait, request, effects))
}
