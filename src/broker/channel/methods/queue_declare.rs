//! queue.declare (AMQP 0-9-1 1.7.2.1). Passive: only asks. A direct reply-to name is always only asked for.

use leveret_protocol::queue;

use super::super::{Channel, Context, Step};
use crate::broker::channel::reply_to;
use crate::broker::connection::{Effect, Request};

pub(super) fn handle(
    channel: &mut Channel,
    context: &Context<'_>,
    method: queue::Declare,
    effects: &mut Vec<Effect>,
) -> Step {
    let nowait = method.nowait;
    let request = if method.passive || reply_to::is_reply_to(method.queue.as_bytes()) {
        Request::FindQueue(method.queue)
    } else {
        Request::DeclareQueue(method)
    };
    channel.ask(context, (50, 10), nowait, request, effects)
}
