//! exchange.declare (AMQP 0-9-1 1.6.2.1), with RabbitMQ's auto-delete and internal flags.

use leveret_protocol::exchange;

use super::super::{Channel, Context, Step};
use crate::broker::connection::{Effect, Request};
use crate::broker::vhost::ExchangeDeclaration;

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    method: exchange::Declare,
    effects: &mut Vec<Effect>,
) -> Step {
    let request = Request::DeclareExchange(ExchangeDeclaration {
        name: method.exchange,
        kind: method.kind,
        passive: method.passive,
        durable: method.durable,
        auto_delete: method.auto_delete,
        internal: method.internal,
        arguments: method.arguments,
    });
    channel.ask(context, (40, 10), method.nowait, request, effects)
}
