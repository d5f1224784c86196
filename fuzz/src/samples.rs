//! Frames that mean something: every method that a client sends, with few names, so that they meet.

use bytes::{Bytes, BytesMut};
use leveret_protocol::{
    ContentHeader, FieldTable, FieldValue, FrameKind, Method, PROTOCOL_HEADER, Properties, ShortString, access, basic,
    channel, confirm, connection, exchange, queue, tx,
};

use crate::script::{Step, Timed};

/// A short string.
#[must_use]
pub fn name(text: &str) -> ShortString {
    ShortString::truncated(text)
}

/// A method frame on a channel.
#[must_use]
pub fn method(channel: u8, method: impl Into<Method>) -> Timed {
    let mut payload = BytesMut::new();
    method.into().encode(&mut payload);
    Timed { step: Step::Frame { kind: FrameKind::Method, channel, payload: payload.to_vec() }, joined: false }
}

/// The same step, read together with what follows.
#[must_use]
pub fn joined(mut timed: Timed) -> Timed {
    timed.joined = true;
    timed
}

/// A step that is no frame.
#[must_use]
pub fn step(step: Step) -> Timed {
    Timed { step, joined: false }
}

/// A message in three frames or more that are read together.
#[must_use]
pub fn publish(channel: u8, routing_key: &str, properties: Properties, body: &[u8], pieces: usize) -> Vec<Timed> {
    let publish = basic::Publish { routing_key: name(routing_key), mandatory: true, ..basic::Publish::default() };
    let mut header = BytesMut::new();
    ContentHeader::new(u64::try_from(body.len()).unwrap_or(0), properties).encode(&mut header);
    let frame = |kind, payload: &[u8]| Step::Frame { kind, channel, payload: payload.to_vec() };
    let mut steps = vec![joined(method(channel, publish)), joined(step(frame(FrameKind::Header, &header)))];
    if !body.is_empty() {
        let size = body.len().div_ceil(pieces.max(1));
        steps.extend(body.chunks(size).map(|piece| joined(step(frame(FrameKind::Body, piece)))));
    }
    steps
}

/// Properties in which there is something to check.
#[must_use]
pub fn telling() -> Properties {
    let mut headers = FieldTable::new();
    headers.insert("CC", FieldValue::Array(vec![FieldValue::text("q2")]));
    headers.insert("n", FieldValue::I64(-1));
    Properties {
        headers: Some(headers),
        delivery_mode: Some(2),
        priority: Some(3),
        reply_to: Some(name("amq.rabbitmq.reply-to")),
        expiration: Some(name("60000")),
        user_id: Some(name("guest")),
        ..Properties::default()
    }
}

/// What a client says of itself: it knows all extensions.
#[must_use]
pub fn client_properties() -> FieldTable {
    let mut capabilities = FieldTable::new();
    for capability in ["authentication_failure_close", "basic.nack", "connection.blocked", "consumer_cancel_notify"] {
        capabilities.insert(capability, FieldValue::Bool(true));
    }
    let mut properties = FieldTable::new();
    properties.insert("product", FieldValue::text("py-amqp"));
    properties.insert("capabilities", FieldValue::Table(capabilities));
    properties
}

/// The protocol header and the client's part of the handshake, frame by frame.
#[must_use]
pub fn handshake(heartbeat: u16) -> Vec<Timed> {
    let start_ok = connection::StartOk {
        client_properties: client_properties(),
        mechanism: name("PLAIN"),
        response: Bytes::from_static(b"\0guest\0guest"),
        locale: name("en_US"),
    };
    let open = connection::Open { virtual_host: name("/"), ..connection::Open::default() };
    vec![
        step(Step::Raw(PROTOCOL_HEADER.to_vec())),
        method(0, start_ok),
        joined(method(0, connection::TuneOk { channel_max: 8, frame_max: 4096, heartbeat })),
        method(0, open),
    ]
}

/// Every method that a client may send, on this channel where it has one.
#[must_use]
pub fn methods(on: u8) -> Vec<Timed> {
    let mut all = on_connection();
    all.extend(declarations(on));
    all.extend(consuming(on));
    all.extend(settling(on));
    all.extend(modes(on));
    all
}

fn on_connection() -> Vec<Timed> {
    let update = connection::UpdateSecret { new_secret: Bytes::from_static(b"guest"), reason: name("due") };
    let close = connection::Close { reply_code: 200, ..connection::Close::default() };
    vec![
        method(0, update),
        method(0, close),
        method(0, connection::CloseOk {}),
        method(0, connection::TuneOk { channel_max: 2, frame_max: 4096, heartbeat: 1 }),
    ]
}

fn declarations(on: u8) -> Vec<Timed> {
    let declare = exchange::Declare { exchange: name("x"), kind: name("topic"), ..exchange::Declare::default() };
    let delete = exchange::Delete { exchange: name("x"), if_unused: true, ..exchange::Delete::default() };
    let bind = exchange::Bind { destination: name("x"), source: name("y"), ..exchange::Bind::default() };
    let unbind = exchange::Unbind { destination: name("x"), source: name("y"), ..exchange::Unbind::default() };
    let queue = queue::Declare { queue: name("q"), ..queue::Declare::default() };
    let passive = queue::Declare { passive: true, ..queue.clone() };
    vec![
        method(on, declare.clone()),
        method(on, exchange::Declare { passive: true, nowait: true, ..declare }),
        method(on, delete),
        method(on, bind),
        method(on, unbind),
        method(on, queue.clone()),
        method(on, passive),
        method(on, queue::Declare { queue: name(""), exclusive: true, ..queue.clone() }),
        method(on, queue::Declare { nowait: true, ..queue }),
        method(
            on,
            queue::Bind { queue: name("q"), exchange: name("x"), routing_key: name("k.#"), ..Default::default() },
        ),
        method(on, queue::Unbind { queue: name("q"), exchange: name("x"), ..Default::default() }),
        method(on, queue::Purge { queue: name("q"), ..Default::default() }),
        method(on, queue::Delete { queue: name("q"), ..Default::default() }),
        method(on, access::Request::default()),
    ]
}

fn consuming(on: u8) -> Vec<Timed> {
    let consume = basic::Consume { queue: name("q"), consumer_tag: name("c"), ..basic::Consume::default() };
    let replies = basic::Consume { queue: name("amq.rabbitmq.reply-to"), no_ack: true, ..basic::Consume::default() };
    vec![
        method(on, consume.clone()),
        method(on, basic::Consume { consumer_tag: name(""), no_ack: true, nowait: true, ..consume }),
        method(on, replies),
        method(on, basic::Cancel { consumer_tag: name("c"), nowait: false }),
        method(on, basic::Cancel { consumer_tag: name("c"), nowait: true }),
        method(on, basic::CancelOk { consumer_tag: name("c") }),
        method(on, basic::Get { queue: name("q"), ..basic::Get::default() }),
        method(on, basic::Get { queue: name("q"), no_ack: true, ..basic::Get::default() }),
        method(on, basic::Qos { prefetch_count: 3, ..basic::Qos::default() }),
        method(on, basic::Qos { prefetch_count: 1, global: true, ..basic::Qos::default() }),
    ]
}

fn settling(on: u8) -> Vec<Timed> {
    let (all, requeue) = (true, true);
    vec![
        method(on, basic::Ack { delivery_tag: 1, multiple: false }),
        method(on, basic::Ack { delivery_tag: 2, multiple: all }),
        method(on, basic::Ack { delivery_tag: 0, multiple: all }),
        method(on, basic::Nack { delivery_tag: 1, multiple: false, requeue }),
        method(on, basic::Nack { delivery_tag: 0, multiple: all, requeue: false }),
        method(on, basic::Reject { delivery_tag: 1, requeue }),
        method(on, basic::Recover { requeue }),
        method(on, basic::RecoverAsync { requeue }),
    ]
}

fn modes(on: u8) -> Vec<Timed> {
    vec![
        method(on, channel::Open::default()),
        method(on, channel::Close { reply_code: 200, ..channel::Close::default() }),
        method(on, channel::CloseOk {}),
        method(on, channel::Flow { active: true }),
        method(on, channel::FlowOk { active: true }),
        method(on, confirm::Select { nowait: false }),
        method(on, confirm::Select { nowait: true }),
        method(on, tx::Select {}),
        method(on, tx::Commit {}),
        method(on, tx::Rollback {}),
    ]
}
