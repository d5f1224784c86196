//! Publishes that wait for room in a queue whose bound lets publishers wait. Each channel keeps its order: what it publishes
//! behind one that waits, waits, too. Their confirms are withheld. While they wait, the connection is not read from;
//! but one that also consumes, gets or holds deliveries is: what it acknowledges may be what makes the room. Such a
//! connection has an allowance, beyond which its publishes are refused.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use super::routes::Targets;
use super::{Session, confirms};
use crate::broker::error::ChannelError;
use crate::broker::message::Message;
use crate::broker::queue::Arrival;
use crate::broker::time::Timestamp;
use crate::node::cell::QueueCell;
use crate::node::together;

/// Bytes that the waiting publishes of a connection that is read from may come to.
const ALLOWED_BYTES: usize = 1024 * 1024;

/// How many publishes may wait of such a connection.
const ALLOWED: usize = 1024;

/// Publishes that are put in together.
const AT_ONCE: usize = 256;

/// Who was refused need not come back sooner.
const SOONEST: Duration = Duration::from_secs(1);

/// Who was refused may come back by then, whatever is known of the queue.
const LATEST: Duration = Duration::from_mins(1);

/// A publish that waits.
#[derive(Debug)]
struct Held {
    /// Its number among the connection's publishes.
    number: u64,
    /// What its confirm says, once that is known.
    tag: Option<u64>,
    message: Message,
    targets: Targets,
}

/// The publishes of a connection that wait.
#[derive(Debug, Default)]
pub(super) struct HeldPublishes {
    channels: BTreeMap<u16, VecDeque<Held>>,
    count: usize,
    bytes: usize,
    /// Queues in whose lines the connection stands.
    lines: Vec<Arc<QueueCell>>,
}

impl HeldPublishes {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Whether the channel's publishes have to wait behind others.
    #[inline]
    pub(super) fn holds(&self, channel: u16) -> bool {
        !self.channels.is_empty() && self.channels.contains_key(&channel)
    }

    /// Bytes of memory that they take.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    const fn is_beyond_allowance(&self) -> bool {
        self.count >= ALLOWED || self.bytes >= ALLOWED_BYTES
    }

    fn push(&mut self, channel: u16, held: Held) {
        self.count += 1;
        self.bytes += held.message.cost();
        self.channels.entry(channel).or_default().push_back(held);
    }

    /// Tells the channel's publishes from a number on what their confirms will say; which of them wait.
    pub(super) fn tag(&mut self, channel: u16, from: u64, tag: impl Fn(u64) -> u64) -> Vec<u64> {
        let Some(held) = self.channels.get_mut(&channel) else { return Vec::new() };
        let untagged = held.iter_mut().rev().take_while(|held| held.number >= from && held.tag.is_none());
        let mut tags: Vec<_> = untagged.map(|held| *held.tag.insert(tag(held.number))).collect();
        tags.reverse();
        tags
    }

    /// Takes out the first publishes of a channel, of those that go to the same queues.
    fn take_first(&mut self, channel: u16, most: usize) -> Vec<Held> {
        let Some(held) = self.channels.get_mut(&channel) else { return Vec::new() };
        let mut taken: Vec<Held> = Vec::new();
        while taken.len() < most
            && let Some(next) = held.pop_front_if(|next| taken.first().is_none_or(|first| first.goes_with(next)))
        {
            taken.push(next);
        }
        if held.is_empty() {
            self.channels.remove(&channel);
        }
        self.count -= taken.len();
        self.bytes -= taken.iter().map(|held| held.message.cost()).sum::<usize>();
        taken
    }

    /// Puts publishes back to the front of their channel.
    fn put_back(&mut self, channel: u16, back: Vec<Held>) {
        self.count += back.len();
        self.bytes += back.iter().map(|held| held.message.cost()).sum::<usize>();
        let held = self.channels.entry(channel).or_default();
        back.into_iter().rev().for_each(|back| held.push_front(back));
    }

    /// Notes that the connection stands in a queue's line.
    fn stand_in(&mut self, cell: &Arc<QueueCell>) {
        if !self.lines.iter().any(|line| Arc::ptr_eq(line, cell)) {
            self.lines.push(Arc::clone(cell));
        }
    }

    /// Lines that the connection has no reason to stand in any more.
    fn lines_to_leave(&mut self) -> Vec<Arc<QueueCell>> {
        let (stay, leave) = std::mem::take(&mut self.lines).into_iter().partition(|line| {
            let mut fronts = self.channels.values().filter_map(VecDeque::front);
            fronts.any(|front| front.targets.iter().any(|target| Arc::ptr_eq(target, line)))
        });
        self.lines = stay;
        leave
    }
}

/// What became of publishes whose turn it was.
struct PutIn {
    /// How many wait no more.
    taken: usize,
    /// The numbers of those among them that a queue refused.
    refused: Vec<u64>,
}

fn numbers(held: &[Held], indexes: &[usize]) -> Vec<u64> {
    indexes.iter().filter_map(|index| held.get(*index)).map(|held| held.number).collect()
}

impl Held {
    fn goes_with(&self, other: &Self) -> bool {
        self.targets.len() == other.targets.len()
            && self.targets.iter().zip(&other.targets).all(|(one, other)| Arc::ptr_eq(one, other))
    }
}

impl Session {
    /// Whether nothing is read since publishes wait for room that others make.
    #[must_use]
    pub fn is_held_back(&self) -> bool {
        !self.held.is_empty() && !self.is_mixed()
    }

    /// Whether the client does more than publish, so that what it sends may make room.
    pub(super) fn is_mixed(&self) -> bool {
        !self.written.is_empty() || !self.getters.is_empty() || self.connection.holds_deliveries()
    }

    /// Lets a publish wait, or refuses it where the client has used up what it is allowed.
    pub(super) fn hold(&mut self, channel: u16, number: u64, message: Message, targets: Targets) {
        if !self.held.is_beyond_allowance() || !self.is_mixed() {
            return self.held.push(channel, Held { number, tag: None, message, targets });
        }
        self.take_back_admitted(number);
        if self.connection.confirms(channel) {
            self.refused.push(number);
        } else {
            self.overdrawn.insert(channel);
        }
    }

    /// Closes channels that published beyond what they are allowed, and have no other way to hear of it.
    pub(super) fn close_overdrawn(&mut self, now: Timestamp, work: &mut super::Workspace, out: &mut BytesMut) {
        while let Some(channel) = self.overdrawn.pop_first() {
            self.connection.publish_refused(now, channel, ChannelError::QueueFull, &mut work.effects);
            self.execute(now, &mut work.effects, out);
        }
    }

    /// The publishes of a batch that its queue had no room for wait.
    pub(super) fn hold_rest(&mut self, taken: usize, rest: Vec<Arrival>) {
        let targets = self.batch.targets.clone();
        for (at, arrival) in (taken..).zip(rest) {
            let (channel, number) = self.batch.origin(at);
            self.hold(channel, number, arrival.message, targets.clone());
        }
        targets.iter().for_each(|target| self.held.stand_in(target));
    }

    /// Puts in what there is room for now.
    pub(super) fn put_in_held(&mut self, now: Timestamp, out: &mut BytesMut) {
        if self.held.is_empty() && self.held.lines.is_empty() {
            return;
        }
        let channels: Vec<u16> = self.held.channels.keys().copied().collect();
        for channel in channels {
            while self.put_in_first(now, channel, out) {}
        }
        for cell in self.held.lines_to_leave() {
            cell.leave_line(&self.outbox);
        }
        self.await_the_log();
    }

    /// Puts in the first of a channel's waiting publishes; false when they go on waiting, or none waits.
    fn put_in_first(&mut self, now: Timestamp, channel: u16, out: &mut BytesMut) -> bool {
        let mut first = self.held.take_first(channel, AT_ONCE);
        let Some(targets) = first.first().map(|held| held.targets.clone()) else { return false };
        let PutIn { taken, refused } = match targets.as_slice() {
            [target] => self.put_into(now, target, &first),
            targets => self.put_into_all(now, targets, &first),
        };
        let rest = first.split_off(taken);
        self.decide_on_held(now, &first, &refused);
        self.confirm_held(channel, &first, &refused, out);
        let done = rest.is_empty();
        if !done {
            targets.iter().for_each(|target| self.held.stand_in(target));
            self.held.put_back(channel, rest);
        }
        done
    }

    /// Puts messages into a queue.
    fn put_into(&mut self, now: Timestamp, target: &Arc<QueueCell>, held: &[Held]) -> PutIn {
        let mut arrivals: Vec<Arrival> = held.iter().map(|held| held.message.clone().into()).collect();
        // A queue that was deleted meanwhile takes its messages with it, as in RabbitMQ.
        let Ok(outcome) = target.publish_in_turn(now, &mut arrivals, &self.outbox) else {
            return PutIn { taken: held.len(), refused: Vec::new() };
        };
        self.appended = self.appended.max(outcome.appended.unwrap_or_default());
        PutIn { taken: held.len() - arrivals.len(), refused: numbers(held, &outcome.refused) }
    }

    /// Puts messages into several queues, one by one: each when all of them have room.
    fn put_into_all(&mut self, now: Timestamp, targets: &[Arc<QueueCell>], held: &[Held]) -> PutIn {
        let mut refused = Vec::new();
        for (at, held) in held.iter().enumerate() {
            let body = held.message.body_length();
            if !targets.iter().all(|target| target.has_room(std::iter::once(body), &self.outbox)) {
                return PutIn { taken: at, refused };
            }
            let applied = together::publish(now, targets, &[held.message.clone().into()]);
            self.appended = self.appended.max(applied.position.unwrap_or_default());
            refused.extend(applied.refused.first().map(|_| held.number));
        }
        PutIn { taken: held.len(), refused }
    }

    /// Publishes wait no more; those with these numbers were refused.
    fn decide_on_held(&mut self, now: Timestamp, held: &[Held], refused: &[u64]) {
        if !self.admitted.is_empty() {
            self.decide_on(now, held.iter().map(|held| held.number), refused);
        }
    }

    /// Owes the confirms of publishes that are in, and tells of those that a queue refused.
    fn confirm_held(&mut self, channel: u16, held: &[Held], refused: &[u64], out: &mut BytesMut) {
        let durable = self.node.durable();
        let (refused, taken): (Vec<_>, Vec<_>) = held.iter().partition(|held| refused.contains(&held.number));
        refused.iter().filter_map(|held| held.tag).for_each(|tag| confirms::write_nack(channel, tag, out));
        let mut run: Option<(u64, u64)> = None;
        for tag in taken.iter().filter_map(|held| held.tag) {
            run = match run {
                Some((first, last)) if last + 1 == tag => Some((first, tag)),
                Some(done) => {
                    self.confirms.owe(channel, done, self.appended, durable, out);
                    Some((tag, tag))
                }
                None => Some((tag, tag)),
            };
        }
        if let Some(run) = run {
            self.confirms.owe(channel, run, self.appended, durable, out);
        }
    }

    /// Drops the publishes that wait, and gives their places in lines away; whether there were any.
    pub(super) fn give_up_held(&mut self) -> bool {
        let held = std::mem::take(&mut self.held);
        for publish in held.channels.values().flatten() {
            self.take_back_admitted(publish.number);
        }
        for cell in &held.lines {
            cell.leave_line(&self.outbox);
        }
        !held.is_empty()
    }

    /// How long it takes until all queues of the last publish have room, about: between a second and a minute.
    pub(super) fn time_for_room(&self, now: Timestamp) -> Duration {
        let times = self.batch.targets.iter().map(|target| target.time_until_low(now).unwrap_or(LATEST));
        times.max().unwrap_or(SOONEST).clamp(SOONEST, LATEST)
    }

    /// The channel is gone. What it published was taken from the client, so that it goes to its queues, however full.
    pub(super) fn put_in_all_of(&mut self, now: Timestamp, channel: u16) {
        loop {
            let held = self.held.take_first(channel, AT_ONCE);
            let Some(first) = held.first() else { break };
            let arrivals: Vec<Arrival> = held.iter().map(|held| held.message.clone().into()).collect();
            let applied = together::publish(now, &first.targets, &arrivals);
            self.decide_on_held(now, &held, &numbers(&held, &applied.refused));
        }
        for cell in self.held.lines_to_leave() {
            cell.leave_line(&self.outbox);
        }
    }
}
