//! basic.qos (AMQP 0-9-1 1.8.3.1). Without `global` the limit is for consumers that start later, each with its own; for
//! clients that believe the specification it also takes effect on running consumers at once. With `global` all
//! consumers of the channel share it, running ones at once, beside their own limits.

use leveret_protocol::basic;

use super::super::{Channel, Context, QosChange, Step};
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
    let change = change(channel, method);
    effects.push(Effect::Send { channel: context.number, method: basic::QosOk {}.into() });
    Ok(Step::Qos(change))
}

fn change(channel: &mut Channel, method: &basic::Qos) -> QosChange {
    if method.global {
        return QosChange { prefetch: None, channel_limited: channel.share_limit(method.prefetch_count) };
    }
    channel.prefetch = method.prefetch_count;
    let prefetch = channel.dynamic_prefetch.then_some(method.prefetch_count);
    // RabbitMQ: a limit of the channel goes with it.
    QosChange { prefetch, channel_limited: channel.share_limit(0) }
}
