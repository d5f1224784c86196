//! What channels ask of the vhost and its queues, carried out and answered.

use std::sync::Arc;

use bytes::BytesMut;
use leveret_protocol::{FieldTable, Method, ShortString, basic, fast, queue};

use super::waiting::Later;
use super::{Session, Written};
use crate::broker::auth::{Actor, Permission};
use crate::broker::channel::reply_to;
use crate::broker::connection::{Effect, Reply, Request};
use crate::broker::error::{BrokerError, ChannelError};
use crate::broker::ids::{ConsumerId, QueueId};
use crate::broker::queue::{Delivery, Input, Refusal, Subscription, consumer_arguments};
use crate::broker::resource::Resource;
use crate::broker::time::Timestamp;
use crate::broker::vhost::QueueDeclaration;
use crate::node::cell::QueueCell;
use crate::node::vhost::{Declared, RunningVhost};
use crate::node::{Node, Requester};

/// What the request is about, found once.
struct Place {
    channel: u16,
    vhost: Arc<RunningVhost>,
    actor: Actor,
}

/// What basic.get found.
enum Got {
    /// A message of this queue, and how many are ready after it.
    Message(Arc<QueueCell>, Delivery, usize),
    /// None.
    Nothing,
    /// One that is being read from disk; the outbox brings word.
    Later,
}

impl Session {
    pub(super) fn request(
        &mut self,
        now: Timestamp,
        channel: u16,
        request: Request,
        answers: &mut Vec<Effect>,
        out: &mut BytesMut,
    ) {
        let (Some(vhost), Some(actor)) = (self.vhost.clone(), self.actor.clone()) else { return };
        let place = Place { channel, vhost, actor };
        let answer = match request {
            Request::DeclareExchange(wanted) => place
                .vhost
                .change(now, |vhost, effects| vhost.declare_exchange(&place.actor, wanted, effects))
                .map(done),
            Request::DeleteExchange { name, if_unused } => {
                let actor = &place.actor;
                place
                    .vhost
                    .change(now, |vhost, effects| vhost.delete_exchange(actor, &name, if_unused, effects))
                    .map(done)
            }
            Request::Bind(link) => {
                place.vhost.change(now, |vhost, effects| vhost.bind(&place.actor, &link, effects)).map(done)
            }
            Request::Unbind(link) => {
                place.vhost.change(now, |vhost, effects| vhost.unbind(&place.actor, &link, effects)).map(done)
            }
            Request::DeclareQueue(method) => self.declare_queue(now, &place, method, out.len()),
            Request::FindQueue(name) => self.find_queue(now, &place, &name),
            Request::PurgeQueue(name) => purge(now, &place, &name),
            Request::DeleteQueue { name, if_unused, if_empty } => place
                .vhost
                .delete_queue(now, &place.actor, &name, if_unused, if_empty)
                .map(|count| Reply::Removed(count32(count))),
            Request::Consume { queue, .. } if reply_to::is_token(queue.as_bytes()) => {
                Err(self.token_refused(&place, channel, &queue).into())
            }
            Request::Consume { queue, consumer_tag, no_ack, exclusive, arguments, prefetch, channel_limited } => {
                let consumer = self.node.next_consumer();
                self.share_windows(now, self.written.len() + 1);
                let plain = Subscription::of(consumer, self.windows.size());
                let subscription = Subscription { no_ack, exclusive, prefetch, channel_limited, ..plain };
                self.consume(now, &place, &queue, consumer_tag, &arguments, subscription)
            }
            Request::OpenReplyTo(consumer_tag) => Ok(self.open_reply_to(channel, consumer_tag)),
            Request::Get { queue, no_ack } => match self.get(now, &place, channel, &queue, no_ack) {
                Ok(Got::Message(cell, delivery, ready)) => {
                    return self.write_get_ok(channel, &cell, no_ack, &delivery, ready, out);
                }
                Ok(Got::Nothing) => Ok(Reply::Empty),
                Ok(Got::Later) => {
                    self.later = Some(Later::Get { channel, queue, no_ack });
                    return;
                }
                Err(error) => Err(error.into()),
            },
            Request::Commit(settlements) => match self.commit(now, channel, &settlements, out) {
                Ok(Some(reply)) => Ok(reply),
                Ok(None) => return,
                Err(error) => Err(error.into()),
            },
        };
        self.connection.answer(now, channel, answer, answers);
    }

    /// Where the queue is not on the disk yet, the answer, which is encoded at `answer_at`, waits for that.
    fn declare_queue(
        &mut self,
        now: Timestamp,
        place: &Place,
        method: queue::Declare,
        answer_at: usize,
    ) -> Result<Reply, BrokerError> {
        let wanted = QueueDeclaration {
            name: method.queue,
            durable: method.durable,
            exclusive: method.exclusive,
            auto_delete: method.auto_delete,
            arguments: method.arguments,
            id: self.node.next_queue()?,
            generated: Node::random_name(),
        };
        match place.vhost.gather(now, &place.actor, wanted)? {
            Declared::Known(cell) => {
                touch(now, &cell);
                Ok(queue_reply(&cell))
            }
            Declared::Gathered(entry, group) => {
                self.wait_for_group(&place.vhost, group, answer_at);
                Ok(Reply::Queue { name: entry.name.clone(), message_count: 0, consumer_count: 0 })
            }
        }
    }

    fn find_queue(&self, now: Timestamp, place: &Place, name: &ShortString) -> Result<Reply, BrokerError> {
        if reply_to::is_reply_to(name.as_bytes()) {
            let alive = *name == reply_to::REPLY_TO || self.node.requesters.contains_key(name.as_bytes());
            if !alive {
                return Err(ChannelError::NotFound(Resource::queue(name, &place.vhost.name)).into());
            }
            return Ok(Reply::Queue { name: name.clone(), message_count: 0, consumer_count: 1 });
        }
        let entry = place.vhost.change(now, |vhost, _| vhost.find_queue(&place.actor, name))?;
        let cell = place
            .vhost
            .cell(entry.id)
            .ok_or_else(|| ChannelError::NotFound(Resource::queue(name, &place.vhost.name)))?;
        touch(now, &cell);
        Ok(queue_reply(&cell))
    }

    fn consume(
        &mut self,
        now: Timestamp,
        place: &Place,
        queue: &ShortString,
        consumer_tag: ShortString,
        arguments: &FieldTable,
        subscription: Subscription,
    ) -> Result<Reply, BrokerError> {
        let cell = access(place, queue)?;
        let resource = Resource::queue(queue, &place.vhost.name);
        let wanted = consumer_arguments::check(arguments, cell.entry.queue_type(), &resource)?;
        let subscription = Subscription { priority: wanted.priority, timeout: wanted.timeout, ..subscription };
        cell.subscribe(now, subscription, &self.outbox).map_err(|refusal| match refusal {
            Refusal::ExclusiveUse => ChannelError::ExclusiveUse(resource),
            Refusal::Gone | Refusal::InUse | Refusal::NotEmpty => ChannelError::NotFound(resource),
        })?;
        let Subscription { consumer, no_ack, window, .. } = subscription;
        let id = cell.entry.id;
        let (channel, consumer_tag) = (place.channel, named(consumer_tag));
        let tag = consumer_tag.clone();
        self.written.insert(consumer, Written { queue: id, channel, consumer_tag: tag, window, cost: 0 });
        self.tell_consumer_created(&subscription, arguments);
        Ok(Reply::Consuming { consumer_tag, consumer, queue: Some(id), no_ack })
    }

    /// Why basic.consume of a direct reply-to token is refused: it is another channel's, or consumed from already.
    fn token_refused(&self, place: &Place, channel: u16, token: &ShortString) -> ChannelError {
        let queue = Resource::queue(token, &place.vhost.name);
        match self.reply_tokens.get(&channel) {
            Some((own, _)) if token == own.as_str() => ChannelError::SecondReplyConsumer(queue),
            Some(_) | None => ChannelError::ForeignReplyQueue(queue),
        }
    }

    fn open_reply_to(&mut self, channel: u16, consumer_tag: ShortString) -> Reply {
        let consumer = self.node.next_consumer();
        let token = format!("{}.{}", reply_to::REPLY_TO, Node::random_name());
        let requester = Requester { outbox: Arc::clone(&self.outbox), consumer };
        self.node.requesters.insert(token.clone().into_bytes(), requester);
        self.reply_tokens.insert(channel, (token, consumer));
        Reply::Consuming { consumer_tag: named(consumer_tag), consumer, queue: None, no_ack: true }
    }

    fn get(
        &mut self,
        now: Timestamp,
        place: &Place,
        channel: u16,
        queue: &ShortString,
        no_ack: bool,
    ) -> Result<Got, ChannelError> {
        let cell = access(place, queue)?;
        if !no_ack {
            self.may_get_more(&place.vhost)?;
        }
        let node = &self.node;
        let consumer = *self.getters.entry((cell.entry.id, channel)).or_insert_with(|| node.next_consumer());
        let outcome = cell.get(now, consumer, no_ack, &self.outbox).map_err(|refusal| {
            let resource = Resource::queue(queue, &place.vhost.name);
            match refusal {
                Refusal::ExclusiveUse => ChannelError::SingleActiveConsumer(resource),
                Refusal::Gone | Refusal::InUse | Refusal::NotEmpty => ChannelError::NotFound(resource),
            }
        })?;
        Ok(match outcome.got {
            Some((delivery, ready)) => Got::Message(cell, delivery, ready),
            None if outcome.got_later => Got::Later,
            None => Got::Nothing,
        })
    }

    /// Bodies of unacked messages stay in memory, and nothing but this bounds what is taken without a consumer.
    fn may_get_more(&self, vhost: &RunningVhost) -> Result<(), ChannelError> {
        let Some(limit) = self.node.storage.as_ref().and_then(|storage| storage.holding_limit()) else { return Ok(()) };
        let held = |(&(queue, _), &getter): (&(QueueId, u16), &ConsumerId)| {
            vhost.cell(queue).map_or(0, |cell| cell.got_bytes(getter))
        };
        if self.getters.iter().map(held).sum::<usize>() < limit {
            return Ok(());
        }
        Err(ChannelError::GotTooMuch { limit })
    }

    fn write_get_ok(
        &mut self,
        channel: u16,
        cell: &QueueCell,
        no_ack: bool,
        delivery: &Delivery,
        ready: usize,
        out: &mut BytesMut,
    ) {
        let queue = (!no_ack).then_some(cell.entry.id);
        let Some(delivery_tag) = self.connection.deliver_got(channel, queue, delivery) else { return };
        if self.is_traced() {
            self.trace_delivery(self.node.clock.now(), channel, cell, delivery);
        }
        let message = &delivery.message;
        let name = |octets: &[u8]| ShortString::new(octets).unwrap_or_default();
        let method = basic::GetOk {
            delivery_tag: delivery_tag.0,
            redelivered: delivery.redelivered,
            exchange: name(message.exchange()),
            routing_key: name(message.routing_key()),
            message_count: count32(ready),
        };
        Method::from(method).write_frame(channel, out);
        fast::write_content(out, channel, message.header(), message.body(), self.connection.body_max());
    }
}

const fn done((): ()) -> Reply {
    Reply::Done
}

fn purge(now: Timestamp, place: &Place, queue: &ShortString) -> Result<Reply, BrokerError> {
    let cell = access(place, queue)?;
    let removed = cell.run(now, Input::Purge).map_or(0, |outcome| outcome.removed);
    Ok(Reply::Removed(count32(removed)))
}

/// The queue, if the actor may read from it.
fn access(place: &Place, queue: &ShortString) -> Result<Arc<QueueCell>, ChannelError> {
    let topology = place.vhost.topology();
    let entry = topology.access_queue(&place.actor, queue, Permission::Read)?;
    place.vhost.cell(entry.id).ok_or_else(|| ChannelError::NotFound(Resource::queue(queue, &place.vhost.name)))
}

/// Declaring a queue again is a use of it, for as long as it lives without.
fn touch(now: Timestamp, cell: &Arc<QueueCell>) {
    // A queue that is gone has no use.
    let _gone = cell.run(now, Input::Touch);
}

fn queue_reply(cell: &QueueCell) -> Reply {
    let (ready, consumers) = cell.counts();
    Reply::Queue { name: cell.entry.name.clone(), message_count: count32(ready), consumer_count: count32(consumers) }
}

fn named(consumer_tag: ShortString) -> ShortString {
    if consumer_tag.is_empty() {
        return ShortString::truncated(&format!("amq.ctag-{}", Node::random_name()));
    }
    consumer_tag
}

/// A count as the wire has it; more than fit are shown as the most that do.
fn count32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
