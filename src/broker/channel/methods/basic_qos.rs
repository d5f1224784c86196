//! basic.qos (AMQP 0-9-1 1.8.3.1). Without `global` the limit is for consumers that start later, each with its own; with
//! `global`, and for clients that believe the specification, it also takes effect on running consumers at once.

use leveret_protocol::basic;

use super::super::{Channel, Context, Step};
use crate::broker::connection::Effect;
use crate::broker::error::{BrokerError, ConnectionError};

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    method: &basic::Qos,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    if method.prefetch_size != 0 {
        let text = format!("prefetch_size!=0 ({})", method.prefetch_size);
        return Err(ConnectionError::NotImplemented(text).into());
    }
    channel.prefetch = method.prefetch_count;
    effects.push(Effect::Send { channel: context.number, method: basic::QosOk {}.into() });
    if method.global || channel.dynamic_prefetch {
        return Ok(Step::Prefetch(method.prefetch_count));
    }
    Ok(Step::Done)
}
