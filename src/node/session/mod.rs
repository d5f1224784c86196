//! One connection's machine at work: its effects carried out against the node, its output encoded. Owns no socket:
//! `net` hands in bytes and takes bytes.

mod admitted;
mod assembling;
mod commit;
mod confirms;
mod declared;
mod deliver;
mod description;
mod errand;
mod events;
mod flow;
mod held;
mod publish;
mod random;
mod request;
mod settle;
mod trace;
mod uncommitted;
mod waiting;
mod windows;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use leveret_protocol::{Method, PROTOCOL_HEADER, ReplyCode, ShortString, basic, channel, fast, frame};

use self::admitted::Admitted;
use self::confirms::Confirms;
use self::declared::Declarations;
use self::deliver::News;
pub use self::description::{ConnectionMemory, ConnectionReport, Waiting};
pub(in crate::node) use self::errand::publish as publish_alone;
use self::flow::Flow;
use self::held::HeldPublishes;
use self::publish::{Batch, RouteCache};
use self::random::Random;
use self::settle::Settled;
use self::uncommitted::Uncommitted;
use self::waiting::Later;
use self::windows::Windows;
use super::outbox::Outbox;
use super::vhost::RunningVhost;
use super::{ConnectionSlot, Node};
use crate::broker::auth::sasl::{Login, Mechanism};
use crate::broker::auth::{Actor, User};
use crate::broker::connection::{Connection, Effect, Note, Reply};
use crate::broker::error::{BrokerError, ConnectionError};
use crate::broker::ids::{CheckoutId, ConnectionId, ConsumerId, QueueId};
use crate::broker::message::{Message, MessageArena};
use crate::broker::queue::{Delivery, Input};
use crate::broker::time::Timestamp;
use crate::store::Position;

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
    local: Option<SocketAddr>,
    /// Milliseconds since 1970.
    connected_at: u64,
    outbox: Arc<Outbox>,
    user: Option<Arc<User>>,
    actor: Option<Actor>,
    vhost: Option<Arc<RunningVhost>>,
    cache: RouteCache,
    /// The vhost is traced, as this batch sees it.
    tracing: bool,
    random: Random,
    batch: Batch,
    /// Publishes of this connection so far.
    published: u64,
    /// Those of them that a queue has refused and that no confirm has told of, in order.
    refused: Vec<u64>,
    /// What exchanges remember of publishes that are not in their queues yet.
    admitted: Admitted,
    /// Publishes that wait for room.
    held: HeldPublishes,
    /// Channels without confirms that published more than may wait.
    overdrawn: BTreeSet<u16>,
    flow: Flow,
    settled: Settled,
    uncommitted: Uncommitted,
    /// Channels taken of the node, where it limits them.
    taken_channels: BTreeSet<u16>,
    /// What stands for a channel where it uses basic.get.
    getters: BTreeMap<(QueueId, u16), ConsumerId>,
    /// Direct reply-to: the channel's token and consumer.
    reply_tokens: BTreeMap<u16, (String, ConsumerId)>,
    /// Deliveries taken from the outbox that did not fit the last write.
    backlog: std::vec::IntoIter<Delivery>,
    news: News,
    written: BTreeMap<ConsumerId, Written>,
    /// The end of what this connection last put into the log.
    appended: Position,
    /// The end of the log after messages of this connection came into it for want of memory.
    written_out: Position,
    /// Where the log has to be for this connection to be read from again.
    catches_up_at: Option<Position>,
    confirms: Confirms,
    /// A request whose answer has to wait for the store.
    later: Option<Later>,
    /// Queues that it declared and that are not on the disk.
    declarations: Option<Box<Declarations>>,
    windows: Windows,
    /// Bytes of messages that are not complete, as the node knows it.
    assembling: usize,
    /// It is in the line of those that go on with a body while memory is short, and whether it has its turn.
    stands_in_line: bool,
    has_turn: bool,
    /// Taken with the opening of the vhost.
    slot: Option<ConnectionSlot>,
}

/// What has been written of a consumer's deliveries but not told to its queue.
#[derive(Clone, Debug)]
struct Written {
    queue: QueueId,
    /// Where the consumer is, and what it is called: for who watches.
    channel: u16,
    consumer_tag: ShortString,
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
            local: None,
            connected_at: node.clock.unix_millis(),
            outbox,
            user: None,
            actor: None,
            vhost: None,
            cache: RouteCache::default(),
            tracing: false,
            random: Random::default(),
            batch: Batch::default(),
            published: 0,
            refused: Vec::new(),
            admitted: Admitted::default(),
            held: HeldPublishes::default(),
            overdrawn: BTreeSet::new(),
            flow: Flow::default(),
            settled: Settled::default(),
            uncommitted: Uncommitted::default(),
            taken_channels: BTreeSet::new(),
            getters: BTreeMap::new(),
            reply_tokens: BTreeMap::new(),
            backlog: Vec::new().into_iter(),
            news: News::default(),
            written: BTreeMap::new(),
            appended: Position::default(),
            written_out: Position::default(),
            catches_up_at: None,
            confirms: Confirms::default(),
            later: None,
            declarations: None,
            windows: Windows::default(),
            assembling: 0,
            stands_in_line: false,
            has_turn: false,
            slot: None,
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

    /// Whether nothing may be read now: a request waits for the store, the log is too far behind, others are in the middle of
    /// messages, or the client published while an alarm was on. The outbox brings news of each.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.connection.is_waiting()
            || self.connection.is_blocked()
            || self.outruns_the_log()
            || self.is_held_back()
            || self.waits_for_its_turn()
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

    /// Handles what was read; returns how many bytes are done with. The rest is an incomplete frame, or what is left
    /// when the answers have come to `limit` bytes, which the last of them may exceed: small requests can have large
    /// answers.
    pub fn receive(&mut self, input: &[u8], limit: usize, work: &mut Workspace, out: &mut BytesMut) -> usize {
        let now = self.node.clock.now();
        self.hear_of_alarms(now, work, out);
        self.look_for_tracing();
        self.limit_assembly();
        let mut consumed = 0;
        loop {
            let rest = input.get(consumed..).unwrap_or_default();
            let step = self.connection.receive(now, rest, &mut work.arena, &mut work.effects);
            consumed += step;
            if self.declarations.is_some() && !Self::joins_declarations(&work.effects) {
                self.keep_declarations(now, work, out);
            }
            self.execute(now, &mut work.effects, out);
            if step == 0 || consumed >= input.len() || out.len() >= limit || self.connection.is_waiting() {
                break;
            }
        }
        self.keep_declarations(now, work, out);
        self.flush_published(now);
        self.close_overdrawn(now, work, out);
        self.tell_flow(out);
        self.await_the_log();
        self.account_assembly();
        consumed
    }

    /// Tells the connection of the node's alarms where they have changed.
    fn hear_of_alarms(&mut self, now: Timestamp, work: &mut Workspace, out: &mut BytesMut) {
        let alarms = self.node.alarms.alarms();
        if alarms != self.connection.alarms() {
            self.connection.alarm(now, alarms, &mut work.effects);
            self.execute(now, &mut work.effects, out);
        }
        self.stand_in_line(alarms);
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
        self.give_up_assembly();
        self.node.outboxes.remove(&self.id);
        self.tell_closed();
        self.slot = None;
    }

    fn execute(&mut self, now: Timestamp, effects: &mut Vec<Effect>, out: &mut BytesMut) {
        let mut failed: Vec<u16> = Vec::new();
        let mut answers = Vec::new();
        let mut effects = effects.drain(..);
        while let Some(effect) = effects.next() {
            if !failed.is_empty()
                && let Some(channel) = effect.channel().filter(|channel| failed.contains(channel))
            {
                self.drop_effect(now, channel, &effect);
                continue;
            }
            if let Some((queue, consumer)) = leaves_with(&effect, effects.as_slice().first()) {
                self.flush_settled(now);
                self.forget(queue, consumer);
                self.run_queue(now, queue, Input::Leave(consumer));
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
        self.flush_settled(now);
        self.refused.clear();
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
        if let Effect::Settle { queue, consumer, checkout, outcome } = effect {
            self.settle(now, (queue, consumer, outcome), checkout);
            return None;
        }
        self.flush_settled(now);
        if let Effect::Publish { channel, message, mandatory, in_transaction } = effect {
            let error = self.publish(now, channel, message, mandatory, in_transaction, out).err()?;
            self.flush_published(now);
            self.connection.publish_refused(now, channel, error, answers);
            return Some(channel);
        }
        self.flush_published(now);
        match effect {
            Effect::Publish { .. } | Effect::Settle { .. } => {}
            Effect::SendProtocolHeader => out.extend_from_slice(&PROTOCOL_HEADER),
            Effect::SendHeartbeat => out.extend_from_slice(&frame::HEARTBEAT),
            Effect::Send { channel, method } => self.send(channel, method, out),
            Effect::Confirm { channel, first, through } => {
                self.owe_confirm(channel, first, through, out);
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
            Effect::Rollback(channel) => self.roll_back(channel),
            Effect::Extend { queue, consumer, checkout, by } => self.extend(now, queue, consumer, checkout, by),
            Effect::SetPrefetch { queue, consumer, prefetch } => {
                self.run_queue(now, queue, Input::SetPrefetch(consumer, prefetch));
            }
            Effect::SetChannelLimited { queue, consumer, limited } => {
                self.set_channel_limited(now, queue, consumer, limited);
            }
            Effect::Offer { channel, queue, consumer, room } => {
                let taken = self.offer(now, queue, consumer, room);
                self.connection.offer_taken(channel, consumer, taken, answers);
            }
            Effect::Unsubscribe { queue, consumer, .. } => self.unsubscribe(now, queue, consumer, out),
            Effect::CloseReplyTo(channel) => self.close_reply_to(channel),
            Effect::Abandon { queue, consumer } => {
                self.forget(queue, consumer);
                self.run_queue(now, queue, Input::Abandon(consumer));
                self.share_windows(now, self.written.len());
            }
            Effect::ChannelEnded(channel) => self.channel_ended(now, channel),
            Effect::ReleaseExclusive => self.release_exclusive(now),
            Effect::Note(note) => self.log(&note),
            Effect::Disconnect => {}
        }
        None
    }

    fn send(&self, channel: u16, method: Method, out: &mut BytesMut) {
        if matches!(method, Method::Channel(channel::Method::OpenOk(_))) {
            self.tell_channel_created(channel);
        }
        method.write_frame(channel, out);
    }

    /// Keeps nothing of a consumer, or of what stands for a channel, that is given up.
    fn forget(&mut self, queue: QueueId, consumer: ConsumerId) {
        self.consumer_gone(consumer);
        let mut getters = self.getters.range((queue, 0)..=(queue, u16::MAX));
        if let Some((&getter, _)) = getters.find(|(_, getter)| **getter == consumer) {
            self.getters.remove(&getter);
        }
    }

    fn authenticate(&mut self, mechanism: Mechanism, login: &Login) {
        let found = self.node.users.authenticate(login, self.peer.ip());
        if let Err(reason) = &found {
            tracing::warn!(peer = %self.peer, "{} login refused: {reason}", mechanism.name());
        }
        self.tell_login(mechanism, login, found.as_ref().err());
        self.user = found.ok();
    }

    fn take_channel(&mut self, channel: u16) -> Result<(), ConnectionError> {
        self.node.take_channel()?;
        self.taken_channels.insert(channel);
        Ok(())
    }

    fn open_vhost(&mut self, name: &ShortString) -> Result<(), ConnectionError> {
        let slot = Node::take_slot(&self.node).map_err(|limit| {
            ConnectionError::NotAllowed(format!("connection refused: node connection limit ({limit}) is reached"))
        })?;
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
        self.slot = Some(slot);
        self.tell_created();
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

    fn extend(&mut self, now: Timestamp, queue: QueueId, consumer: ConsumerId, checkout: CheckoutId, by: Duration) {
        self.run_queue(now, queue, Input::Extend { consumer, checkout, by });
    }

    /// Shares the room for deliveries among so many consumers.
    fn share_windows(&mut self, now: Timestamp, consumers: usize) {
        let (Some(vhost), Some(window)) = (&self.vhost, self.windows.share(consumers)) else { return };
        for (consumer, written) in &mut self.written {
            written.window = window;
            if let Some(cell) = vhost.cell(written.queue) {
                // A deleted queue sends nothing.
                let _gone = cell.run(now, Input::SetWindow(*consumer, window));
            }
        }
    }

    /// Ends a consumer after what it has been given is written: nothing of it follows cancel-ok.
    fn unsubscribe(&mut self, now: Timestamp, queue: Option<QueueId>, consumer: ConsumerId, out: &mut BytesMut) {
        if let Some(queue) = queue {
            self.run_queue(now, queue, Input::Unsubscribe(consumer));
        }
        while self.write_deliveries(usize::MAX, out) {}
        self.consumer_gone(consumer);
        self.share_windows(now, self.written.len());
        self.connection.consumer_ended(consumer);
    }

    fn channel_ended(&mut self, now: Timestamp, channel: u16) {
        self.put_in_all_of(now, channel);
        self.forget_flow(channel);
        self.roll_back(channel);
        self.confirms.forget(channel);
        // Asked again, it would take a message that nobody gets.
        self.later.take_if(|later| later.is_get_of(channel));
        self.close_reply_to(channel);
        self.getters.retain(|(_, other), _| *other != channel);
        if self.taken_channels.remove(&channel) {
            self.node.return_channel();
        }
        self.tell_channel_closed(channel);
    }

    fn release_exclusive(&self, now: Timestamp) {
        if let Some(vhost) = &self.vhost {
            vhost.connection_ended(now, self.id);
        }
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
        Method::from(method).write_frame(channel, out);
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

/// A consumer that ends together with the one that the next effect ends: what both hold comes back before any of it is
/// handed out again.
fn leaves_with(effect: &Effect, next: Option<&Effect>) -> Option<(QueueId, ConsumerId)> {
    let Effect::Abandon { queue, consumer } = effect else { return None };
    let Effect::Abandon { queue: of_next, .. } = next? else { return None };
    (queue == of_next).then_some((*queue, *consumer))
}
