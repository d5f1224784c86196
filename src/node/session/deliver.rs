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
        while out.len() < limit {
            let Some(next) = self.backlog.as_slice().first() else {
                self.refund();
                return false;
            };
            self.write_deliveries_of(next.consumer, limit, out);
        }
        self.refund();
        true
    }

    /// Writes deliveries as long as they are one consumer's, who is looked up once for all of them.
    fn write_deliveries_of(&mut self, consumer: ConsumerId, limit: usize, out: &mut BytesMut) {
        let body_max = self.connection.body_max();
        let (backlog, mut cost) = (&mut self.backlog, 0);
        let mut next = || if backlog.as_slice().first()?.consumer == consumer { backlog.next() } else { None };
        let Some(mut delivering) = self.connection.delivering(consumer) else {
            while next().is_some() {}
            return;
        };
        while out.len() < limit
            && let Some(delivery) = next()
        {
            let delivery_tag = delivering.next_tag(&delivery);
            let Delivery { redelivered, message, .. } = &delivery;
            fast::write_deliver(
                out,
                delivering.channel(),
                delivering.consumer_tag(),
                delivery_tag.0,
                *redelivered,
                message.names(),
                message.header(),
                message.body(),
                body_max,
            );
            cost += message.cost();
        }
        if let Some(written) = self.written.get_mut(&consumer) {
            written.cost += cost;
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
