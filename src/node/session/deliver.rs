//! Deliveries going out: from the outbox into the write buffer, encoded here, by the consumer's own connection.

use bytes::BytesMut;
use leveret_protocol::fast;

use super::{Session, Workspace};
use crate::broker::ids::{ConsumerId, QueueId};
use crate::broker::queue::{Delivery, Input};
use crate::broker::time::Timestamp;
use crate::node::outbox::TimedOut;

/// What queues told along with deliveries, held back until those are written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    cancelled: Vec<ConsumerId>,
    timed_out: Vec<TimedOut>,
    wanting: Vec<ConsumerId>,
}

impl Session {
    /// Takes what others left in the outbox and encodes it until `out` holds `limit` bytes. `true`: there is more.
    pub fn drain(&mut self, limit: usize, work: &mut Workspace, out: &mut BytesMut) -> bool {
        let now = self.node.clock.now();
        self.hear_of_alarms(now, work, out);
        self.hear_from_the_store(now, work, out);
        self.put_in_held(now, out);
        self.tell_flow(out);
        if self.write_backlog(limit, out) {
            return true;
        }
        // Before more is taken: a flow of deliveries that never ends must not keep news waiting for ever.
        self.handle_news(now, work, out);
        let content = self.outbox.take();
        let any = !content.deliveries.is_empty();
        self.trace_deliveries(now, &content.deliveries);
        self.backlog = content.deliveries.into_iter();
        self.news.cancelled.extend(content.cancelled);
        self.news.timed_out.extend(content.timed_out);
        self.news.wanting.extend(content.wanting);
        let more = self.write_backlog(limit, out);
        if !more {
            self.handle_news(now, work, out);
        }
        if let Some(reason) = content.close {
            self.connection.force_close(now, &reason, &mut work.effects);
            self.execute(now, &mut work.effects, out);
        }
        more || any
    }

    /// What queues told along with deliveries, now that those are written.
    fn handle_news(&mut self, now: Timestamp, work: &mut Workspace, out: &mut BytesMut) {
        if self.news == News::default() {
            return;
        }
        let News { cancelled, timed_out, wanting } = std::mem::take(&mut self.news);
        let ended = !timed_out.is_empty() || !cancelled.is_empty();
        for TimedOut { consumer, timeout, cancels } in timed_out {
            self.consumer_gone(consumer);
            self.connection.timed_out(now, consumer, timeout, cancels, &mut work.effects);
        }
        for consumer in cancelled {
            self.consumer_gone(consumer);
            self.connection.consumer_cancelled(consumer, &mut work.effects);
        }
        if ended {
            self.share_windows(now, self.written.len());
        }
        self.connection.consumers_wanting(&wanting, &mut work.effects);
        self.execute(now, &mut work.effects, out);
    }

    /// Room under a channel's limit goes to a queue, which uses it at once or not at all.
    pub(super) fn offer(&self, now: Timestamp, queue: QueueId, consumer: ConsumerId, room: usize) -> usize {
        let cell = self.vhost.as_ref().and_then(|vhost| vhost.cell(queue));
        let outcome = cell.and_then(|cell| cell.run(now, Input::Offer { consumer, room }).ok());
        outcome.map_or(0, |outcome| outcome.taken)
    }

    /// A consumer comes under its channel's limit or out of it.
    pub(super) fn set_channel_limited(&mut self, now: Timestamp, queue: QueueId, consumer: ConsumerId, limited: bool) {
        self.run_queue(now, queue, Input::SetChannelLimited(consumer, limited));
        if !limited {
            // What its queue told under this limit must not be taken for news of the next one: that would be served
            // before deliveries that are handed out in between have been counted.
            self.news.wanting.retain(|other| *other != consumer);
            self.outbox.put(|content| content.wanting.retain(|other| *other != consumer));
        }
    }

    /// As `drain`, deliveries alone.
    pub(super) fn write_deliveries(&mut self, limit: usize, out: &mut BytesMut) -> bool {
        if self.write_backlog(limit, out) {
            return true;
        }
        let mut deliveries = Vec::new();
        self.outbox.put(|content| deliveries = std::mem::take(&mut content.deliveries));
        let any = !deliveries.is_empty();
        self.trace_deliveries(self.node.clock.now(), &deliveries);
        self.backlog = deliveries.into_iter();
        self.write_backlog(limit, out) || any
    }

    fn write_backlog(&mut self, limit: usize, out: &mut BytesMut) -> bool {
        let body_max = self.connection.body_max();
        while out.len() < limit {
            let Some(delivery) = self.backlog.next() else {
                self.refund();
                return false;
            };
            if let Some(stamp) = self.connection.deliver(&delivery) {
                fast::write_deliver(
                    out,
                    stamp.channel,
                    stamp.consumer_tag.as_bytes(),
                    stamp.delivery_tag.0,
                    delivery.redelivered,
                    delivery.message.names(),
                    delivery.message.header(),
                    delivery.message.body(),
                    body_max,
                );
                self.charge(&delivery);
            }
        }
        self.refund();
        true
    }

    fn charge(&mut self, delivery: &Delivery) {
        if let Some(written) = self.written.get_mut(&delivery.consumer) {
            written.cost += delivery.message.cost();
        }
    }

    /// Gives queues their consumers' windows back once half of one is used: a lock for many deliveries.
    fn refund(&mut self) {
        let now = self.node.clock.now();
        let Some(vhost) = &self.vhost else { return };
        for (consumer, written) in &mut self.written {
            if written.cost < written.window / 2 {
                continue;
            }
            let cost = std::mem::take(&mut written.cost);
            if let Some(cell) = vhost.cell(written.queue) {
                // A deleted queue needs no room.
                let _gone = cell.run(now, Input::Written(*consumer, cost));
            }
        }
    }
}
