//! Publishing: from a message to its queues. Consecutive messages for the same queue go in under one lock; where
//! messages with the same names went before is remembered until the topology changes.

use std::sync::Arc;

use bytes::BytesMut;
use leveret_protocol::ShortString;
use smallvec::SmallVec;

use super::routes::Targets;
use super::uncommitted::Kept;
use super::{Session, confirms};
use crate::broker::auth::Permission;
use crate::broker::channel::{checks, reply_to};
use crate::broker::delay;
use crate::broker::error::ChannelError;
use crate::broker::exchange::Envelope;
use crate::broker::ids::CheckoutId;
use crate::broker::message::Message;
use crate::broker::queue::{Arrival, Delivery};
use crate::broker::resource::Resource;
use crate::broker::time::Timestamp;
use crate::broker::vhost::Route;
use crate::node::cell::QueueCell;
use crate::node::memories::{Acquaintance, Way};
use crate::node::together::{self, Applied};
use crate::store::Waiter as _;

/// Messages that wait for the end of the batch to go into their queues together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) targets: Targets,
    pub(super) arrivals: Vec<Arrival>,
    /// Where they came from: a channel, the number of the first one among this connection's publishes, how many.
    runs: Vec<(u16, u64, usize)>,
}

impl Batch {
    /// Adds a message; `number` is that of the publish among all of the connection.
    #[inline]
    fn push(&mut self, channel: u16, number: u64, arrival: Arrival) {
        self.arrivals.push(arrival);
        match self.runs.last_mut() {
            Some((last, first, count)) if *last == channel && *first + *count as u64 == number => *count += 1,
            Some(_) | None => self.runs.push((channel, number, 1)),
        }
    }

    /// The channel of one of the messages, and its number.
    pub(super) fn origin(&self, mut at: usize) -> (u16, u64) {
        for (channel, first, count) in &self.runs {
            if at < *count {
                return (*channel, first + at as u64);
            }
            at -= count;
        }
        (0, 0)
    }

    fn goes_to(&self, targets: &[Arc<QueueCell>]) -> bool {
        self.targets.len() == targets.len()
            && self.targets.iter().zip(targets).all(|(one, other)| Arc::ptr_eq(one, other))
    }
}

impl Session {
    // Inline, so that the message is moved once.
    #[inline(always)]
    pub(super) fn publish(
        &mut self,
        now: Timestamp,
        channel: u16,
        message: Message,
        mandatory: bool,
        in_transaction: bool,
        out: &mut BytesMut,
    ) -> Result<(), ChannelError> {
        self.published += 1;
        if message.traits().is_plain() && !in_transaction && self.remembers(&message) {
            if self.routes.targets().is_empty() && mandatory {
                self.write_return(channel, &message, out);
            }
            if self.held.holds(channel) {
                let targets = self.routes.targets().clone();
                self.hold(channel, self.published, message, targets);
                return Ok(());
            }
            if !self.batch.goes_to(self.routes.targets()) {
                self.flush_published(now);
                self.batch.targets.clone_from(self.routes.targets());
            }
            self.batch.push(channel, self.published, message.into());
            return Ok(());
        }
        self.publish_anew(now, channel, message, mandatory, in_transaction, out)
    }

    /// Publishes a message of which nobody remembers where it goes.
    #[inline(never)]
    fn publish_anew(
        &mut self,
        now: Timestamp,
        channel: u16,
        message: Message,
        mandatory: bool,
        in_transaction: bool,
        out: &mut BytesMut,
    ) -> Result<(), ChannelError> {
        let (message, targets, known) = self.route(now, channel, message)?;
        if in_transaction {
            let kept = Kept { arrival: message.into(), targets, mandatory, admitted: known.admitted };
            return self.keep_uncommitted(channel, kept);
        }
        if self.refuses_undecided(now, channel, &known) {
            return Ok(());
        }
        self.note_admitted(&message, known);
        if targets.is_empty() && self.reply(&message) {
            return Ok(());
        }
        self.distribute(now, channel, message, targets, mandatory, out);
        Ok(())
    }

    /// Gives the waiting messages to their queues. A queue that is deleted meanwhile takes them with it, as in RabbitMQ.
    pub(super) fn flush_published(&mut self, now: Timestamp) {
        if self.batch.arrivals.is_empty() {
            return;
        }
        let all = self.batch.arrivals.len();
        let Applied { position, refused } = match self.batch.targets.as_slice() {
            [] => {
                self.batch.arrivals.clear();
                Applied::default()
            }
            [_] => self.publish_to_one(now),
            _ => self.publish_to_all(now),
        };
        self.ask_to_pause();
        self.appended = self.appended.max(position.unwrap_or_default());
        self.note_written_out();
        let refused: Vec<u64> = refused.into_iter().map(|index| self.batch.origin(index).1).collect();
        if !self.admitted.is_empty() {
            let taken: Vec<u64> = (0..all - self.batch.arrivals.len()).map(|at| self.batch.origin(at).1).collect();
            self.decide_on(now, taken.into_iter(), &refused);
        }
        self.refused.extend(refused);
        if !self.batch.arrivals.is_empty() {
            let rest = std::mem::take(&mut self.batch.arrivals);
            self.hold_rest(all - rest.len(), rest);
        }
        self.batch.runs.clear();
    }

    /// Gives the batch to its only queue; what stays has to wait.
    fn publish_to_one(&mut self, now: Timestamp) -> Applied {
        let Batch { targets, arrivals, .. } = &mut self.batch;
        let Some(target) = targets.first() else { return Applied::default() };
        let Ok(outcome) = target.publish_in_turn(now, arrivals, &self.outbox) else {
            arrivals.clear();
            return Applied::default();
        };
        Applied { position: outcome.appended, refused: outcome.refused }
    }

    /// Asks the batch's channels to pause where one of its queues gets full.
    fn ask_to_pause(&mut self) {
        // Each queue is locked for it, so only where it matters.
        if !self.heeds_flow() {
            return;
        }
        let full: Vec<_> = self.batch.targets.iter().filter(|target| target.is_high()).cloned().collect();
        let channels: Vec<_> = self.batch.runs.iter().map(|(channel, ..)| *channel).collect();
        for target in &full {
            channels.iter().for_each(|channel| self.slow_down(*channel, target));
        }
    }

    /// Gives the batch to its queues as far as all of them have room; what stays has to wait.
    fn publish_to_all(&mut self, now: Timestamp) -> Applied {
        let Batch { targets, arrivals, .. } = &mut self.batch;
        let outbox = &self.outbox;
        let has_room = |arrivals: &[Arrival]| {
            let bodies = || arrivals.iter().map(|arrival| arrival.message.body_length());
            targets.iter().all(|target| target.has_room(bodies(), outbox))
        };
        let mut all = Applied::default();
        if has_room(arrivals) {
            all = together::publish(now, targets, arrivals);
            arrivals.clear();
            return all;
        }
        // Nobody knows how many fit into all of them before the first ones are in.
        let mut taken = 0;
        while let Some(next) = arrivals.get(taken..).and_then(|rest| rest.get(..1))
            && has_room(next)
        {
            let applied = together::publish(now, targets, next);
            all.position = all.position.max(applied.position);
            all.refused.extend(applied.refused.into_iter().map(|_| taken));
            taken += 1;
        }
        arrivals.drain(..taken);
        all
    }

    /// Owes the confirm of a channel's publishes, which are the connection's last ones; refused ones are told of at once.
    pub(super) fn owe_confirm(&mut self, channel: u16, first: u64, through: u64, out: &mut BytesMut) {
        let (appended, durable, published) = (self.appended, self.node.durable(), self.published);
        if self.refused.is_empty() && self.held.is_empty() {
            return self.confirms.owe(channel, (first, through), appended, durable, out);
        }
        let tag = |number: u64| through.saturating_sub(published - number);
        let refused: Vec<u64> = self.refused.drain(..).map(tag).filter(|tag| *tag >= first).collect();
        let held = self.held.tag(channel, published.saturating_sub(through - first), tag);
        let refused = refused.into_iter().map(|tag| (tag, true));
        let mut others: Vec<_> = refused.chain(held.into_iter().map(|tag| (tag, false))).collect();
        others.sort_unstable();
        let mut next = first;
        for (other, refused) in others {
            if next < other {
                self.confirms.owe(channel, (next, other - 1), appended, durable, out);
            }
            if refused {
                confirms::write_nack(channel, other, out);
            }
            next = other + 1;
        }
        if next <= through {
            self.confirms.owe(channel, (next, through), appended, durable, out);
        }
    }

    /// Drops the messages of a channel's transaction.
    pub(super) fn roll_back(&mut self, channel: u16) {
        let kept = self.uncommitted.take(channel);
        let Some(vhost) = &self.vhost else { return };
        kept.iter().for_each(|kept| vhost.memories.forget(&kept.admitted));
    }

    #[inline]
    fn remembers(&mut self, message: &Message) -> bool {
        self.vhost.as_ref().is_some_and(|vhost| self.routes.find(vhost.number(), message.names()))
    }

    fn distribute(
        &mut self,
        now: Timestamp,
        channel: u16,
        message: Message,
        targets: Targets,
        mandatory: bool,
        out: &mut BytesMut,
    ) {
        if targets.is_empty() && mandatory {
            self.write_return(channel, &message, out);
        }
        if self.held.holds(channel) {
            return self.hold(channel, self.published, message, targets);
        }
        if !self.batch.goes_to(&targets) {
            self.flush_published(now);
            self.batch.targets = targets;
        }
        self.batch.push(channel, self.published, message.into());
    }

    /// Checks a message in RabbitMQ's order and finds its queues.
    fn route(
        &mut self,
        now: Timestamp,
        channel: u16,
        message: Message,
    ) -> Result<(Message, Targets, Acquaintance), ChannelError> {
        let (Some(vhost), Some(actor)) = (&self.vhost, &self.actor) else {
            return Ok((message, Targets::new(), Acquaintance::default()));
        };
        let topology = vhost.topology();
        let exchange_name = ShortString::new(message.exchange()).unwrap_or_default();
        let resource = Resource::exchange(&exchange_name, &topology.vhost);
        actor.require(Permission::Write, &resource)?;
        let exchange = topology.exchange(message.exchange()).ok_or_else(|| ChannelError::NotFound(resource.clone()))?;
        if exchange.internal {
            return Err(ChannelError::InternalExchange(resource));
        }
        let token = self.reply_tokens.get(&channel).map(|(token, _)| token.as_str());
        let checked = checks::check(&message, &actor.user, token)?;
        let message = checked.rewritten.unwrap_or(message);
        let Way { route, known } = {
            let mut routing_keys: SmallVec<[&[u8]; 4]> = SmallVec::new();
            routing_keys.push(message.routing_key());
            routing_keys.extend(checked.copies.iter().map(Vec::as_slice));
            let envelope = Envelope {
                routing_keys: &routing_keys,
                headers: checked.headers.as_ref(),
                content_header: message.header(),
                random: self.random.next(),
            };
            vhost.route(now, &topology, &message, &envelope)
        };
        let kept = if route.delayed { for_later(&message, &checked.copies, &route) } else { None };
        let targets: Targets = vhost.cells_of(&route);
        if self.tracing {
            self.trace_publish(now, channel, &message, &targets);
        } else if !route.varies && checked.copies.is_empty() && !is_reply(&message) {
            self.routes.remember(topology.number, message.names(), &targets);
        }
        Ok((kept.unwrap_or(message), targets, known))
    }

    /// A message to a direct reply-to token: goes straight to the requester, whose channel may be gone. `false`: it
    /// is not one.
    pub(super) fn reply(&self, message: &Message) -> bool {
        if !is_reply(message) {
            return false;
        }
        if let Some(requester) = self.node.requesters.get(message.routing_key()) {
            let delivery = Delivery {
                consumer: requester.consumer,
                checkout: CheckoutId(0),
                redelivered: false,
                message: message.clone(),
            };
            requester.outbox.put(|content| content.deliveries.push(delivery));
            requester.outbox.wake();
        }
        true
    }
}

/// A delayed message with what it is to be routed by then and nobody may see. Only where it goes nowhere else.
fn for_later(message: &Message, copies: &[Vec<u8>], route: &Route) -> Option<Message> {
    if copies.is_empty() || route.queues.len() > 1 {
        return None;
    }
    delay::with_blind_copies(message, copies)
}

fn is_reply(message: &Message) -> bool {
    message.exchange().is_empty() && reply_to::is_token(message.routing_key())
}
