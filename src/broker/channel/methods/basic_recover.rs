//! basic.recover and basic.recover-async (AMQP 0-9-1 1.8.3.15): everything unacked goes back to its queue.

use leveret_protocol::basic;

use super::super::{Channel, Context, Step};
use crate::broker::connection::Effect;
use crate::broker::error::{BrokerError, ConnectionError};

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    requeue: bool,
    reply: bool,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    if !requeue {
        return Err(ConnectionError::NotImplemented("requeue=false".to_owned()).into());
    }
    channel.requeue_all(effects);
    if reply {
        effects.push(Effect::Send { channel: context.number, method: basic::RecoverOk {}.into() });
    }
    Ok(Step::Done)
}
