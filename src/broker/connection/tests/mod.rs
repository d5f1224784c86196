//! What a connection and its channels want done, input by input: every test compares the whole list of effects. Here
//! is the other side that the tests share: a client that sends methods and a node that says yes.

mod assembling;
mod blocking;
mod channels;
mod closing;
mod consumers;
mod handshake;
mod heartbeat;
mod publishing;
mod qos;
mod settling;
mod transactions;
mod tuning;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use leveret_protocol::{
    ContentHeader, FieldTable, FieldValue, FrameKind, Method, PROTOCOL_HEADER, Properties, ShortString, basic, channel,
    connection, frame,
};

use super::{Connection, Effect, Note, Reply, Request, Settings, Settlement};
use crate::broker::auth::sasl::Mechanism;
use crate::broker::error::{ChannelError, ConnectionError};
use crate::broker::ids::{CheckoutId, ConsumerId, DeliveryTag, QueueId};
use crate::broker::message::{Message, MessageArena, Traits};
use crate::broker::queue::{Delivery, Outcome};
use crate::broker::time::Timestamp;

const ANN: ConsumerId = ConsumerId(1);
const BOB: ConsumerId = ConsumerId(2);
/// A channel's stand-in for basic.get.
const GETTER: ConsumerId = ConsumerId(9);

fn settings() -> Settings {
    Settings {
        mechanisms: vec![Mechanism::Plain, Mechanism::AmqPlain],
        product: "Leveret".to_owned(),
        version: "1.2.3".to_owned(),
        cluster_name: "hares".to_owned(),
        frame_max: 131_072,
        initial_frame_max: 8192,
        channel_max: 2047,
        limits_channels: false,
        heartbeat: 60,
        handshake_timeout: Duration::from_secs(10),
        max_message_size: 1000,
        consumer_max_per_channel: Some(2),
        default_prefetch: 0,
        qos_dynamic: false,
        channel_flow: crate::broker::connection::ChannelFlow::Auto,
    }
}

/// When every test begins, and when its messages arrive.
const BEGIN: Timestamp = Timestamp::from_millis(1_000_000);

/// A connection with a client on its other side.
struct Peer {
    connection: Connection,
    arena: MessageArena,
    now: Timestamp,
}

impl Peer {
    /// The socket has been opened.
    fn new(settings: Settings) -> Self {
        let now = BEGIN;
        let connection = Connection::new(Arc::new(settings), now);
        Self { connection, arena: MessageArena::default(), now }
    }

    /// The server has introduced itself.
    fn starting(settings: Settings) -> Self {
        let mut peer = Self::new(settings);
        assert_eq!(peer.read(&PROTOCOL_HEADER).len(), 1);
        peer
    }

    /// The login is with the node.
    fn authenticating(settings: Settings, client_properties: FieldTable) -> Self {
        let mut peer = Self::starting(settings);
        assert_eq!(peer.call(0, start_ok(client_properties)).len(), 1);
        peer
    }

    /// The server has offered its limits.
    fn tuning(settings: Settings) -> Self {
        Self::tuning_with(settings, FieldTable::default())
    }

    fn tuning_with(settings: Settings, client_properties: FieldTable) -> Self {
        let mut peer = Self::authenticating(settings, client_properties);
        assert_eq!(peer.authenticated(true).len(), 1);
        peer
    }

    /// The limits are settled.
    fn opening(settings: Settings) -> Self {
        let mut peer = Self::tuning(settings);
        assert_eq!(peer.call(0, tune_ok(2047, 131_072, 0)), []);
        peer
    }

    /// The vhost is with the node.
    fn entering(settings: Settings) -> Self {
        let mut peer = Self::opening(settings);
        assert_eq!(peer.call(0, open()), [Effect::OpenVhost(name("/"))]);
        peer
    }

    /// The connection is open.
    fn running(settings: Settings) -> Self {
        Self::running_with(settings, FieldTable::default(), tune_ok(2047, 131_072, 0))
    }

    fn running_with(settings: Settings, client_properties: FieldTable, tune_ok: connection::TuneOk) -> Self {
        let mut peer = Self::tuning_with(settings, client_properties);
        assert_eq!(peer.call(0, tune_ok), []);
        assert_eq!(peer.call(0, open()), [Effect::OpenVhost(name("/"))]);
        assert_eq!(peer.vhost_opened(Ok(())), [send(0, connection::OpenOk::default())]);
        peer
    }

    /// Channel 1 is open.
    fn on_channel() -> Self {
        Self::on_channel_with(FieldTable::default())
    }

    fn on_channel_with(client_properties: FieldTable) -> Self {
        let mut peer = Self::running_with(settings(), client_properties, tune_ok(2047, 131_072, 0));
        peer.open_channel(1);
        peer
    }

    fn open_channel(&mut self, number: u16) {
        assert_eq!(self.call(number, channel::Open::default()), [send(number, channel::OpenOk::default())]);
    }

    /// Reads octets, all of which must be taken.
    fn read(&mut self, octets: &[u8]) -> Vec<Effect> {
        let mut effects = Vec::new();
        let taken = self.connection.receive(self.now, octets, &mut self.arena, &mut effects);
        assert_eq!(taken, octets.len(), "all is taken");
        effects
    }

    fn call(&mut self, channel: u16, method: impl Into<Method>) -> Vec<Effect> {
        self.read(&octets(channel, method))
    }

    fn pass(&mut self, span: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.now = self.now.after(span);
        self.connection.tick(self.now, &mut effects);
        effects
    }

    fn pass_seconds(&mut self, seconds: u64) -> Vec<Effect> {
        self.pass(Duration::from_secs(seconds))
    }

    fn authenticated(&mut self, accepted: bool) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.connection.authenticated(self.now, accepted, &mut effects);
        effects
    }

    fn vhost_opened(&mut self, opened: Result<(), ConnectionError>) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.connection.vhost_opened(self.now, opened, &mut effects);
        effects
    }

    fn answer(&mut self, channel: u16, reply: Reply) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.connection.answer(self.now, channel, Ok(reply), &mut effects);
        effects
    }

    fn refuse(&mut self, channel: u16, error: ChannelError) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.connection.answer(self.now, channel, Err(error.into()), &mut effects);
        effects
    }

    fn refuse_publish(&mut self, channel: u16, error: ChannelError) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.connection.publish_refused(self.now, channel, error, &mut effects);
        effects
    }

    fn force_close(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.connection.force_close(self.now, "maintenance", &mut effects);
        effects
    }

    /// Starts a consumer on a queue of its own, with a tag that is the consumer's number.
    fn consume(&mut self, channel: u16, consumer: ConsumerId, no_ack: bool) {
        let consumer_tag = tag_of(consumer);
        let consume =
            basic::Consume { queue: name("q"), consumer_tag: consumer_tag.clone(), no_ack, ..Default::default() };
        assert_eq!(self.call(channel, consume).len(), 1);
        let queue = Some(queue_of(consumer));
        let reply = Reply::Consuming { consumer_tag: consumer_tag.clone(), consumer, queue, no_ack };
        assert_eq!(self.answer(channel, reply), [send(channel, basic::ConsumeOk { consumer_tag })]);
    }

    fn deliver(&mut self, consumer: ConsumerId, checkout: u64) -> Option<Stamp> {
        let mut delivering = self.connection.delivering(consumer)?;
        let delivery_tag = delivering.next_tag(&delivery(consumer, checkout));
        let consumer_tag = ShortString::new(delivering.consumer_tag()).unwrap();
        Some(Stamp { channel: delivering.channel(), consumer_tag, delivery_tag })
    }

    /// Deliveries with the checkouts and delivery tags from 1 up to `last`.
    fn deliver_through(&mut self, consumer: ConsumerId, last: u64) {
        for checkout in 1..=last {
            assert_eq!(self.deliver(consumer, checkout).unwrap().delivery_tag, DeliveryTag(checkout));
        }
    }

    fn get(&mut self, channel: u16, checkout: u64, no_ack: bool) -> Option<DeliveryTag> {
        let get = basic::Get { queue: name("q"), no_ack, ..Default::default() };
        assert_eq!(self.call(channel, get).len(), 1);
        let queue = (!no_ack).then_some(queue_of(GETTER));
        self.connection.deliver_got(channel, queue, &delivery(GETTER, checkout))
    }
}

fn name(text: &'static str) -> ShortString {
    ShortString::from_static(text)
}

fn tag_of(consumer: ConsumerId) -> ShortString {
    ShortString::truncated(&consumer.0.to_string())
}

fn queue_of(consumer: ConsumerId) -> QueueId {
    QueueId(100 + consumer.0)
}

/// What a delivery is written with besides its message.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    channel: u16,
    consumer_tag: ShortString,
    delivery_tag: DeliveryTag,
}

fn delivery(consumer: ConsumerId, checkout: u64) -> Delivery {
    let message = MessageArena::default().store(b"\0\x01q", b"header", b"body", Traits::default(), BEGIN).unwrap();
    Delivery { consumer, checkout: CheckoutId(checkout), redelivered: false, message }
}

fn octets(channel: u16, method: impl Into<Method>) -> Vec<u8> {
    let mut out = BytesMut::new();
    method.into().write_frame(channel, &mut out);
    out.to_vec()
}

fn start_ok(client_properties: FieldTable) -> connection::StartOk {
    connection::StartOk {
        client_properties,
        mechanism: name("PLAIN"),
        response: "\0guest\0secret".into(),
        locale: name("en_US"),
    }
}

fn tune_ok(channel_max: u16, frame_max: u32, heartbeat: u16) -> connection::TuneOk {
    connection::TuneOk { channel_max, frame_max, heartbeat }
}

fn open() -> connection::Open {
    connection::Open { virtual_host: name("/"), ..Default::default() }
}

fn with_capability(capability: &str) -> FieldTable {
    let mut capabilities = FieldTable::default();
    capabilities.insert(capability, FieldValue::Bool(true));
    let mut properties = FieldTable::default();
    properties.insert("capabilities", FieldValue::Table(capabilities));
    properties
}

/// A publish to the default exchange in its frames: method, header, and body cut into pieces.
fn publish_frames(channel: u16, routing_key: &'static str, properties: Properties, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let publish = basic::Publish { routing_key: name(routing_key), ..Default::default() };
    let body_size = pieces.iter().map(|piece| piece.len() as u64).sum();
    let mut frames = vec![octets(channel, publish)];
    let mut out = BytesMut::new();
    ContentHeader { class_id: 60, weight: 0, body_size, properties }.write_frame(channel, &mut out);
    frames.push(out.to_vec());
    frames.extend(pieces.iter().map(|piece| raw(FrameKind::Body, channel, piece)));
    frames
}

fn publish(channel: u16, routing_key: &'static str, body: &[u8]) -> Vec<u8> {
    publish_frames(channel, routing_key, Properties::default(), &[body]).concat()
}

fn raw(kind: FrameKind, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    frame::write_frame(&mut out, kind, channel, |out| out.extend_from_slice(payload));
    out.to_vec()
}

fn message(arrived: Timestamp, routing_key: &'static str, body: &[u8]) -> Message {
    let mut header = BytesMut::new();
    let body_size = body.len() as u64;
    ContentHeader { class_id: 60, weight: 0, body_size, properties: Properties::default() }.encode(&mut header);
    let names = [&[0, u8::try_from(routing_key.len()).unwrap()], routing_key.as_bytes()].concat();
    MessageArena::default().store(&names, &header, body, Traits::default(), arrived).unwrap()
}

fn published(channel: u16, routing_key: &'static str, body: &[u8]) -> Effect {
    published_at(BEGIN, channel, routing_key, body)
}

fn published_at(arrived: Timestamp, channel: u16, routing_key: &'static str, body: &[u8]) -> Effect {
    let message = message(arrived, routing_key, body);
    Effect::Publish { channel, message, mandatory: false, in_transaction: false }
}

fn send(channel: u16, method: impl Into<Method>) -> Effect {
    Effect::Send { channel, method: method.into() }
}

fn settle(consumer: ConsumerId, checkout: u64, outcome: Outcome) -> Effect {
    Effect::Settle { queue: queue_of(consumer), consumer, checkout: CheckoutId(checkout), outcome }
}

fn commit(settled: &[(ConsumerId, u64, Outcome)]) -> Effect {
    let settlement = |&(consumer, checkout, outcome)| Settlement {
        queue: queue_of(consumer),
        consumer,
        checkout: CheckoutId(checkout),
        outcome,
    };
    Effect::Request { channel: 1, request: Request::Commit(settled.iter().map(settlement).collect()) }
}

fn abandon(consumer: ConsumerId) -> Effect {
    Effect::Abandon { queue: queue_of(consumer), consumer }
}

/// Code and text as in `404 NOT_FOUND - no queue 'q'`.
fn code_and_text(reply: &str) -> (u16, ShortString) {
    let (code, text) = reply.split_once(' ').unwrap();
    (code.parse().unwrap(), ShortString::truncated(text))
}

/// connection.close from the server.
fn close(reply: &str, (class_id, method_id): (u16, u16)) -> Effect {
    let (reply_code, reply_text) = code_and_text(reply);
    send(0, connection::Close { reply_code, reply_text, class_id, method_id })
}

/// What follows an error of a connection whose channels hold nothing.
fn connection_error(error: ConnectionError, reply: &str, ids: (u16, u16), channels: &[u16]) -> Vec<Effect> {
    let mut effects = vec![Effect::Note(Note::ConnectionError(error.into()))];
    effects.extend(channels.iter().map(|channel| Effect::ChannelEnded(*channel)));
    effects.extend([Effect::ReleaseExclusive, close(reply, ids)]);
    effects
}

/// What follows an error of a channel that holds nothing.
fn channel_error(channel: u16, error: ChannelError, reply: &str, (class_id, method_id): (u16, u16)) -> Vec<Effect> {
    let (reply_code, reply_text) = code_and_text(reply);
    vec![
        Effect::ChannelEnded(channel),
        send(channel, channel::Close { reply_code, reply_text, class_id, method_id }),
        Effect::Note(Note::ChannelError(channel, error.into())),
    ]
}

/// The broker forgets the connection.
fn gone() -> [Effect; 2] {
    [Effect::ReleaseExclusive, Effect::Disconnect]
}
