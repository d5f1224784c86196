//! basic.nack (RabbitMQ extension): basic.reject for several.

use leveret_protocol::basic;

use super::super::{Channel, Step};
use crate::broker::connection::Effect;
use crate::broker::error::BrokerError;
use crate::broker::queue::Outcome;

pub(super) fn handle(
    channel: &mut Channel,
    method: &basic::Nack,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    let outcome = if method.requeue { Outcome::Requeue } else { Outcome::Discard };
    channel.settle(method.delivery_tag, method.multiple, outcome, effects)?;
    Ok(Step::Done)
}
