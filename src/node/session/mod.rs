//! One connection's machine at work: its effects carried out against the node, its output encoded. Owns no socket:
//! `net` hands in bytes and takes bytes.

mod deliver;
mod publish;
mod request;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use leveret_protocol::{PROTOCOL_HEADER, ReplyCode, ShortString, basic, fast, frame};

use self::publish::{Batch, Kept, RouteCache};
use super::Node;
use super::outbox::Outbox;
use super::vhost::RunningVhost;
use crate::broker::auth::sasl::{Login, Mechanism};
use crate::broker::auth::{Actor, User};
use crate::broker::connection::{Connection, Effect, Note, Reply};
use crate::broker::error::{BrokerError, ConnectionError};
use crate::broker::ids::{ConnectionId, ConsumerId, QueueId};
use crate::broker::message::{Message, MessageArena};
use crate::broker::queue::{Delivery, Input};
use crate::broker::time::Timestamp;

/// What one batch of work needs, shared by all connections that a thread serves.
#[derive(Debug, Default)]
pub struct Workspace {
    arena: MessageArena,
    effects: Vec<Effect>,
}

/// A connection at work.
#[derive(Debug)]
pub struct Session {
    node: Arc<Node>,
    connection: Connection,
    id: ConnectionId,
    peer: SocketAddr,
    outbox: Arc<Outbox>,
    user: Option<Arc<User>>,
    actor: Option<Actor>,
    vhost: Option<Arc<RunningVhost>>,
    cache: RouteCache,
    batch: Batch,
    /// Messages of transactions, by channel, until they are committed.
    kept: BTreeMap<u16, Vec<Kept>>,
    /// Channels taken of the node, where it limits them.
    taken_channels: BTreeSet<u16>,
    /// What stands for a channel where it uses basic.get.
    getters: BTreeMap<(QueueId, u16), ConsumerId>,
    /// Direct reply-to: the channel's token and consumer.
    reply_tokens: BTreeMap<u16, (String, ConsumerId)>,
    /// Deliveries taken from the outbox that did not fit the last write.
    backlog: std::vec::IntoIter<Delivery>,
    written: BTreeMap<ConsumerId, Written>,
}

/// What has been written of a consumer's deliveries but not told to its queue.
#[derive(Clone, Copy, Debug)]
struct Written {
    queue: QueueId,
    window: usize,
    cost: usize,
}

impl Session {
    /// A session for a socket that has just been accepted; `None` when the node takes no more.
    #[must_use]
    pub fn open(node: &Arc<Node>, peer: SocketAddr) -> Self {
        let id = ConnectionId(node.next_id());
        let outbox = Arc::new(Outbox::default());
        node.outboxes.insert(id, Arc::clone(&outbox));
        Self {
            connection: Connection::new(Arc::clone(&node.settings), node.clock.now()),
            node: Arc::clone(node),
            id,
            peer,
            outbox,
            user: None,
            actor: None,
            vhost: None,
            cache: RouteCache::default(),
            batch: Batch::default(),
            kept: BTreeMap::new(),
            taken_channels: BTreeSet::new(),
            getters: BTreeMap::new(),
            reply_tokens: BTreeMap::new(),
            backlog: Vec::new().into_iter(),
            written: BTreeMap::new(),
        }
    }

    /// Where others leave things for this connection.
    #[must_use]
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Whether the socket is to be closed once everything is written.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }

    /// When `tick` wants to be called.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.connection.next_deadline()
    }

    /// Something was written to the socket.
    pub fn note_sent(&mut self) {
        self.connection.note_sent();
    }

    /// Something was read that is not handled yet.
    pub fn note_received(&mut self) {
        self.connection.note_received();
    }

    /// Handles what was read; returns how many bytes are done with. The rest is an incomplete frame.
    pub fn receive(&mut self, input: &[u8], work: &mut Workspace, out: &mut BytesMut) -> usize {
        let now = self.node.clock.now();
        let mut consumed = 0;
        loop {
            let rest = input.get(consumed..).unwrap_or_default();
            let step = self.connection.receive(now, rest, &mut work.arena, &mut work.effects);
            consumed += step;
            self.execute(now, &mut work.effects, out);
            if step == 0 || consumed >= input.len() {
                break;
            }
        }
        self.flush(now);
        consumed
    }

    /// Time has passed.
    pub fn tick(&mut self, work: &mut Workspace, out: &mut BytesMut) {
        let now = self.node.clock.now();
        self.connection.tick(now, &mut work.effects);
        self.execute(now, &mut work.effects, out);
    }

    /// The socket is gone.
    pub fn end(&mut self, work: &mut Workspace, out: &mut BytesMut) {
        let now = self.node.clock.now();
        if !self.connection.is_closed() {
            self.connection.end(&mut work.effects);
            self.execute(now, &mut work.effects, out);
        }
        self.node.outboxes.remove(&self.id);
    }

    fn execute(&mut self, now: Timestamp, effects: &mut Vec<Effect>, out: &mut BytesMut) {
        let mut failed: Vec<u16> = Vec::new();
        let mut answers = Vec::new();
        for effect in effects.drain(..) {
            if let Some(channel) = effect.channel().filter(|channel| failed.contains(channel)) {
                self.drop_effect(now, channel, &effect);
                continue;
            }
            failed.extend(self.carry_out(now, effect, &mut answers, out));
            while !answers.is_empty() {
                let more = std::mem::take(&mut answers);
                for effect in more {
                    self.carry_out(now, effect, &mut answers, out);
                }
            }
        }
    }

    /// An effect that came after an error on its channel: it does not happen, but nobody may wait for it.
    fn drop_effect(&mut self, now: Timestamp, channel: u16, effect: &Effect) {
        if matches!(effect, Effect::Request { .. }) {
            self.connection.answer(now, channel, Ok(Reply::Done), &mut Vec::new());
        }
    }

    /// Carries out one effect; tells the channel whose publish failed.
    fn carry_out(
        &mut self,
        now: Timestamp,
        effect: Effect,
        answers: &mut Vec<Effect>,
        out: &mut BytesMut,
    ) -> Option<u16> {
        if let Effect::Publish { channel, message, mandatory, in_transaction } = effect {
            let error = self.publish(now, channel, message, mandatory, in_transaction, out).err()?;
            self.flush(now);
            self.connection.publish_refused(now, channel, error, answers);
            return Some(channel);
        }
        self.flush(now);
        match effect {
            Effect::Publish { .. } => {}
            Effect::SendProtocolHeader => out.extend_from_slice(&PROTOCOL_HEADER),
            Effect::SendHeartbeat => out.extend_from_slice(&frame::HEARTBEAT),
            Effect::Send { channel, method } => method.write_frame(channel, out),
            Effect::Confirm { channel, first, through } => {
                let ack = basic::Ack { delivery_tag: through, multiple: through > first };
                leveret_protocol::Method::from(ack).write_frame(channel, out);
            }
            Effect::Authenticate { mechanism, login } => {
                self.authenticate(mechanism, &login);
                self.connection.authenticated(now, self.user.is_some(), answers);
            }
            Effect::OpenVhost(name) => {
                let opened = self.open_vhost(&name);
                self.connection.vhost_opened(now, opened, answers);
            }
            Effect::OpenChannel(channel) => {
                let allowed = self.take_channel(channel);
                self.connection.channel_allowed(now, channel, allowed, answers);
            }
            Effect::Request { channel, request } => self.request(now, channel, request, answers, out),
            Effect::Commit(channel) => self.commit(now, channel, out),
            Effect::Rollback(channel) => {
                self.kept.remove(&channel);
            }
            Effect::Settle { queue, consumer, checkout, outcome } => {
                self.run_queue(now, queue, Input::Settle { consumer, checkout, outcome });
            }
            Effect::SetPrefetch { queue, consumer, prefetch } => {
                self.run_queue(now, queue, Input::SetPrefetch(consumer, prefetch));
            }
            Effect::Unsubscribe { queue, consumer, .. } => self.unsubscribe(now, queue, consumer, out),
            Effect::CloseReplyTo(channel) => self.close_reply_to(channel),
            Effect::Abandon { queue, consumer } => self.abandon(now, queue, consumer),
            Effect::ChannelEnded(channel) => self.end_channel(channel),
            Effect::ReleaseExclusive => {
                if let Some(vhost) = &self.vhost {
                    vhost.connection_ended(now, self.id);
                }
            }
            Effect::Note(note) => self.log(&note),
            Effect::Disconnect => {}
        }
        None
    }

    fn abandon(&mut self, now: Timestamp, queue: QueueId, consumer: ConsumerId) {
        self.written.remove(&consumer);
        let mut getters = self.getters.range((queue, 0)..=(queue, u16::MAX));
        if let Some((&getter, _)) = getters.find(|(_, getter)| **getter == consumer) {
            self.getters.remove(&getter);
        }
        self.run_queue(now, queue, Input::Abandon(consumer));
    }

    fn authenticate(&mut self, mechanism: Mechanism, login: &Login) {
        let found = self.node.users.authenticate(login, self.peer.ip());
        if let Err(reason) = &found {
            tracing::warn!(peer = %self.peer, "{} login refused: {reason}", mechanism.name());
        }
        self.user = found.ok();
    }

    fn end_channel(&mut self, channel: u16) {
        self.kept.remove(&channel);
        self.close_reply_to(channel);
        self.getters.retain(|(_, other), _| *other != channel);
        if self.taken_channels.remove(&channel) {
            self.node.return_channel();
        }
    }

    fn take_channel(&mut self, channel: u16) -> Result<(), ConnectionError> {
        self.node.take_channel()?;
        self.taken_channels.insert(channel);
        Ok(())
    }

    fn open_vhost(&mut self, name: &ShortString) -> Result<(), ConnectionError> {
        if let Some(limit) = self.node.connection_max
            && self.node.outboxes.len() > usize::try_from(limit).unwrap_or(usize::MAX)
        {
            let text = format!("connection refused: node connection limit ({limit}) is reached");
            return Err(ConnectionError::NotAllowed(text));
        }
        let Some(vhost) = self.node.vhost(name) else {
            return Err(ConnectionError::NotAllowed(format!("vhost {name} not found")));
        };
        let Some(user) = &self.user else {
            return Err(ConnectionError::NotAllowed(format!("access to vhost '{name}' refused")));
        };
        let Some(permissions) = self.node.users.permissions(user, name) else {
            let text = format!("access to vhost '{name}' refused for user '{}'", user.name);
            return Err(ConnectionError::NotAllowed(text));
        };
        tracing::info!(
            peer = %self.peer, "connection {}: user '{}' authenticated and granted access to vhost '{name}'",
            self.peer, user.name
        );
        self.actor = Some(Actor { connection: self.id, user: Arc::clone(user), permissions });
        self.vhost = Some(vhost);
        Ok(())
    }

    /// Runs a queue with something of this connection's consumers, and ends the queue if it has become unused.
    fn run_queue(&mut self, now: Timestamp, queue: QueueId, input: Input<'_>) {
        let Some(vhost) = &self.vhost else { return };
        let Some(cell) = vhost.cell(queue) else { return };
        if cell.run(now, input).is_ok_and(|outcome| outcome.unused) {
            vhost.delete_unused(now, &cell);
        }
    }

    /// Ends a consumer after what it has been given is written: nothing of it follows cancel-ok.
    fn unsubscribe(&mut self, now: Timestamp, queue: Option<QueueId>, consumer: ConsumerId, out: &mut BytesMut) {
        if let Some(queue) = queue {
            self.run_queue(now, queue, Input::Unsubscribe(consumer));
        }
        while self.write_deliveries(usize::MAX, out) {}
        self.written.remove(&consumer);
        self.connection.consumer_ended(consumer);
    }

    fn close_reply_to(&mut self, channel: u16) {
        if let Some((token, _)) = self.reply_tokens.remove(&channel) {
            self.node.requesters.remove(token.as_bytes());
        }
    }

    /// basic.return with RabbitMQ's reason.
    fn write_return(&self, channel: u16, message: &Message, out: &mut BytesMut) {
        let name = |octets: &[u8]| ShortString::new(octets).unwrap_or_default();
        let method = basic::Return {
            reply_code: ReplyCode::NoRoute.code(),
            reply_text: ShortString::from_static(ReplyCode::NoRoute.name()),
            exchange: name(message.exchange()),
            routing_key: name(message.routing_key()),
        };
        leveret_protocol::Method::from(method).write_frame(channel, out);
        fast::write_content(out, channel, message.header(), message.body(), self.connection.body_max());
    }

    fn log(&self, note: &Note) {
        let peer = self.peer;
        match note {
            Note::ConnectionError(BrokerError::Connection(ConnectionError::Forced(reason))) => {
                tracing::info!("closing AMQP connection ({peer}): {reason}");
            }
            Note::ConnectionError(error) => {
                tracing::error!("error on AMQP connection ({peer}): {}: {error}", error.code().name());
            }
            Note::ChannelError(channel, error) => {
                tracing::error!(
                    "channel error on connection ({peer}), channel {channel}: {}: {error}",
                    error.code().name()
                );
            }
            Note::MissedHeartbeats => {
                tracing::error!("closing AMQP connection ({peer}): missed heartbeats from client");
            }
            Note::HandshakeTimeout => tracing::error!("closing AMQP connection ({peer}): handshake_timeout"),
            Note::BadProtocolHeader(header) => {
                tracing::error!("closing AMQP connection ({peer}): bad header {header:?}");
            }
            Note::HandshakeRefused(reason) => tracing::error!("closing AMQP connection ({peer}): {reason}"),
        }
    }
}
