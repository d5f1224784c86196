//! The machine with the outboxes of its consumers, under the lock: its effects are put where they belong in their order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::Outcome;
use crate::broker::dedup::Deduplicator;
use crate::broker::ids::ConsumerId;
use crate::broker::message::Message;
use crate::broker::queue::{Effect, Input, JobState, Queue, Refusal};
use crate::broker::time::Timestamp;
use crate::node::drain::Drain;
use crate::node::jobs::Jobs;
use crate::node::line::Line;
use crate::node::outbox::{Content, Outbox, TimedOut};
use crate::store::FileNumber;

/// Effects that an idle queue keeps room for.
const KEPT_EFFECTS: usize = 4;

/// What is behind the lock.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) queue: Queue,
    /// What tells messages that it has taken before, where that was asked for.
    pub(super) deduplicator: Option<Box<Deduplicator>>,
    pub(super) outboxes: BTreeMap<ConsumerId, Arc<Outbox>>,
    pub(super) effects: Vec<Effect>,
    /// When the timers will look at it.
    pub(super) due: Option<Timestamp>,
    /// Who waits for something, once somebody has: in nearly all queues nobody does.
    pub(super) waiters: Option<Box<Waiters>>,
    /// How fast consumers get done.
    pub(super) drain: Drain,
    /// What becomes of its messages, where that is asked for.
    pub(super) jobs: Option<Box<Jobs>>,
}

/// Connections that wait for something that happens in a queue.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// Those whose basic.get waits for a load.
    pub(super) getters: Vec<Arc<Outbox>>,
    /// Publishers that wait for room.
    pub(super) line: Line,
    /// Those that have been told to slow down, to be woken once there is room again.
    slowed: Vec<Arc<Outbox>>,
    /// Who waits for a message without being a consumer, in the order in which they came.
    pub(super) pollers: VecDeque<Arc<Outbox>>,
}

impl Waiters {
    pub(super) fn slow_down(&mut self, outbox: &Arc<Outbox>) {
        if !self.slowed.iter().any(|slowed| Arc::ptr_eq(slowed, outbox)) {
            self.slowed.push(Arc::clone(outbox));
        }
    }

    pub(super) fn hold_publishers_back(&self) -> bool {
        self.line.is_waited_in() || !self.slowed.is_empty()
    }
}

impl Running {
    pub(super) fn waiters(&mut self) -> &mut Waiters {
        self.waiters.get_or_insert_default()
    }

    /// How many messages a publisher may put in now, of so many for which there is room.
    pub(super) fn admits(&self, outbox: &Arc<Outbox>, room: usize) -> usize {
        self.waiters.as_ref().map_or(room, |waiters| waiters.line.admits(outbox, room))
    }

    /// A publisher has put in what it may, and waits at the end of the line where it has more.
    pub(super) fn served(&mut self, outbox: &Arc<Outbox>, more: bool) {
        if more || self.waiters.is_some() {
            self.waiters().line.served(outbox, more);
        }
    }

    /// Wakes whose turn it is, and those that may go on.
    pub(super) fn call_publishers(&mut self, outcome: &mut Outcome) {
        let Some(waiters) = &mut self.waiters else { return };
        let gone = self.queue.is_deleted();
        while waiters.line.is_waited_in() && (gone || self.queue.room_for(std::iter::once(0)) > 0) {
            let Some(next) = waiters.line.call_next() else { break };
            if gone {
                waiters.line.leave(&next);
            }
            outcome.wake(&next);
        }
        if !waiters.slowed.is_empty() && (gone || self.queue.is_low()) {
            outcome.wakes.append(&mut waiters.slowed);
        }
    }

    pub(super) fn run(&mut self, now: Timestamp, input: Input<'_>, outcome: &mut Outcome) -> Result<(), Refusal> {
        let gone = match &input {
            Input::Unsubscribe(consumer) | Input::Leave(consumer) | Input::Abandon(consumer) => Some(*consumer),
            Input::Publish(_)
            | Input::Again(_)
            | Input::Reserve { .. }
            | Input::Insert(_)
            | Input::Subscribe(_)
            | Input::SetPrefetch(..)
            | Input::SetChannelLimited(..)
            | Input::Offer { .. }
            | Input::SetWindow(..)
            | Input::Written(..)
            | Input::Get { .. }
            | Input::Settle { .. }
            | Input::Extend { .. }
            | Input::Return { .. }
            | Input::Loaded { .. }
            | Input::Fetched { .. }
            | Input::Cancel(_)
            | Input::Pick(_)
            | Input::Relocate { .. }
            | Input::Purge
            | Input::Configure(_)
            | Input::Tick
            | Input::Touch
            | Input::Refused(_)
            | Input::TakeDead(_)
            | Input::EndLease
            | Input::Delete { .. } => None,
        };
        let purges = matches!(input, Input::Purge);
        self.queue.handle(now, input, &mut self.effects)?;
        if let Some(jobs) = self.jobs.as_mut().filter(|_| purges) {
            jobs.forget_ready();
        }
        if let Some(consumer) = gone {
            self.outboxes.remove(&consumer);
        }
        self.distribute(now, outcome);
        Ok(())
    }

    /// Puts effects where they belong, under the queue's lock: the order of deliveries is the order in the outbox.
    fn distribute(&mut self, now: Timestamp, outcome: &mut Outcome) {
        let mut effects = self.effects.drain(..).peekable();
        while let Some(effect) = effects.next() {
            match effect {
                Effect::Deliver(delivery) => {
                    let consumer = delivery.consumer;
                    let Some(outbox) = self.outboxes.get(&consumer) else { continue };
                    outbox.put(|content| {
                        content.deliveries.push(delivery);
                        while let Some(Effect::Deliver(next)) = effects
                            .next_if(|effect| matches!(effect, Effect::Deliver(next) if next.consumer == consumer))
                        {
                            content.deliveries.push(next);
                        }
                    });
                    outcome.wake(outbox);
                }
                Effect::ConsumerCancelled(consumer) => {
                    part_from(&mut self.outboxes, consumer, outcome, |content| content.cancelled.push(consumer));
                }
                Effect::TimedOut { consumer, timeout, cancels } => {
                    let timed_out = TimedOut { consumer, timeout, cancels };
                    part_from(&mut self.outboxes, consumer, outcome, |content| content.timed_out.push(timed_out));
                }
                Effect::Wanting(consumer) => {
                    if let Some(outbox) = self.outboxes.get(&consumer) {
                        outbox.put(|content| content.wanting.push(consumer));
                        outcome.wake(outbox);
                    }
                }
                Effect::Job { message, state } => note_job(self.jobs.as_deref_mut(), now, &message, state),
                Effect::Taken(taken) => outcome.taken = taken,
                Effect::Unused => outcome.unused = true,
                // Seen to after the lock is released, like whatever died before.
                Effect::Died => {}
                Effect::Failed { sequence, count } => outcome.failed.push((sequence.0, count)),
                Effect::LeaseEnded => outcome.lease_ended = true,
                Effect::Got(got) => outcome.got = got,
                Effect::GotLater => outcome.got_later = true,
                Effect::Removed(count) => outcome.removed = count,
                Effect::Load(run) => outcome.loads.push(run),
                Effect::Fetch(runs) => outcome.fetch = Some(runs),
                Effect::Retried { message, stored } => outcome.try_again(message, stored),
                Effect::Gone { sequence, place } => outcome.gone.add(sequence, place),
                Effect::GoneRun(run) => outcome.gone.add_run(&run),
                Effect::Lost(run) => {
                    outcome.lost += u64::from(run.count);
                    outcome.gone.add_run(&run);
                }
                Effect::Emptied(files) => {
                    for (file, count) in files {
                        outcome.gone.add_file(FileNumber(file.get()), u32::try_from(count).unwrap_or(u32::MAX));
                    }
                }
                Effect::Relocated(count) => outcome.relocated = count,
            }
        }
        drop(effects);
        if self.effects.capacity() > KEPT_EFFECTS && self.outboxes.is_empty() {
            self.effects = Vec::new();
        }
    }
}

/// Notes how far a message is, out of the way of queues that keep no track.
#[cold]
fn note_job(jobs: Option<&mut Jobs>, now: Timestamp, message: &Message, state: JobState) {
    if let Some(jobs) = jobs {
        jobs.note(now, message, state);
    }
}

/// Leaves a last word for a consumer.
fn part_from(
    outboxes: &mut BTreeMap<ConsumerId, Arc<Outbox>>,
    consumer: ConsumerId,
    outcome: &mut Outcome,
    last_word: impl FnOnce(&mut Content),
) {
    if let Some(outbox) = outboxes.remove(&consumer) {
        outbox.put(last_word);
        outcome.wake(&outbox);
    }
}
