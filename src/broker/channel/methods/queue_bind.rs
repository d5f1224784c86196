//! queue.bind (AMQP 0-9-1 1.7.2). An empty queue name is the channel's last declared queue, and then an
//! empty routing key is that name too.

use leveret_protocol::queue;

use super::super::{Channel, Context, Step};
use crate::broker::connection::{Effect, Request};
use crate::broker::error::BrokerError;
use crate::broker::resource::ResourceKind;
use crate::broker::vhost::Link;

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    method: queue::Bind,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    let unnamed = method.queue.is_empty() && method.routing_key.is_empty();
    let destination = channel.queue_or_last(method.queue)?;
    let binding_key = if unnamed { destination.clone() } else { method.routing_key };
    let request = Request::Bind(Link {
        source: method.exchange,
        destination_kind: ResourceKind::Queue,
        destination,
        binding_key,
        arguments: method.arguments,
    });
    Ok(channel.ask(context, (50, 20), method.nowait, request, effects))
}
