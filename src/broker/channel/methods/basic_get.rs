//! basic.get (AMQP 0-9-1 1.8.3.10).

use leveret_protocol::basic;

use super::super::{Channel, Context, Step};
use crate::broker::connection::{Effect, Request};
use crate::broker::error::BrokerError;

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    method: basic::Get,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    let queue = channel.queue_or_last(method.queue)?;
    let request = Request::Get { queue, no_ack: method.no_ack };
    Ok(channel.ask(context, (60, 70), false, request, effects))
}
