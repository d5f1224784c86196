//! basic.consume (AMQP 0-9-1 1.8.3.3). `no-local` is accepted and has no effect, as in RabbitMQ.

use leveret_protocol::basic;

use super::super::{Channel, Context, Step, reply_to};
use crate::broker::connection::{Effect, Request};
use crate::broker::error::{BrokerError, ChannelError, ConnectionError};

const IDS: (u16, u16) = (60, 20);

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    method: basic::Consume,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    if !method.consumer_tag.is_empty() && channel.consumer_tags.contains_key(&method.consumer_tag) {
        return Err(ConnectionError::ConsumerTagInUse(method.consumer_tag).into());
    }
    if let Some(limit) = context.settings.consumer_max_per_channel
        && channel.consumer_tags.len() >= usize::try_from(limit).unwrap_or(usize::MAX)
    {
        let text = format!("reached maximum ({limit}) of consumers per channel");
        return Err(ConnectionError::NotAllowed(text).into());
    }
    if method.queue == reply_to::REPLY_TO {
        return consume_replies(channel, context, method, effects);
    }
    let queue = channel.queue_or_last(method.queue)?;
    let request = Request::Consume {
        queue,
        consumer_tag: method.consumer_tag,
        no_ack: method.no_ack,
        exclusive: method.exclusive,
        arguments: method.arguments,
        prefetch: channel.prefetch,
        channel_limited: channel.has_shared_limit() && !method.no_ack,
    };
    Ok(channel.ask(context, IDS, method.nowait, request, effects))
}

fn consume_replies(
    channel: &mut Channel,
    context: &Context<'_>,
    method: basic::Consume,
    effects: &mut Vec<Effect>,
) -> Result<Step, BrokerError> {
    if channel.reply_consumer.is_some() {
        return Err(ChannelError::ReplyConsumerSet.into());
    }
    if !method.no_ack {
        return Err(ChannelError::ReplyConsumerAcknowledges.into());
    }
    let request = Request::OpenReplyTo(method.consumer_tag);
    Ok(channel.ask(context, IDS, method.nowait, request, effects))
}
