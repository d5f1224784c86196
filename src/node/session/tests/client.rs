//! A client without a socket.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use leveret_protocol::{
    AmqpCodec, ContentHeader, Frame, FrameKind, Method, PROTOCOL_HEADER, Properties, ShortString, basic, channel,
    connection, frame, queue,
};
use tokio_util::codec::Decoder as _;

use super::super::{Session, Workspace};
use crate::config::Config;
use crate::node::Node;

/// Whatever a test writes at once.
const NO_LIMIT: usize = usize::MAX;

/// What a client is told.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    Method(u16, Method),
    /// A method with the body that follows.
    Content(u16, Method, String),
    Heartbeat,
}

/// The octets of one or more frames.
pub(super) type Octets = Vec<u8>;

pub(super) fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

pub(super) fn told(channel: u16, method: impl Into<Method>) -> Told {
    Told::Method(channel, method.into())
}

pub(super) fn content(channel: u16, method: impl Into<Method>, body: &str) -> Told {
    Told::Content(channel, method.into(), body.to_owned())
}

pub(super) fn call(channel: u16, method: impl Into<Method>) -> Octets {
    let mut out = BytesMut::new();
    method.into().write_frame(channel, &mut out);
    out.to_vec()
}

pub(super) fn publish_with(channel: u16, method: basic::Publish, properties: Properties, body: &str) -> Octets {
    let mut out = BytesMut::new();
    Method::from(method).write_frame(channel, &mut out);
    ContentHeader::new(body.len() as u64, properties).write_frame(channel, &mut out);
    frame::write_frame(&mut out, FrameKind::Body, channel, |out| out.extend_from_slice(body.as_bytes()));
    out.to_vec()
}

/// A mandatory message.
pub(super) fn publish(channel: u16, exchange: &str, routing_key: &str, body: &str) -> Octets {
    let (exchange, routing_key) = (name(exchange), name(routing_key));
    let method = basic::Publish { exchange, routing_key, mandatory: true, ..basic::Publish::default() };
    publish_with(channel, method, Properties::default(), body)
}

pub(super) fn declare(queue: &str) -> queue::Declare {
    queue::Declare { queue: name(queue), ..queue::Declare::default() }
}

pub(super) fn declared(queue: &str) -> queue::DeclareOk {
    queue::DeclareOk { queue: name(queue), message_count: 0, consumer_count: 0 }
}

pub(super) fn consume(queue: &str, consumer_tag: &str) -> basic::Consume {
    basic::Consume { queue: name(queue), consumer_tag: name(consumer_tag), ..basic::Consume::default() }
}

pub(super) fn deliver(consumer_tag: &str, delivery_tag: u64, exchange: &str, routing_key: &str) -> basic::Deliver {
    basic::Deliver {
        consumer_tag: name(consumer_tag),
        delivery_tag,
        redelivered: false,
        exchange: name(exchange),
        routing_key: name(routing_key),
    }
}

pub(super) fn returned(exchange: &str, routing_key: &str) -> basic::Return {
    basic::Return {
        reply_code: 312,
        reply_text: name("NO_ROUTE"),
        exchange: name(exchange),
        routing_key: name(routing_key),
    }
}

pub(super) fn node() -> Arc<Node> {
    node_with(Config::default())
}

pub(super) fn node_with(config: Config) -> Arc<Node> {
    Arc::new(Node::new(&config).unwrap())
}

/// A client in the middle of its connection.
pub(super) struct Client {
    pub(super) session: Session,
    work: Workspace,
}

impl Client {
    /// A client that has channel 1 open.
    pub(super) fn open(node: &Arc<Node>) -> Self {
        let mut client = Self::enter(node);
        assert_eq!(client.send(&[call(1, channel::Open::default())]), vec![told(1, channel::OpenOk::default())]);
        client
    }

    /// A client whose connection is open.
    pub(super) fn enter(node: &Arc<Node>) -> Self {
        let mut client =
            Self { session: Session::open(node, SocketAddr::from(([127, 0, 0, 1], 1))), work: Workspace::default() };
        let start_ok = connection::StartOk {
            mechanism: name("PLAIN"),
            response: Bytes::from_static(b"\0guest\0guest"),
            ..connection::StartOk::default()
        };
        let open = connection::Open { virtual_host: name("/"), ..connection::Open::default() };
        let answers = client.send(&[
            PROTOCOL_HEADER.to_vec(),
            call(0, start_ok),
            call(0, connection::TuneOk { channel_max: 2047, frame_max: 131_072, heartbeat: 0 }),
            call(0, open),
        ]);
        assert_eq!(answers.last(), Some(&told(0, connection::OpenOk::default())));
        client
    }

    /// Sends everything at once and returns what is written after it.
    pub(super) fn send(&mut self, octets: &[Octets]) -> Vec<Told> {
        let input = octets.concat();
        let mut out = BytesMut::new();
        let consumed = self.session.receive(&input, NO_LIMIT, &mut self.work, &mut out);
        assert_eq!(consumed, input.len(), "whole frames are handled");
        while self.session.drain(NO_LIMIT, &mut self.work, &mut out) {}
        decode(out)
    }

    /// Sends everything at once and returns the first content header that is written after it.
    pub(super) fn header_after(&mut self, octets: &[Octets]) -> ContentHeader {
        let mut out = BytesMut::new();
        self.session.receive(&octets.concat(), NO_LIMIT, &mut self.work, &mut out);
        let mut codec = AmqpCodec::new(0);
        loop {
            if let Frame::Header { header, .. } = codec.decode(&mut out).unwrap().unwrap() {
                return header;
            }
        }
    }

    /// What others have left for the client.
    pub(super) fn read(&mut self) -> Vec<Told> {
        self.send(&[])
    }

    /// The client's socket is gone.
    pub(super) fn vanish(mut self) {
        self.session.end(&mut self.work, &mut BytesMut::new());
    }
}

fn decode(mut octets: BytesMut) -> Vec<Told> {
    let mut codec = AmqpCodec::new(0);
    let mut told = Vec::new();
    while let Some(frame) = codec.decode(&mut octets).unwrap() {
        match frame {
            Frame::ProtocolHeader(header) => panic!("a protocol header: {header:?}"),
            Frame::Method { channel, method } if method.has_content() => {
                told.push(Told::Content(channel, method, String::new()));
            }
            Frame::Method { channel, method } => told.push(Told::Method(channel, method)),
            Frame::Header { .. } => {}
            Frame::Body { payload, .. } => match told.last_mut() {
                Some(Told::Content(_, _, body)) => body.push_str(std::str::from_utf8(&payload).unwrap()),
                other => panic!("a body after {other:?}"),
            },
            Frame::Heartbeat { .. } => told.push(Told::Heartbeat),
        }
    }
    told
}
