//! basic.ack (AMQP 0-9-1 1.8.3.13).

use leveret_protocol::basic;

use super::super::{Channel, Step};
use crate::broker::connection::Effect;
use crate::broker::error::BrokerError;
use crate::broker::queue::Outcome;

pub(super) fn handle(
    channel: &mut Channel,
    method: &basic::Ack,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    channel.settle(method.delivery_tag, method.multiple, Outcome::Ack, effects)?;
    Ok(Step::Done)
}
