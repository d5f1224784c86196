//! What may hold messages of queues on behalf of a channel: its consumers, those that have gone with something unacked,
//! and its stand-ins for basic.get. Queues are told of all of them when the channel ends.

use std::collections::{BTreeMap, BTreeSet};

use super::{Channel, Mode};
use crate::broker::connection::Effect;
use crate::broker::ids::{ConsumerId, QueueId};

/// Holders that hold nothing may stay this many without a look at who they are.
const FREE_IDLE: usize = 32;

/// By consumer, with its queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Holders {
    consumers: BTreeMap<ConsumerId, QueueId>,
    /// Their queues count their hand-outs, and so are told when one is forgotten.
    getters: BTreeMap<ConsumerId, QueueId>,
}

impl Holders {
    pub(super) fn add_getter(&mut self, getter: ConsumerId, queue: QueueId) {
        self.getters.insert(getter, queue);
    }

    fn all(&self) -> impl Iterator<Item = (QueueId, ConsumerId)> {
        self.consumers.iter().chain(&self.getters).map(|(consumer, queue)| (*queue, *consumer))
    }
}

impl Channel {
    /// Whether that is what stands for the channel where it uses basic.get.
    pub(in crate::broker) fn stands_for(&self, getter: ConsumerId) -> bool {
        self.holders.getters.contains_key(&getter)
    }

    /// Everything that may hold messages of a queue on behalf of this channel.
    pub(in crate::broker) fn holders(&self) -> Vec<(QueueId, ConsumerId)> {
        let mut holders: Vec<_> = self.holders.all().collect();
        holders.sort_unstable();
        holders
    }

    /// A consumer runs. All deliveries to consumers that ended before have got their tags.
    pub(super) fn add_holder(&mut self, consumer: ConsumerId, queue: QueueId) {
        self.holders.consumers.insert(consumer, queue);
        let needed = self.consumer_tags.len() + self.unsettled_count();
        if self.holders.consumers.len() > 2 * needed + FREE_IDLE {
            let holding = self.holding();
            self.holders.consumers.retain(|consumer, _| holding.contains(consumer));
        }
    }

    /// Forgets stand-ins for basic.get that hold nothing, once there are many: a channel may get from a queue of its own
    /// for each request it makes.
    pub(in crate::broker) fn forget_idle_getters(&mut self, effects: &mut Vec<Effect>) {
        if self.holders.getters.len() <= 2 * self.unsettled_count() + FREE_IDLE {
            return;
        }
        let holding = self.holding();
        self.holders.getters.retain(|getter, queue| {
            let holds = holding.contains(getter);
            if !holds {
                effects.push(Effect::Abandon { queue: *queue, consumer: *getter });
            }
            holds
        });
    }

    /// The consumers that run or hold something.
    fn holding(&self) -> BTreeSet<ConsumerId> {
        let mut holding: BTreeSet<_> = self.consumer_tags.values().flatten().copied().collect();
        holding.extend(self.unsettled.values().map(|unsettled| unsettled.consumer));
        if let Mode::Transaction { settled } = &self.mode {
            holding.extend(settled.iter().map(|(_, unsettled, _)| unsettled.consumer));
        }
        holding
    }
}
