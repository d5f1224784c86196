//! Message groups (`x-group-by`, extension): one consumer at a time has a group, from its first unacked message to its last;
//! groups go on side by side, each in order. Owns who gets what in a queue with groups; all else is as in other queues.

mod lane;
mod table;

pub(super) use self::lane::Grouped;
use self::lane::Next;
use super::effect::Effect;
use super::input::Input;
use super::lanes::Lanes;
use super::unacked::Held;
use super::{DeathReason, NOTHING_FRESH, Queue};
use crate::broker::ids::ConsumerId;
use crate::broker::time::Timestamp;

impl Queue {
    /// Notes who may have room for more of its groups after an input.
    #[cold]
    pub(super) fn wake_holders(&mut self, input: &Input<'_>) {
        let Lanes::Grouped(grouped) = &mut self.ready else { return };
        if self.settings.single_active {
            // Anything may change who is served.
            return grouped.wake_all();
        }
        match input {
            Input::Settle { consumer, .. }
            | Input::Return { consumer, .. }
            | Input::Offer { consumer, .. }
            | Input::SetPrefetch(consumer, _)
            | Input::SetWindow(consumer, _)
            | Input::SetChannelLimited(consumer, _)
            | Input::Written(consumer, _) => grouped.wake(*consumer),
            Input::Tick => grouped.wake_all(),
            Input::Publish(_)
            | Input::Again(_)
            | Input::Reserve { .. }
            | Input::Insert(_)
            | Input::Subscribe(_)
            | Input::Unsubscribe(_)
            | Input::Get { .. }
            | Input::Extend { .. }
            | Input::Leave(_)
            | Input::Abandon(_)
            | Input::Loaded { .. }
            | Input::Relocate { .. }
            | Input::Fetched { .. }
            | Input::Cancel(_)
            | Input::Pick(_)
            | Input::Purge
            | Input::Configure(_)
            | Input::Touch
            | Input::Refused(_)
            | Input::TakeDead(_)
            | Input::EndLease
            | Input::Delete { .. } => {}
        }
    }

    /// As the loop in `dispatch`: hands out whatever anybody can take.
    #[inline(never)]
    pub(super) fn dispatch_groups(&mut self, now: Timestamp, fresh: u64, effects: &mut Vec<Effect>) {
        while let Lanes::Grouped(grouped) = &mut self.ready
            && let Some(next) = grouped.next(&mut self.consumers)
        {
            if self.expire_next(now, fresh, next, effects) {
                continue;
            }
            let Lanes::Grouped(grouped) = &mut self.ready else { return };
            let consumer = match next {
                Next::Owned(id, _) => self.consumers.find(id),
                Next::Free(_) | Next::Head(_) => self.consumers.next().map(|(consumer, _)| consumer),
            };
            let Some(consumer) = consumer else { return };
            if consumer.subscription.channel_limited {
                effects.push(Effect::Wanting(consumer.announce()));
                continue;
            }
            let holder = Some(consumer.subscription.consumer).filter(|_| !consumer.subscription.no_ack);
            let Some(held) = grouped.take(next, holder) else { return };
            self.hand_outs.hand_out_apart(now, consumer, held, effects);
            self.expire(now, fresh, effects);
        }
    }

    /// As `offer`: hands a consumer as many messages as its channel has room for; tells how many.
    #[inline(never)]
    pub(super) fn offer_groups(
        &mut self,
        now: Timestamp,
        id: ConsumerId,
        room: usize,
        effects: &mut Vec<Effect>,
    ) -> usize {
        let mut taken = 0;
        while taken < room
            && self.consumers.may_serve(id)
            && let Some(consumer) = self.consumers.find(id).filter(|consumer| consumer.has_room())
        {
            let no_ack = consumer.subscription.no_ack;
            let Some(held) = self.take_in_groups(now, id, no_ack, effects) else { break };
            let Some(consumer) = self.consumers.find(id) else { break };
            self.hand_outs.hand_out_apart(now, consumer, held, effects);
            taken += 1;
            self.expire(now, NOTHING_FRESH, effects);
        }
        taken
    }

    /// Takes the oldest message that somebody may have who asks for one.
    #[inline(never)]
    pub(super) fn take_in_groups(
        &mut self,
        now: Timestamp,
        id: ConsumerId,
        no_ack: bool,
        effects: &mut Vec<Effect>,
    ) -> Option<Held> {
        loop {
            let Lanes::Grouped(grouped) = &mut self.ready else { return None };
            let next = grouped.next_for(id)?;
            if !self.expire_next(now, NOTHING_FRESH, next, effects) {
                let Lanes::Grouped(grouped) = &mut self.ready else { return None };
                return grouped.take(next, Some(id).filter(|_| !no_ack));
            }
        }
    }

    /// Lets a message go whose time is over, although others are before it.
    fn expire_next(&mut self, now: Timestamp, fresh: u64, next: Next, effects: &mut Vec<Effect>) -> bool {
        let Lanes::Grouped(grouped) = &mut self.ready else { return false };
        let over = grouped.peek(next).is_some_and(|held| self.ttl.is_over(held, now, fresh));
        if over && let Some(held) = grouped.take(next, None) {
            self.die(held, DeathReason::Expired, effects);
        }
        over
    }
}
