//! One connection's machine at work: its effects carried out against the node, its output encoded. Owns no socket:
//! `net` hands in bytes and takes bytes.

mod admitted;
mod assembling;
mod commit;
mod confirms;
mod declared;
mod deliver;
mod description;
mod entering;
mod errand;
mod events;
mod execute;
mod flow;
mod held;
mod publish;
mod random;
mod request;
mod routes;
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
use leveret_protocol::{Method, ReplyCode, ShortString, basic, fast};

use self::admitted::Admitted;
use self::confirms::Confirms;
use self::declared::Declarations;
use self::deliver::News;
pub use self::description::{ConnectionMemory, ConnectionReport, Waiting};
pub(in crate::node) use self::errand::publish as publish_alone;
use self::flow::Flow;
use self::held::HeldPublishes;
use self::publish::Batch;
use self::random::Random;
use self::routes::Routes;
use self::settle::Settled;
use self::uncommitted::Uncommitted;
use self::waiting::Later;
use self::windows::Windows;
use super::outbox::Outbox;
use super::vhost::RunningVhost;
use super::{ConnectionSlot, Node};
use crate::broker::auth::{Actor, User};
use crate::broker::connection::{Connection, Effect, Note};
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
    routes: Routes,
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
            routes: Routes::default(),
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

    /// Keeps nothing of a consumer, or of what stands for a channel, that is given up.
    fn forget(&mut self, queue: QueueId, consumer: ConsumerId) {
        self.consumer_gone(consumer);
        let mut getters = self.getters.range((queue, 0)..=(queue, u16::MAX));
        if let Some((&getter, _)) = getters.find(|(_, getter)| **getter == consumer) {
            self.getters.remove(&getter);
        }
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
