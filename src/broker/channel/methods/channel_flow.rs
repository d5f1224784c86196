//! channel.flow (AMQP 0-9-1 1.5.2.3) from the client, and its answer to that of the broker. Stopping deliveries is not there, as in RabbitMQ: prefetch does that.

use leveret_protocol::channel;

use super::super::{Channel, Context, Step};
use crate::broker::connection::Effect;
use crate::broker::error::{BrokerError, ConnectionError};

pub(super) fn handle(
    context: &Context<'_>,
    method: &channel::Flow,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    if !method.active {
        return Err(ConnectionError::NotImplemented("active=false".to_owned()).into());
    }
    effects.push(Effect::Send { channel: context.number, method: channel::FlowOk { active: true }.into() });
    Ok(Step::Done)
}

/// channel.flow-ok: an error where nothing was asked, as in RabbitMQ, which never asks.
pub(super) fn answered(channel: &mut Channel) -> Result<Step, BrokerError> {
    channel.flow_asked = channel.flow_asked.checked_sub(1).ok_or(ConnectionError::UnimplementedMethod)?;
    Ok(Step::Done)
}
