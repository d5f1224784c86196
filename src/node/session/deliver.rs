//! Deliveries going out: from the outbox into the write buffer, encoded here, by the consumer's own connection.

use bytes::BytesMut;
use leveret_protocol::fast;

use super::{Session, Workspace};
use crate::broker::queue::{Delivery, Input};

impl Session {
    /// Takes what others left in the outbox and encodes it until `out` holds `limit` bytes. `true`: there is more.
    pub fn drain(&mut self, limit: usize, work: &mut Workspace, out: &mut BytesMut) -> bool {
        let now = self.node.clock.now();
        self.hear_from_the_store(now, work, out);
        let more = self.write_deliveries(limit, out);
        if more {
            return true;
        }
        let content = self.outbox.take();
        let again = !content.deliveries.is_empty();
        self.backlog = content.deliveries.into_iter();
        let more = self.write_backlog(limit, out);
        for consumer in content.cancelled {
            self.connection.consumer_cancelled(consumer, &mut work.effects);
        }
        if let Some(reason) = content.close {
            self.connection.force_close(now, &reason, &mut work.effects);
        }
        self.execute(now, &mut work.effects, out);
        more || again
    }

    /// As `drain`, deliveries alone.
    pub(super) fn write_deliveries(&mut self, limit: usize, out: &mut BytesMut) -> bool {
        if self.write_backlog(limit, out) {
            return true;
        }
        let mut deliveries = Vec::new();
        self.outbox.put(|content| deliveries = std::mem::take(&mut content.deliveries));
        let any = !deliveries.is_empty();
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
