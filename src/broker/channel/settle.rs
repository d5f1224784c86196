//! Settling deliveries: by one tag or all up to one, at once or with the transaction.

use std::time::Duration;

use leveret_protocol::ShortString;

use super::{Channel, Mode, Unsettled};
use crate::broker::connection::{Effect, Settlement};
use crate::broker::error::ChannelError;
use crate::broker::queue::Outcome;

impl Unsettled {
    pub(super) const fn settlement(self, outcome: Outcome) -> Settlement {
        Settlement { queue: self.queue, consumer: self.consumer, checkout: self.checkout, outcome }
    }

    pub(super) fn settled(self, outcome: Outcome) -> Effect {
        Effect::Settle { queue: self.queue, consumer: self.consumer, checkout: self.checkout, outcome }
    }
}

impl Channel {
    /// Settles a delivery; with `multiple` all up to it, where tag 0 means all there are.
    ///
    /// # Errors
    /// 406 when the tag is not outstanding.
    pub(super) fn settle(
        &mut self,
        delivery_tag: u64,
        multiple: bool,
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) -> Result<(), ChannelError> {
        let settled = match (multiple, delivery_tag) {
            (true, 0) => self.unsettled.take_all(),
            (true, tag) if self.unsettled.contains(tag) => self.unsettled.take_through(tag),
            (false, tag) => {
                let unsettled = self.unsettled.take(tag).ok_or(ChannelError::UnknownDeliveryTag(tag))?;
                self.note_settled([(tag, unsettled)], outcome, effects);
                return Ok(());
            }
            (true, tag) => return Err(ChannelError::UnknownDeliveryTag(tag)),
        };
        self.note_settled(settled, outcome, effects);
        Ok(())
    }

    /// A delivery that may stay unacked for so long from now on.
    ///
    /// # Errors
    /// 406 when the tag is not outstanding.
    pub(super) fn extended(&self, delivery_tag: u64, by: Duration) -> Result<Effect, ChannelError> {
        let unsettled = self.unsettled.get(delivery_tag).ok_or(ChannelError::UnknownDeliveryTag(delivery_tag))?;
        let Unsettled { queue, consumer, checkout } = *unsettled;
        Ok(Effect::Extend { queue, consumer, checkout, by })
    }

    /// Generic, so that one acknowledgement needs no list.
    fn note_settled(
        &mut self,
        settled: impl IntoIterator<Item = (u64, Unsettled)>,
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) {
        let settled = settled.into_iter();
        match &mut self.mode {
            Mode::Transaction { settled: waiting } => {
                waiting.extend(settled.map(|(tag, unsettled)| (tag, unsettled, outcome)));
            }
            Mode::Plain | Mode::Confirm { .. } => {
                for (delivery_tag, unsettled) in settled {
                    effects.push(unsettled.settled(outcome));
                    if let Some(shared) = &mut self.shared_limit {
                        shared.settled(delivery_tag);
                    }
                }
            }
        }
    }

    /// These deliveries are settled for good: not with a transaction that may be rolled back.
    pub(super) fn forget_settled(&mut self, delivery_tags: impl Iterator<Item = u64>) {
        if let Some(shared) = &mut self.shared_limit {
            delivery_tags.for_each(|delivery_tag| shared.settled(delivery_tag));
        }
    }

    /// Deliveries that are not settled for good: those that are outstanding, and those whose settling waits for a commit.
    pub(super) fn unsettled_count(&self) -> usize {
        let waiting = match &self.mode {
            Mode::Transaction { settled } => settled.len(),
            Mode::Plain | Mode::Confirm { .. } => 0,
        };
        self.unsettled.len() + waiting
    }

    /// Gives back everything that is outstanding, whatever the mode (basic.recover is not transactional).
    pub(super) fn requeue_all(&mut self, effects: &mut Vec<Effect>) {
        let all = self.unsettled.take_all();
        effects.extend(all.iter().map(|(_, unsettled)| unsettled.settled(Outcome::Requeue)));
        self.forget_settled(all.iter().map(|(tag, _)| *tag));
    }

    /// A queue name from the client; empty means the last one declared on this channel.
    ///
    /// # Errors
    /// 404 when it is empty and none was declared.
    pub(super) fn queue_or_last(&self, name: ShortString) -> Result<ShortString, ChannelError> {
        if !name.is_empty() {
            return Ok(name);
        }
        self.last_queue.clone().ok_or(ChannelError::NoPreviousQueue)
    }
}
