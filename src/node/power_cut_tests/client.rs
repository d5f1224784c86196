//! A client of a node, without a socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use bytes::{Buf, BytesMut};
use leveret_protocol::{
    ContentHeader, FieldValue, FrameKind, Method, PROTOCOL_HEADER, Properties, Split, basic, channel, connection,
    frame, queue,
};

use super::{PATIENCE, QUEUES, name, number};
use crate::node::Node;
use crate::node::session::{Session, Workspace};

/// A client whose channel 1 is open.
pub(super) struct Client {
    pub(super) node: Arc<Node>,
    pub(super) session: Session,
    pub(super) work: Workspace,
    pub(super) input: BytesMut,
    pub(super) out: BytesMut,
    /// Methods that came and were not looked at, apart from confirms.
    pub(super) replies: Vec<Method>,
    pub(super) bodies: Vec<Vec<u8>>,
    /// Publishes that are confirmed.
    pub(super) confirmed: u64,
}

impl Client {
    pub(super) fn connect(node: &Arc<Node>) -> Self {
        let mut client = Self {
            node: Arc::clone(node),
            session: Session::open(node, SocketAddr::from(([127, 0, 0, 1], 5672))),
            work: Workspace::default(),
            input: BytesMut::from(&PROTOCOL_HEADER[..]),
            out: BytesMut::new(),
            replies: Vec::new(),
            bodies: Vec::new(),
            confirmed: 0,
        };
        let start_ok =
            connection::StartOk { mechanism: name("PLAIN"), response: "\0guest\0guest".into(), ..Default::default() };
        client.send(0, start_ok);
        client.send(0, connection::TuneOk { channel_max: 1, frame_max: 131_072, heartbeat: 0 });
        client.send(0, connection::Open { virtual_host: name("/"), ..Default::default() });
        client.send(1, channel::Open::default());
        client.wait_until(|client| client.replies.iter().any(|reply| matches!(reply, Method::Channel(_))));
        client.replies.clear();
        client
    }

    pub(super) fn send(&mut self, channel: u16, method: impl Into<Method>) {
        method.into().write_frame(channel, &mut self.input);
    }

    pub(super) fn call(&mut self, method: impl Into<Method>) -> Method {
        self.send(1, method);
        self.wait_until(|client| !client.replies.is_empty());
        self.replies.remove(0)
    }

    pub(super) fn publish(&mut self, exchange: &str, routing_key: &str, body: &[u8]) {
        self.publish_urgent(exchange, routing_key, None, body);
    }

    pub(super) fn publish_urgent(&mut self, exchange: &str, routing_key: &str, priority: Option<u8>, body: &[u8]) {
        self.send(1, basic::Publish { exchange: name(exchange), routing_key: name(routing_key), ..Default::default() });
        let properties = Properties { delivery_mode: Some(2), priority, ..Properties::default() };
        ContentHeader { class_id: 60, weight: 0, body_size: u64::try_from(body.len()).unwrap(), properties }
            .write_frame(1, &mut self.input);
        frame::write_frame(&mut self.input, FrameKind::Body, 1, |out| out.extend_from_slice(body));
    }

    pub(super) fn publish_keyed(&mut self, exchange: &str, routing_key: &str, key: u64, body: &[u8]) {
        self.send(1, basic::Publish { exchange: name(exchange), routing_key: name(routing_key), ..Default::default() });
        let headers = std::iter::once((name("x-deduplication-header"), FieldValue::text(&key.to_string()))).collect();
        let properties = Properties { delivery_mode: Some(2), headers: Some(headers), ..Properties::default() };
        ContentHeader { class_id: 60, weight: 0, body_size: u64::try_from(body.len()).unwrap(), properties }
            .write_frame(1, &mut self.input);
        frame::write_frame(&mut self.input, FrameKind::Body, 1, |out| out.extend_from_slice(body));
    }

    pub(super) fn publish_delayed(&mut self, millis: i32, body: &[u8]) {
        self.send(1, basic::Publish { exchange: name("later"), ..Default::default() });
        let headers = std::iter::once((name("x-delay"), FieldValue::I32(millis))).collect();
        let properties = Properties { delivery_mode: Some(2), headers: Some(headers), ..Properties::default() };
        ContentHeader { class_id: 60, weight: 0, body_size: u64::try_from(body.len()).unwrap(), properties }
            .write_frame(1, &mut self.input);
        frame::write_frame(&mut self.input, FrameKind::Body, 1, |out| out.extend_from_slice(body));
    }

    /// One turn of the connection.
    pub(super) fn turn(&mut self) {
        if !self.input.is_empty() && !self.session.is_paused() {
            let taken = self.session.receive(&self.input, usize::MAX, &mut self.work, &mut self.out);
            self.input.advance(taken);
        }
        self.session.drain(usize::MAX, &mut self.work, &mut self.out);
        self.look();
    }

    pub(super) fn look(&mut self) {
        while let Ok(Split::Frame { frame, consumed }) = frame::split(&self.out, 0) {
            match frame.kind {
                FrameKind::Method => {
                    let method = Method::decode(frame.payload).unwrap();
                    if let Method::Basic(basic::Method::Ack(ack)) = method {
                        self.confirmed = ack.delivery_tag;
                    } else {
                        self.replies.push(method);
                    }
                }
                FrameKind::Body => self.bodies.push(frame.payload.to_vec()),
                FrameKind::Header | FrameKind::Heartbeat => {}
            }
            self.out.advance(consumed);
        }
    }

    pub(super) fn wait_until(&mut self, mut happened: impl FnMut(&Self) -> bool) {
        let deadline = self.node.clock.now().after(PATIENCE);
        loop {
            self.turn();
            if happened(self) {
                return;
            }
            assert!(self.node.clock.now() < deadline, "it happens in time; {:?}", self.replies);
            thread::yield_now();
        }
    }

    pub(super) fn declare_all(&mut self) {
        for queue in QUEUES {
            self.call(queue::Declare { queue: name(queue), durable: true, ..Default::default() });
            self.call(queue::Bind { queue: name(queue), exchange: name("amq.fanout"), ..Default::default() });
        }
    }

    /// The numbers of the messages of a queue, which are left in it, or not.
    pub(super) fn numbers(&mut self, queue: &str, no_ack: bool) -> Vec<u64> {
        self.bodies.clear();
        while !matches!(
            self.call(basic::Get { queue: name(queue), no_ack, ..Default::default() }),
            Method::Basic(basic::Method::GetEmpty(_))
        ) {}
        self.bodies.iter().map(|body| number(body)).collect()
    }

    pub(super) fn end(mut self) {
        self.session.end(&mut self.work, &mut self.out);
        self.node.close(false);
    }
}
