//! A blocking AMQP client which sends whatever it is told to and shows whatever comes back, frame by frame.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::method::Method;
use super::properties::Properties;
use super::value::{Cursor, Table, Value, table_body, text};

/// The octet at the end of every frame.
pub(crate) const FRAME_END: u8 = 0xCE;

/// What a client sends first.
pub(crate) const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\x00\x00\x09\x01";

/// One thing that the peer did, or did not do in time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    Method {
        channel: u16,
        method: Method,
    },
    Header {
        channel: u16,
        class_id: u16,
        weight: u16,
        body_size: u64,
        properties: Properties,
    },
    Body {
        channel: u16,
        bytes: Vec<u8>,
    },
    Heartbeat {
        channel: u16,
    },
    /// Eight octets that start with `AMQP`: the answer to a protocol header which is not understood.
    ProtocolHeader([u8; 8]),
    /// A frame that this client cannot read.
    Unreadable {
        frame_type: u8,
        channel: u16,
        payload: Vec<u8>,
    },
    /// The peer closed the connection.
    Eof,
    /// Nothing complete arrived in time.
    Timeout,
}

/// A TCP connection to a broker.
#[derive(Debug)]
pub(crate) struct RawClient {
    stream: TcpStream,
    received: Vec<u8>,
    started: bool,
}

impl RawClient {
    /// Connects and sends nothing.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).expect("the broker accepts");
        stream.set_nodelay(true).expect("the socket takes TCP_NODELAY");
        stream.set_write_timeout(Some(Duration::from_secs(10))).expect("the socket takes a timeout");
        Self { stream, received: Vec::new(), started: false }
    }

    /// Sends bytes as they are. A peer that has hung up is no error: the next event tells.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }

    /// Sends until the peer has taken nothing for as long as `patience`; returns how many bytes went.
    pub(crate) fn send_while_taken(&mut self, bytes: &[u8], patience: Duration) -> usize {
        self.stream.set_write_timeout(Some(patience)).expect("the socket takes a timeout");
        let mut sent = 0;
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        sent
    }

    /// Sends a frame with any type and payload.
    pub(crate) fn send_frame(&mut self, frame_type: u8, channel: u16, payload: &[u8]) {
        self.send(&frame(frame_type, channel, payload));
    }

    pub(crate) fn send_method(&mut self, channel: u16, method: &Method) {
        self.send_frame(1, channel, &method.encode());
    }

    pub(crate) fn send_header(&mut self, channel: u16, body_size: u64, properties: &Properties) {
        self.send_frame(2, channel, &header(60, 0, body_size, &properties.encode()));
    }

    pub(crate) fn send_body(&mut self, channel: u16, bytes: &[u8]) {
        self.send_frame(3, channel, bytes);
    }

    /// No more bytes will be sent; receiving stays possible.
    pub(crate) fn half_close(&mut self) {
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// The next thing that the peer does within the time given.
    pub(crate) fn next(&mut self, timeout: Duration) -> Event {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(event) = self.buffered() {
                return event;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Event::Timeout;
            }
            self.stream.set_read_timeout(Some(left)).expect("the socket takes a timeout");
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Event::Eof,
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Event::Timeout;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Event::Eof,
            }
        }
    }

    fn buffered(&mut self) -> Option<Event> {
        if !self.started && self.received.starts_with(b"AMQP") {
            let header = self.received.get(..8)?.try_into().expect("eight octets were asked for");
            self.received.drain(..8);
            return Some(Event::ProtocolHeader(header));
        }
        let mut cursor = Cursor(&self.received);
        let (frame_type, channel, size) = (cursor.u8().ok()?, cursor.u16().ok()?, cursor.u32().ok()?);
        let payload = cursor.take(usize::try_from(size).expect("the size fits memory")).ok()?.to_vec();
        let end = cursor.u8().ok()?;
        self.received.drain(..payload.len() + 8);
        self.started = true;
        let unreadable = Event::Unreadable { frame_type, channel, payload: payload.clone() };
        if end != FRAME_END {
            return Some(unreadable);
        }
        Some(decode(frame_type, channel, payload).unwrap_or(unreadable))
    }
}

fn decode(frame_type: u8, channel: u16, payload: Vec<u8>) -> Option<Event> {
    match frame_type {
        1 => Some(Event::Method { channel, method: Method::decode(&payload).ok()? }),
        2 => {
            let mut cursor = Cursor(&payload);
            let (class_id, weight, body_size) = (cursor.u16().ok()?, cursor.u16().ok()?, cursor.u64().ok()?);
            let properties = Properties::decode(&mut cursor).ok()?;
            Some(Event::Header { channel, class_id, weight, body_size, properties })
        }
        3 => Some(Event::Body { channel, bytes: payload }),
        8 if payload.is_empty() => Some(Event::Heartbeat { channel }),
        _ => None,
    }
}

/// A frame with any type and payload.
pub(crate) fn frame(frame_type: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![frame_type];
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&u32::try_from(payload.len()).expect("a frame fits 32 bits of size").to_be_bytes());
    out.extend_from_slice(payload);
    out.push(FRAME_END);
    out
}

/// Payload of a header frame; `properties` are flags and property list, well formed or not.
pub(crate) fn header(class_id: u16, weight: u16, body_size: u64, properties: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&class_id.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&body_size.to_be_bytes());
    out.extend_from_slice(properties);
    out
}

/// What a client says about itself while a connection is set up.
#[derive(Debug, Clone)]
pub(crate) struct Handshake {
    pub(crate) client_properties: Table,
    pub(crate) mechanism: &'static str,
    pub(crate) response: Vec<u8>,
    pub(crate) channel_max: u16,
    pub(crate) frame_max: u32,
    pub(crate) heartbeat: u16,
    pub(crate) vhost: String,
}

impl Default for Handshake {
    /// `guest` by PLAIN with all client capabilities, the limits that RabbitMQ offers, no heartbeats.
    fn default() -> Self {
        Self {
            client_properties: capabilities(&[
                "authentication_failure_close",
                "basic.nack",
                "connection.blocked",
                "consumer_cancel_notify",
                "publisher_confirms",
            ]),
            mechanism: "PLAIN",
            response: plain("guest", "guest"),
            channel_max: 2047,
            frame_max: 131_072,
            heartbeat: 0,
            vhost: "/".to_owned(),
        }
    }
}

impl Handshake {
    pub(crate) fn start_ok(&self) -> Method {
        Method::new("connection.start-ok")
            .set("client-properties", self.client_properties.clone())
            .set("mechanism", self.mechanism)
            .set("response", self.response.as_slice())
            .set("locale", "en_US")
    }

    pub(crate) fn tune_ok(&self) -> Method {
        Method::new("connection.tune-ok")
            .set("channel-max", u64::from(self.channel_max))
            .set("frame-max", u64::from(self.frame_max))
            .set("heartbeat", u64::from(self.heartbeat))
    }

    pub(crate) fn open(&self) -> Method {
        Method::new("connection.open").set("virtual-host", &self.vhost)
    }
}

/// Client properties which declare the named capabilities.
pub(crate) fn capabilities(names: &[&str]) -> Table {
    let flags = names.iter().map(|name| ((*name).to_owned(), Value::Bool(true))).collect();
    vec![("capabilities".to_owned(), Value::Table(flags))]
}

/// Response of the mechanism PLAIN.
pub(crate) fn plain(user: &str, password: &str) -> Vec<u8> {
    format!("\0{user}\0{password}").into_bytes()
}

/// Response of the mechanism AMQPLAIN.
pub(crate) fn amqplain(user: &str, password: &str) -> Vec<u8> {
    table_body(&vec![("LOGIN".to_owned(), text(user)), ("PASSWORD".to_owned(), text(password))])
}
