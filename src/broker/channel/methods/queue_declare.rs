//! queue.declare (AMQP 0-9-1 1.7.2.1). Passive: only asks, and may ask for more time for a delivery (our own; RabbitMQ looks
//! at no argument of a passive declare). A direct reply-to name is always only asked for.

use std::time::Duration;

use leveret_protocol::{FieldTable, ShortString, queue};

use super::super::{Channel, Context, Step};
use crate::broker::channel::reply_to;
use crate::broker::connection::{Effect, Request};
use crate::broker::error::{BrokerError, ChannelError};
use crate::broker::queue::arguments;
use crate::broker::resource::Resource;

/// Which delivery, by its tag on this channel.
const EXTEND_DELIVERY: &str = "x-extend-delivery";

/// How many milliseconds from now on it may stay unacked.
const EXTEND_BY: &str = "x-extend-by";

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    method: queue::Declare,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    let nowait = method.nowait;
    let request = if method.passive || reply_to::is_reply_to(method.queue.as_bytes()) {
        extend(channel, context, &method.queue, &method.arguments, effects)?;
        Request::FindQueue(method.queue)
    } else {
        Request::DeclareQueue(method)
    };
    Ok(channel.ask(context, (50, 10), nowait, request, effects))
}

fn extend(
    channel: &Channel,
    context: &Context<'_>,
    queue: &ShortString,
    asked: &FieldTable,
    effects: &mut Vec<Effect>,
) -> Result<(), ChannelError> {
    if !asked.contains(EXTEND_DELIVERY) {
        return Ok(());
    }
    let number = |argument: &str| {
        let value = asked.get(argument).ok_or_else(|| "missing".to_owned()).and_then(arguments::not_negative);
        value.map_err(|reason| ChannelError::InvalidArgument {
            argument: argument.to_owned(),
            resource: Resource::queue(queue, context.vhost),
            reason,
        })
    };
    let delivery_tag = number(EXTEND_DELIVERY)?;
    let by = number(EXTEND_BY)?.min(arguments::LONGEST_MS);
    effects.push(channel.extended(delivery_tag, Duration::from_millis(by))?);
    Ok(())
}
