//! Deliveries on their way out: each gets its channel's next delivery tag.

use super::{Connection, ConsumerRecord};
use crate::broker::channel::Channel;
use crate::broker::ids::{ConsumerId, DeliveryTag, QueueId};
use crate::broker::queue::Delivery;

/// A consumer some of whose deliveries are about to be written.
#[derive(Debug)]
pub struct Delivering<'a> {
    record: &'a ConsumerRecord,
    channel: &'a mut Channel,
    /// Where its deliveries come from, if they have to be settled.
    settles: Option<QueueId>,
}

impl Connection {
    /// What it takes to write deliveries of a consumer. `None`: it is gone, and they are dropped.
    pub fn delivering(&mut self, consumer: ConsumerId) -> Option<Delivering<'_>> {
        let record = self.consumers.get(&consumer)?;
        let channel = self.channels.get_mut(&record.channel)?;
        Some(Delivering { record, channel, settles: record.queue.filter(|_| !record.no_ack) })
    }

    /// basic.get found a message on this channel: gives it its tag.
    pub fn deliver_got(&mut self, channel: u16, queue: Option<QueueId>, delivery: &Delivery) -> Option<DeliveryTag> {
        self.waiting = false;
        Some(self.channels.get_mut(&channel)?.deliver_got(queue, delivery))
    }
}

impl Delivering<'_> {
    /// The consumer's channel.
    #[must_use]
    pub const fn channel(&self) -> u16 {
        self.record.channel
    }

    /// The consumer's tag.
    #[must_use]
    pub fn consumer_tag(&self) -> &[u8] {
        self.record.consumer_tag.as_bytes()
    }

    /// The tag of the delivery that is written next. It is remembered until that is settled.
    #[inline]
    pub fn next_tag(&mut self, delivery: &Delivery) -> DeliveryTag {
        self.channel.deliver(self.settles, delivery)
    }
}
