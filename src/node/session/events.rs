//! What a connection tells of its comings and goings, where somebody has asked for events.

use super::Session;
use crate::broker::auth::sasl::{Login, Mechanism};
use crate::broker::ids::ConsumerId;
use crate::broker::queue::Subscription;
use crate::node::events::{ConnectionSeen, ConsumerSeen, Events};
use crate::node::registry::Refused;
use leveret_protocol::FieldTable;

impl Session {
    pub(super) fn tell_login(&self, mechanism: Mechanism, login: &Login, refused: Option<&Refused>) {
        let events = &self.node.events;
        if events.are_wanted() {
            let reason = refused.map(ToString::to_string);
            events.tell_login((mechanism, login), &self.name(), (self.peer, self.local), reason.as_deref());
        }
    }

    /// The connection has opened its vhost.
    pub(super) fn tell_created(&self) {
        self.tell(|events, seen| events.tell_connection_created(seen, &self.report()));
    }

    /// The socket is gone.
    pub(super) fn tell_closed(&self) {
        self.tell(|events, seen| {
            events.tell_connection_closed(seen, &self.report().description.client_properties);
        });
    }

    pub(super) fn tell_channel_created(&self, channel: u16) {
        self.tell(|events, seen| events.tell_channel_created(seen, channel));
    }

    pub(super) fn tell_channel_closed(&self, channel: u16) {
        self.tell(|events, seen| events.tell_channel_closed(seen, channel));
    }

    pub(super) fn tell_consumer_created(&self, subscription: &Subscription, arguments: &FieldTable) {
        self.with_consumer(subscription.consumer, |events, seen| {
            events.tell_consumer_created(seen, subscription, arguments);
        });
    }

    /// A consumer is given up, or its queue has given it up.
    pub(super) fn consumer_gone(&mut self, consumer: ConsumerId) {
        self.with_consumer(consumer, Events::tell_consumer_deleted);
        self.written.remove(&consumer);
    }

    fn with_consumer(&self, consumer: ConsumerId, tell: impl FnOnce(&Events, ConsumerSeen<'_>)) {
        let Some(written) = self.written.get(&consumer) else { return };
        self.tell(|events, connection| {
            let queue = self.vhost.as_ref().and_then(|vhost| vhost.cell(written.queue));
            let queue = queue.map(|cell| cell.entry.name.clone()).unwrap_or_default();
            let (channel, tag) = (written.channel, &written.consumer_tag);
            tell(events, ConsumerSeen { connection, channel, tag, queue: &queue });
        });
    }

    fn tell(&self, tell: impl FnOnce(&Events, &ConnectionSeen<'_>)) {
        let events = &*self.node.events;
        if !events.are_wanted() {
            return;
        }
        let (Some(vhost), Some(actor)) = (&self.vhost, &self.actor) else { return };
        let name = self.name();
        tell(events, &ConnectionSeen { name: &name, vhost: &vhost.name, user: &actor.user.name });
    }
}
