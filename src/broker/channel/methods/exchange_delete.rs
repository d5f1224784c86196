//! exchange.delete (AMQP 0-9-1 1.6.2.3).

use leveret_protocol::exchange;

use super::super::{Channel, Context, Step};
use crate::broker::connection::{Effect, Request};

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    method: exchange::Delete,
    effects: &mut Vec<Effect>,
) -> Step {
    let request = Request::DeleteExchange { name: method.exchange, if_unused: method.if_unused };
    channel.ask(context, (40, 20), method.nowait, request, effects)
}
