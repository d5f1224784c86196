//! exchange.bind (RabbitMQ extension).

use leveret_protocol::exchange;

use super::super::{Channel, Context, Step};
use crate::broker::connection::{Effect, Request};
use crate::broker::resource::ResourceKind;
use crate::broker::vhost::Link;

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    method: exchange::Bind,
    effects: &mut Vec<Effect>,
) -> Step {
    let request = Request::Bind(Link {
        source: method.source,
        destination_kind: ResourceKind::Exchange,
        destination: method.destination,
        binding_key: method.routing_key,
        arguments: method.arguments,
    });
    channel.ask(context, (40, 30), method.nowait, request, effects)
}
