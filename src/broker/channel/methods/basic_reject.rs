//! basic.reject (AMQP 0-9-1 1.8.3.14).

use leveret_protocol::basic;

use super::super::{Channel, Step};
use crate::broker::connection::Effect;
use crate::broker::error::BrokerError;
use crate::broker::queue::Outcome;

pub(super) fn handle(
    channel: &mut Channel,
    method: &basic::Reject,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    // RabbitMQ 4.3: a rejected delivery has failed, one that was nacked has not.
    let outcome = if method.requeue { Outcome::Fail } else { Outcome::Discard };
    channel.settle(method.delivery_tag, false, outcome, effects)?;
    Ok(Step::Done)
}
