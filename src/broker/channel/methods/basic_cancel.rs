//! basic.cancel (AMQP 0-9-1 1.8.3.5). A tag that no consumer has is no error. What the consumer holds stays unacked.

use leveret_protocol::basic;

use super::super::{Channel, Context, Step};
use crate::broker::connection::Effect;

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    method: basic::Cancel,
    effects: &mut Vec<Effect>,
) -> Step {
    let known = channel.consumer_tags.remove(&method.consumer_tag).is_some();
    if channel.reply_consumer.as_ref() == Some(&method.consumer_tag) {
        channel.reply_consumer = None;
        effects.push(Effect::CloseReplyTo(context.number));
    }
    let step = if known { Step::Cancelled(method.consumer_tag.clone()) } else { Step::Done };
    channel.after_cancel = (!method.nowait).then_some(method.consumer_tag);
    step
}
