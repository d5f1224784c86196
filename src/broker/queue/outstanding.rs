//! Deliveries that are unacked, for operators: listed, and found again by the number of their message.

use std::collections::BTreeMap;

use super::Queue;
use super::unacked::{Held, Unacked};
use crate::broker::ids::{CheckoutId, ConsumerId, SequenceNumber};
use crate::broker::message::Message;
use crate::broker::time::Timestamp;

/// A delivery that is unacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// Who holds it: a consumer, or what stands for a channel that uses basic.get.
    pub consumer: ConsumerId,
    /// The hand-out.
    pub checkout: CheckoutId,
    /// The message's place in the queue.
    pub sequence: SequenceNumber,
    /// The message.
    pub message: Message,
    /// It had been handed out before.
    pub redelivered: bool,
    /// When it was handed out; `None`: there was no timeout then, and nobody noted it.
    pub since: Option<Timestamp>,
    /// When it is taken back; `None`: never.
    pub deadline: Option<Timestamp>,
}

impl Queue {
    /// Unacked deliveries in the order of their messages' numbers, behind one of them or from the beginning; at most so many.
    /// Looks at all that are unacked.
    #[must_use]
    pub fn outstanding(&self, after: Option<SequenceNumber>, most: usize) -> Vec<Outstanding> {
        let mut first: BTreeMap<SequenceNumber, (ConsumerId, &Unacked, CheckoutId, &Held)> = BTreeMap::new();
        for (consumer, unacked) in self.holders() {
            for (checkout, held) in unacked.numbered() {
                let is_near =
                    || first.len() < most || first.last_key_value().is_some_and(|(last, _)| held.sequence < *last);
                if after.is_none_or(|after| held.sequence > after) && is_near() {
                    first.insert(held.sequence, (consumer, unacked, checkout, held));
                    if first.len() > most {
                        first.pop_last();
                    }
                }
            }
        }
        let described = first.into_values();
        described.map(|(consumer, unacked, checkout, held)| self.described(consumer, unacked, checkout, held)).collect()
    }

    /// The unacked delivery of the message of that number.
    #[must_use]
    pub fn outstanding_of(&self, sequence: SequenceNumber) -> Option<Outstanding> {
        self.holders().find_map(|(consumer, unacked)| {
            let (checkout, held) = unacked.numbered().find(|(_, held)| held.sequence == sequence)?;
            Some(self.described(consumer, unacked, checkout, held))
        })
    }

    fn described(&self, consumer: ConsumerId, unacked: &Unacked, checkout: CheckoutId, held: &Held) -> Outstanding {
        Outstanding {
            consumer,
            checkout,
            sequence: held.sequence,
            message: held.message.clone(),
            redelivered: held.redelivered,
            since: unacked.since(checkout),
            deadline: self.span_of(unacked).and_then(|span| unacked.deadline_of(checkout, span)),
        }
    }
}
