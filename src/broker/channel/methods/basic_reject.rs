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
    let outcome = if method.requeue { Outcome::Requeue } else { Outcome::Discard };
    channel.settle(method.delivery_tag, false, outcome, effects)?;
    Ok(Step::Done)
}
