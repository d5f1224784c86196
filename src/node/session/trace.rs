//! Copies of a connection's messages for the firehose. Whether there are any is looked at once for each batch: while a
//! vhost is traced nothing is published by a remembered route, so that messages cost nothing where it is not.

use super::Session;
use super::routes::Routes;
use crate::broker::message::Message;
use crate::broker::queue::Delivery;
use crate::broker::time::Timestamp;
use crate::node::cell::QueueCell;
use crate::node::firehose::Traced;
use std::sync::Arc;

impl Session {
    /// Looks whether the vhost is traced, before a batch of publishes.
    pub(super) fn look_for_tracing(&mut self) {
        let traced = self.is_traced();
        if traced && !self.tracing {
            self.routes = Routes::default();
        }
        self.tracing = traced;
    }

    pub(super) fn is_traced(&self) -> bool {
        self.vhost.as_ref().is_some_and(|vhost| vhost.is_traced())
    }

    #[cold]
    pub(super) fn trace_publish(&self, now: Timestamp, channel: u16, message: &Message, targets: &[Arc<QueueCell>]) {
        let queues = targets.iter().map(|cell| &cell.entry.name);
        self.with_traced(channel, |vhost, who| vhost.trace_publish(now, who, message, queues));
    }

    /// Deliveries are about to be written. Those of direct reply-to come from no queue and leave no trace.
    pub(super) fn trace_deliveries(&self, now: Timestamp, deliveries: &[Delivery]) {
        if !self.is_traced() {
            return;
        }
        for delivery in deliveries {
            let Some(written) = self.written.get(&delivery.consumer) else { continue };
            let Some(cell) = self.vhost.as_ref().and_then(|vhost| vhost.cell(written.queue)) else { continue };
            self.trace_delivery(now, written.channel, &cell, delivery);
        }
    }

    #[cold]
    pub(super) fn trace_delivery(&self, now: Timestamp, channel: u16, cell: &QueueCell, delivery: &Delivery) {
        let Delivery { message, redelivered, .. } = delivery;
        self.with_traced(channel, |vhost, who| {
            vhost.trace_delivery(now, who, message, &cell.entry.name, *redelivered);
        });
    }

    fn with_traced(&self, channel: u16, act: impl FnOnce(&crate::node::vhost::RunningVhost, &Traced<'_>)) {
        let (Some(vhost), Some(actor)) = (&self.vhost, &self.actor) else { return };
        let connection = self.name();
        let node = &self.node.settings.cluster_name;
        act(vhost, &Traced { node, connection: &connection, channel, user: &actor.user.name });
    }
}
