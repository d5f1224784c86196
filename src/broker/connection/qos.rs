//! Limits of running consumers: what basic.qos changes, and the room under a channel's limit that is offered to them.

use super::{Connection, Effect};
use crate::broker::channel::{Offer, QosChange};
use crate::broker::ids::ConsumerId;

impl Connection {
    /// basic.qos has changed limits of consumers that run already. Those without acknowledgements have none.
    pub(super) fn change_limits(&mut self, channel: u16, change: QosChange, effects: &mut Vec<Effect>) {
        if change == QosChange::default() {
            return;
        }
        let running = self.consumers.iter().filter(|(_, record)| record.channel == channel && !record.no_ack);
        for (&consumer, record) in running {
            let Some(queue) = record.queue else { continue };
            if let Some(prefetch) = change.prefetch {
                effects.push(Effect::SetPrefetch { queue, consumer, prefetch });
            }
            if let Some(limited) = change.channel_limited {
                effects.push(Effect::SetChannelLimited { queue, consumer, limited });
            }
        }
    }

    /// Queues have messages for these consumers, whose channels have a limit. To be told after all deliveries that
    /// were on their way by then have got their tags, since those count.
    pub fn consumers_wanting(&mut self, consumers: &[ConsumerId], effects: &mut Vec<Effect>) {
        for consumer in consumers {
            if let Some(record) = self.consumers.get(consumer)
                && let Some(queue) = record.queue
                && let Some(channel) = self.channels.get_mut(&record.channel)
            {
                channel.want(*consumer, queue);
            }
        }
        // All have asked before the first is served, so that the room is divided among them.
        for consumer in consumers {
            if let Some(channel) = self.consumers.get(consumer).map(|record| record.channel) {
                self.offer_room(channel, effects);
            }
        }
    }

    /// The answer to an offer: how many messages were handed out.
    pub fn offer_taken(&mut self, channel: u16, consumer: ConsumerId, taken: usize, effects: &mut Vec<Effect>) {
        if let Some(open) = self.channels.get_mut(&channel) {
            open.offer_taken(consumer, taken);
        }
        self.offer_room(channel, effects);
    }

    /// Offers what room there is under a channel's limit to the consumers that wait for it.
    pub(super) fn offer_room(&mut self, channel: u16, effects: &mut Vec<Effect>) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        while let Some(offer) = open.next_offer() {
            let Offer { queue, consumer, room } = offer;
            effects.push(Effect::Offer { channel, queue, consumer, room });
        }
    }
}
