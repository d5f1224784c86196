//! A raw-frame client that is past the handshake, and its waits. Every wait has a deadline.

use std::net::SocketAddr;
use std::time::Instant;

use crate::client::PATIENCE;
use crate::support::commands::method;
use crate::support::method::Method;
use crate::support::properties::Properties;
use crate::support::raw::{Event, Handshake, PROTOCOL_HEADER, RawClient};

/// A raw client with what it has been through.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) raw: RawClient,
}

impl Peer {
    /// Connects and sends nothing.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self { raw: RawClient::connect(address) }
    }

    /// With channel 1 open.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address);
        peer.handshake(&Handshake::default());
        peer.expect("connection.open-ok");
        peer.call(1, &method("channel.open"), "channel.open-ok");
        peer
    }

    /// Sends all of the handshake as the server asks for it, and waits for no answer to `connection.open`.
    pub(crate) fn handshake(&mut self, handshake: &Handshake) {
        self.raw.send(PROTOCOL_HEADER);
        self.expect("connection.start");
        self.raw.send_method(0, &handshake.start_ok());
        self.expect("connection.tune");
        self.raw.send_method(0, &handshake.tune_ok());
        self.raw.send_method(0, &handshake.open());
    }

    /// The next event that is no heartbeat.
    pub(crate) fn event(&mut self) -> Event {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let event = self.raw.next(deadline.saturating_duration_since(Instant::now()));
            if !matches!(event, Event::Heartbeat { .. }) {
                return event;
            }
        }
    }

    /// The next event has to be this method.
    pub(crate) fn expect(&mut self, name: &str) -> Method {
        match self.event() {
            Event::Method { method, .. } if method.name == name => method,
            other => panic!("{name} is expected, not {other:?}"),
        }
    }

    pub(crate) fn call(&mut self, channel: u16, method: &Method, reply: &str) -> Method {
        self.raw.send_method(channel, method);
        self.expect(reply)
    }

    /// Code and text of the close that has to come next.
    pub(crate) fn close(&mut self, name: &str) -> (u64, String) {
        let close = self.expect(name);
        (close.number("reply-code"), close.text("reply-text"))
    }

    /// The server closes the socket, whatever it says before.
    pub(crate) fn hangs_up(&mut self) -> bool {
        loop {
            match self.event() {
                Event::Eof => return true,
                Event::Timeout => return false,
                _ => {}
            }
        }
    }

    pub(crate) fn publish(&mut self, publish: &Method, body: &[u8]) {
        self.raw.send(&published(publish, body));
    }

    /// Body of the delivery, or of the got message, that has to come next.
    pub(crate) fn delivery(&mut self) -> (Method, Vec<u8>) {
        let method = match self.event() {
            Event::Method { method, .. } if matches!(method.name, "basic.deliver" | "basic.get-ok") => method,
            other => panic!("a message is expected, not {other:?}"),
        };
        let Event::Header { body_size, .. } = self.event() else { panic!("a content header follows") };
        let mut body = Vec::new();
        while u64::try_from(body.len()).unwrap() < body_size {
            match self.event() {
                Event::Body { bytes, .. } => body.extend_from_slice(&bytes),
                other => panic!("a body follows, not {other:?}"),
            }
        }
        (method, body)
    }
}

/// The frames of a publish on channel 1.
pub(crate) fn published(publish: &Method, body: &[u8]) -> Vec<u8> {
    published_with(publish, &Properties::default(), body)
}

/// The frames of a publish of a persistent message on channel 1.
pub(crate) fn persistent(publish: &Method, body: &[u8]) -> Vec<u8> {
    published_with(publish, &Properties::default().delivery_mode(2), body)
}

fn published_with(publish: &Method, properties: &Properties, body: &[u8]) -> Vec<u8> {
    use crate::support::raw::{frame, header};
    let mut frames = frame(1, 1, &publish.encode());
    let size = u64::try_from(body.len()).unwrap();
    frames.extend(frame(2, 1, &header(60, 0, size, &properties.encode())));
    for part in body.chunks(131_064) {
        frames.extend(frame(3, 1, part));
    }
    frames
}
