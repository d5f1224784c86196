//! Publishing: from a message to its queues. Consecutive messages for the same queue go in under one lock; where
//! messages with the same names went last time is remembered until the topology changes.

use std::sync::Arc;

use bytes::BytesMut;
use leveret_protocol::ShortString;
use smallvec::SmallVec;

use super::{Session, confirms};
use crate::broker::auth::Permission;
use crate::broker::channel::{checks, reply_to};
use crate::broker::error::ChannelError;
use crate::broker::exchange::Envelope;
use crate::broker::ids::CheckoutId;
use crate::broker::message::Message;
use crate::broker::queue::{Arrival, Delivery};
use crate::broker::resource::Resource;
use crate::broker::time::Timestamp;
use crate::node::cell::QueueCell;
use crate::node::together::{self, Applied};
use crate::store::Waiter as _;

pub(super) type Targets = SmallVec<[Arc<QueueCell>; 1]>;

/// Where messages with certain names go.
#[derive(Debug, Default)]
pub(super) struct RouteCache {
    number: u64,
    names: Vec<u8>,
    targets: Targets,
}

/// Messages that wait for the end of the batch to go into their queues together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    targets: Targets,
    arrivals: Vec<Arrival>,
    /// The number of the first one among this connection's publishes.
    first: u64,
}

impl Batch {
    /// Adds a message; `number` is that of the publish among all of the connection.
    #[inline]
    fn push(&mut self, number: u64, arrival: Arrival) {
        if self.arrivals.is_empty() {
            self.first = number;
        }
        self.arrivals.push(arrival);
    }

    fn goes_to(&self, targets: &[Arc<QueueCell>]) -> bool {
        self.targets.len() == targets.len()
            && self.targets.iter().zip(targets).all(|(one, other)| Arc::ptr_eq(one, other))
    }
}

/// A message of a transaction with the queues it was routed to.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) arrival: Arrival,
    pub(super) targets: Targets,
    pub(super) mandatory: bool,
}

impl Session {
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
        if message.traits().is_plain() && !in_transaction && self.cached(&message) {
            if self.cache.targets.is_empty() && mandatory {
                self.write_return(channel, &message, out);
            }
            if !self.batch.goes_to(&self.cache.targets) {
                self.flush_published(now);
                self.batch.targets.clone_from(&self.cache.targets);
            }
            self.batch.push(self.published, message.into());
            return Ok(());
        }
        let (message, targets) = self.route(channel, message)?;
        if in_transaction {
            self.kept.entry(channel).or_default().push(Kept { arrival: message.into(), targets, mandatory });
            return Ok(());
        }
        if targets.is_empty() && self.reply(&message) {
            // The numbers of a batch have no gap.
            self.flush_published(now);
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
        let Batch { targets, arrivals, .. } = &mut self.batch;
        let Applied { position, refused } = match targets.as_slice() {
            [] => Applied::default(),
            [target] => target.publish(now, arrivals).map_or_else(
                |_| Applied::default(),
                |outcome| Applied { position: outcome.appended, refused: outcome.refused },
            ),
            targets => together::publish(now, targets, arrivals),
        };
        arrivals.clear();
        self.appended = self.appended.max(position.unwrap_or_default());
        let numbers = refused.into_iter().filter_map(|index| Some(self.batch.first + u64::try_from(index).ok()?));
        self.refused.extend(numbers);
    }

    /// Owes the confirm of a channel's publishes, which are the connection's last ones; refused ones are told of at once.
    pub(super) fn owe_confirm(&mut self, channel: u16, first: u64, through: u64, out: &mut BytesMut) {
        let (appended, durable) = (self.appended, self.node.durable());
        let mut next = first;
        for number in self.refused.drain(..) {
            let Some(refused) = through.checked_sub(self.published - number).filter(|refused| *refused >= next) else {
                continue;
            };
            if next < refused {
                self.confirms.owe(channel, (next, refused - 1), appended, durable, out);
            }
            confirms::write_nack(channel, refused, out);
            next = refused + 1;
        }
        if next <= through {
            self.confirms.owe(channel, (next, through), appended, durable, out);
        }
    }

    fn cached(&self, message: &Message) -> bool {
        let current = self.vhost.as_ref().is_some_and(|vhost| vhost.number() == self.cache.number);
        current && !self.cache.names.is_empty() && self.cache.names == message.names()
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
        if !self.batch.goes_to(&targets) {
            self.flush_published(now);
            self.batch.targets = targets;
        }
        self.batch.push(self.published, message.into());
    }

    /// Checks a message in RabbitMQ's order and finds its queues.
    fn route(&mut self, channel: u16, message: Message) -> Result<(Message, Targets), ChannelError> {
        let (Some(vhost), Some(actor)) = (&self.vhost, &self.actor) else {
            return Ok((message, Targets::new()));
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
        let route = {
            let mut routing_keys: SmallVec<[&[u8]; 4]> = SmallVec::new();
            routing_keys.push(message.routing_key());
            routing_keys.extend(checked.copies.iter().map(Vec::as_slice));
            let envelope = Envelope { routing_keys: &routing_keys, headers: checked.headers.as_ref() };
            topology.route(message.exchange(), &envelope)
        };
        let targets: Targets = route.queues.iter().filter_map(|entry| vhost.cell(entry.id)).collect();
        if !route.reads_headers && checked.copies.is_empty() && !is_reply(&message) {
            self.cache =
                RouteCache { number: topology.number, names: message.names().to_vec(), targets: targets.clone() };
        }
        Ok((message, targets))
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

fn is_reply(message: &Message) -> bool {
    message.exchange().is_empty() && reply_to::is_token(message.routing_key())
}
