//! Messages coming into a queue: recorded in the log where they have to be, refused where the queue is full.

use std::sync::Arc;

use super::{Outcome, QueueCell, Running};
use crate::broker::ids::SequenceNumber;
use crate::broker::queue::{Arrival, Input, Numbering, Overflow, Queue, Refusal};
use crate::broker::time::Timestamp;
use crate::node::key_records::KeyRecords;
use crate::node::storage::{self, Gone, Payload, Storage};
use crate::store::{FileNumber, Position};

/// Bytes in the log that are not on disk from which on what is written out is synced as soon as possible.
const HURRY: usize = 2 * 1024 * 1024;

impl QueueCell {
    /// Takes messages in. Those that have to survive are in the log when it returns, and the outcome tells from which
    /// position on they do.
    pub(in crate::node) fn publish(
        self: &Arc<Self>,
        now: Timestamp,
        arrivals: &mut Vec<Arrival>,
    ) -> Result<Outcome, Refusal> {
        self.act(|running, outcome| {
            if running.queue.settings().refuses() {
                return self.take_what_fits(now, running, arrivals, outcome);
            }
            self.take(now, running, arrivals, outcome)
        })
    }

    pub(super) fn take(
        self: &Arc<Self>,
        now: Timestamp,
        running: &mut Running,
        arrivals: &mut Vec<Arrival>,
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        let taken = self.take_out_duplicates(now, running, arrivals, outcome);
        let mut keys = KeyRecords::reserve(now, self.keys.get(), &taken);
        if let Some(storage) = self.storage() {
            let appended = self.record(storage, &mut running.queue, arrivals, &mut keys);
            outcome.appended = outcome.appended.max(appended);
        }
        let stored = Stored::of(arrivals.iter());
        let done = running.run(now, Input::Publish(arrivals), outcome);
        stored.release_unless(&done, outcome);
        keys.insert(now);
        done
    }

    /// As many as there is room for at a time: what is handed out in between makes room for more.
    pub(super) fn take_what_fits(
        self: &Arc<Self>,
        now: Timestamp,
        running: &mut Running,
        arrivals: &mut Vec<Arrival>,
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        let all = arrivals.len();
        let mut rest = std::mem::take(arrivals);
        while !rest.is_empty() {
            let fitting = running.queue.room_for(rest.iter().map(|arrival| arrival.message.body_length()));
            let mut later = rest.split_off(fitting.max(1));
            if fitting == 0 {
                outcome.refused.push(all - later.len() - 1);
                self.refuse(now, running, rest, outcome)?;
            } else {
                self.take(now, running, &mut rest, outcome)?;
            }
            rest = std::mem::take(&mut later);
        }
        Ok(())
    }

    pub(super) fn refuse(
        &self,
        now: Timestamp,
        running: &mut Running,
        refused: Vec<Arrival>,
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        if running.queue.settings().overflow != Overflow::RejectPublishDlx {
            return Ok(());
        }
        refused.into_iter().try_for_each(|arrival| running.run(now, Input::Refused(arrival), outcome))
    }

    /// Writes records of those messages that need one, and of their keys, and notes where they are.
    pub(super) fn record(
        self: &Arc<Self>,
        storage: &Storage,
        queue: &mut Queue,
        arrivals: &mut [Arrival],
        keys: &mut KeyRecords,
    ) -> Option<Position> {
        self.record_with(storage, queue, arrivals, keys, &mut Gone::default())
    }

    /// As `record`, and with them what is gone for them.
    pub(super) fn record_with(
        self: &Arc<Self>,
        storage: &Storage,
        queue: &mut Queue,
        arrivals: &mut [Arrival],
        key_records: &mut KeyRecords,
        gone: &mut Gone,
    ) -> Option<Position> {
        let all = Self::keeps_all(storage, queue);
        let keeps = |arrival: &Arrival| all || self.keeps(arrival);
        let settles = self.entry.durable && gone.has_ranges();
        if !settles && !arrivals.iter().any(keeps) {
            return None;
        }
        if all {
            storage.cells.add(self);
        }
        // Nobody waits for messages that only take another form.
        let sync = !settles && arrivals.iter().any(|arrival| self.keeps(arrival));
        let bound =
            storage::bound(arrivals.iter().filter(|arrival| keeps(arrival)), 1) + key_records.bound() + gone.bound();
        let mut numbering = queue.numbering();
        let key = storage::key(self.entry.id);
        // What is written for want of memory is not waited for; but whoever brings more than the disk takes is.
        let hurry = all && storage.log.lag() > HURRY;
        let ((), position) = storage.log.append(bound, sync || hurry, |batch| {
            for arrival in arrivals {
                let sequence = numbering.take(&arrival.message);
                if keeps(arrival) {
                    let payload = Payload::of(&arrival.message);
                    let location = batch.put(&[(key, sequence.0)], !self.keeps(arrival), &payload.parts());
                    arrival.place = storage::place(location);
                }
            }
            key_records.write(batch);
            if settles {
                gone.write(key, batch);
            }
        });
        sync.then_some(position)
    }

    /// Whether a message has to survive a restart in this queue.
    pub(in crate::node) fn keeps(&self, arrival: &Arrival) -> bool {
        self.storage().is_some() && self.entry.durable && (self.quorum || arrival.message.is_persistent())
    }

    /// Whether a message must have a record whatever it is: there is no more memory.
    pub(super) fn keeps_all(storage: &Storage, queue: &mut Queue) -> bool {
        queue.set_memory_limit(storage.queue_memory());
        queue.set_holding_limit(storage.holding_limit());
        storage.is_scarce()
    }

    /// As `keeps_all`, for whoever writes one record for several queues.
    pub(in crate::node) fn needs_places(&self) -> bool {
        self.storage().is_some_and(|storage| Self::keeps_all(storage, &mut self.running.lock().queue))
    }

    /// Whether the queue takes these messages, all of them, and none needs a record.
    pub(in crate::node) fn takes_all_in_memory(&self, arrivals: &[Arrival]) -> bool {
        // What needs no lock first: messages that are to survive are the rule in durable queues.
        let keeps_some = self.entry.durable && arrivals.iter().any(|arrival| self.keeps(arrival));
        !keeps_some && !self.may_refuse() && !self.needs_places()
    }

    /// Whether the queue refuses messages when it is full.
    pub(in crate::node) fn may_refuse(&self) -> bool {
        self.running.lock().queue.settings().refuses()
    }

    /// Whether publishers would have to wait, or be refused.
    pub(in crate::node) fn is_full(&self) -> bool {
        self.running.lock().queue.room_for(std::iter::once(0)) == 0
    }

    /// Whether there is room for messages with bodies of these lengths, all of them.
    pub(in crate::node) fn has_room_for(&self, bodies: &[u64]) -> bool {
        self.running.lock().queue.room_for(bodies.iter().copied()) == bodies.len()
    }

    /// Takes numbers for messages that come with `insert`; what gives them, and how many: all, but where the queue refuses
    /// what there is no room for. One that lets publishers wait takes what cannot wait. The messages are told of by the bytes
    /// of their bodies.
    pub(in crate::node) fn reserve(&self, now: Timestamp, bodies: &[u64]) -> Result<(Numbering, usize), Refusal> {
        let mut running = self.running.lock();
        let numbering = running.queue.numbering();
        let refuses = running.queue.settings().refuses();
        let fitting = if refuses { running.queue.room_for(bodies.iter().copied()) } else { bodies.len() };
        let bytes = bodies.iter().take(fitting).sum();
        let count = u64::try_from(fitting).unwrap_or(u64::MAX);
        running.run(now, Input::Reserve { count, bytes }, &mut Outcome::default())?;
        Ok((numbering, fitting))
    }

    /// Messages that `reserve` had no room for.
    pub(in crate::node) fn refuse_all(self: &Arc<Self>, now: Timestamp, refused: Vec<Arrival>) {
        // A queue that is gone wants nothing.
        let _gone = self.act(|running, outcome| self.refuse(now, running, refused, outcome));
    }

    /// Takes in messages with reserved numbers, whose records are written.
    pub(in crate::node) fn insert(
        self: &Arc<Self>,
        now: Timestamp,
        arrivals: &mut Vec<(SequenceNumber, Arrival)>,
    ) -> Result<Outcome, Refusal> {
        self.act(|running, outcome| {
            let stored = Stored::of(arrivals.iter().map(|(_, arrival)| arrival));
            let done = running.run(now, Input::Insert(arrivals), outcome);
            stored.release_unless(&done, outcome);
            done
        })
    }

    /// Messages that came back are gone in their old form and there in their new one, as one: a crash leaves one of them.
    pub(super) fn try_again(self: &Arc<Self>, running: &mut Running, outcome: &mut Outcome) {
        let (mut arrivals, mut gone) =
            (std::mem::take(&mut outcome.retried), std::mem::take(&mut outcome.retried_gone));
        if let Some(storage) = self.storage() {
            let no_keys = &mut KeyRecords::default();
            self.record_with(storage, &mut running.queue, &mut arrivals, no_keys, &mut gone);
        }
        let stored = Stored::of(arrivals.iter());
        let done = running.run(self.clock().now(), Input::Again(&mut arrivals), outcome);
        stored.release_unless(&done, outcome);
        // What is left of it needs no word in the log: the queue is not durable.
        gone.forget_ranges();
        outcome.gone.append(gone);
    }
}

/// Records that arrivals have, in case the queue does not take them.
struct Stored(Gone);

impl Stored {
    fn of<'a>(arrivals: impl IntoIterator<Item = &'a Arrival>) -> Self {
        let mut gone = Gone::default();
        for place in arrivals.into_iter().filter_map(|arrival| arrival.place) {
            gone.add_file(FileNumber(place.file.get()), 1);
        }
        Self(gone)
    }

    /// The queue is gone: its records need not be kept.
    fn release_unless(self, done: &Result<(), Refusal>, outcome: &mut Outcome) {
        if done.is_err() {
            outcome.gone = self.0;
        }
    }
}
