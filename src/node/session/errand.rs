//! A session without a client: what it publishes goes exactly the way of what clients publish.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use super::Session;
use crate::broker::auth::Actor;
use crate::broker::error::ChannelError;
use crate::broker::message::Message;
use crate::node::Node;
use crate::node::vhost::RunningVhost;
use crate::store::Position;

/// A channel as good as any.
const CHANNEL: u16 = 1;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) struct Published {
    /// Whether it went to a queue, or to who waits for a reply.
    pub(in crate::node) routed: bool,
    /// A queue was full and refused it; others may have taken it. How long it takes until there is room, about.
    pub(in crate::node) refused: Option<Duration>,
    /// It is safe once the log is on disk up to here.
    pub(in crate::node) position: Position,
}

/// Publishes one message in a vhost, on somebody's behalf.
///
/// # Errors
/// As basic.publish.
pub(in crate::node) fn publish(
    node: &Arc<Node>,
    vhost: &Arc<RunningVhost>,
    actor: &Actor,
    message: Message,
) -> Result<Published, ChannelError> {
    let mut session = Session::open(node, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    // Nobody serves it: it is not to be found among the connections.
    node.outboxes.remove(&session.id);
    session.vhost = Some(Arc::clone(vhost));
    session.actor = Some(actor.clone());
    session.look_for_tracing();
    let now = node.clock.now();
    // A mandatory message that has no queue comes back.
    let mut returned = BytesMut::new();
    session.publish(now, CHANNEL, message, true, false, &mut returned)?;
    session.flush_published(now);
    // Nobody is there to wait for room.
    let refused = session.give_up_held() || !session.refused.is_empty();
    let refused = refused.then(|| session.time_for_room(now));
    Ok(Published { routed: returned.is_empty(), refused, position: session.appended })
}
