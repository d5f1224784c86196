//! A connection to a broker: what the load tool sends and hears, one request at a time. Those that count messages take
//! the stream and the input in their own hands.

mod input;
mod login;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use leveret_protocol::{FrameKind, Method, ShortString, channel, connection};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(super) use self::input::Input;
use super::error::PerfError;
use super::uri::AmqpUri;

/// How long a broker may take to answer a request, in seconds.
const PATIENCE_SECONDS: u64 = 30;
/// How long a broker may take to end a connection, in seconds: it has to read what was published before.
const CLOSING_SECONDS: u64 = 5;

/// An open connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: TcpStream,
    pub(super) input: Input,
    /// What is encoded and not written.
    pub(super) out: BytesMut,
    /// Octets of the largest frame that the broker takes, overhead included.
    pub(super) frame_max: u32,
    pub(super) uri: Arc<AmqpUri>,
    /// Product and version, as the broker tells.
    pub(super) product: String,
}

impl Client {
    /// Connects and logs in.
    pub(super) async fn connect(uri: &Arc<AmqpUri>) -> Result<Self, PerfError> {
        let connecting = Box::pin(login::connect(uri));
        let waited = timeout(Duration::from_secs(PATIENCE_SECONDS), connecting).await;
        waited.map_err(|_| PerfError::Timeout { uri: Arc::clone(uri), seconds: PATIENCE_SECONDS })?
    }

    /// Connects and opens channel 1.
    pub(super) async fn connect_with_channel(uri: &Arc<AmqpUri>) -> Result<Self, PerfError> {
        let mut client = Self::connect(uri).await?;
        client.open_channel(1).await?;
        Ok(client)
    }

    pub(super) async fn open_channel(&mut self, channel: u16) -> Result<(), PerfError> {
        self.call(channel, channel::Open::default()).await.map(drop)
    }

    /// Encodes a method; [`Client::flush`] writes it.
    pub(super) fn send(&mut self, channel: u16, method: impl Into<Method>) {
        method.into().write_frame(channel, &mut self.out);
    }

    /// Sends a request and waits for its answer, which is the next method on the channel.
    pub(super) async fn call(&mut self, channel: u16, method: impl Into<Method>) -> Result<Method, PerfError> {
        self.send(channel, method);
        let answered = timeout(Duration::from_secs(PATIENCE_SECONDS), self.answer(channel)).await;
        answered.map_err(|_| PerfError::Timeout { uri: Arc::clone(&self.uri), seconds: PATIENCE_SECONDS })?
    }

    async fn answer(&mut self, channel: u16) -> Result<Method, PerfError> {
        self.flush().await?;
        loop {
            let (on, method) = self.receive().await?;
            if let Some(closed) = self.closed(on, &method) {
                return Err(closed);
            }
            if on == channel && !is_blocking(&method) {
                return Ok(method);
            }
        }
    }

    /// The next method on any channel; contents and heartbeats are passed over.
    async fn receive(&mut self) -> Result<(u16, Method), PerfError> {
        loop {
            while let Some(frame) = self.input.next()? {
                if frame.kind == FrameKind::Method {
                    return Ok((frame.channel, Method::decode(frame.payload)?));
                }
            }
            self.stream.readable().await.map_err(|source| self.lost(source))?;
            self.fill()?;
        }
    }

    /// Reads what is there. Returns whether there was anything.
    pub(super) fn fill(&mut self) -> Result<bool, PerfError> {
        match self.input.fill(&self.stream) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(source) => Err(self.lost(source)),
        }
    }

    /// Writes what the socket takes. Returns whether that was all.
    pub(super) fn write(&mut self) -> Result<bool, PerfError> {
        while !self.out.is_empty() {
            match self.stream.try_write(&self.out) {
                Ok(count) => self.out.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(source) => return Err(self.lost(source)),
            }
        }
        self.out.clear();
        Ok(true)
    }

    pub(super) async fn flush(&mut self) -> Result<(), PerfError> {
        while !self.write()? {
            self.stream.writable().await.map_err(|source| self.lost(source))?;
        }
        Ok(())
    }

    /// Waits until the socket can be read, or written if there is something to write.
    pub(super) async fn ready(&self) -> Result<(), PerfError> {
        let interest = if self.out.is_empty() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        self.stream.ready(interest).await.map(drop).map_err(|source| self.lost(source))
    }

    /// If the method ends the connection or the channel: the error, the answer being encoded.
    pub(super) fn closed(&mut self, on: u16, method: &Method) -> Option<PerfError> {
        let error = PerfError::closed(&self.uri, method)?;
        if on == 0 {
            self.send(0, connection::CloseOk);
        } else {
            self.send(on, channel::CloseOk);
        }
        Some(error)
    }

    /// Writes what is left and ends the connection, if possible in order.
    pub(super) async fn close(self) {
        // Whether it ends in order makes no difference to what was measured.
        let _ = self.close_in_order().await;
    }

    /// Writes what is left, and waits until the broker agrees to the end of the connection.
    pub(super) async fn close_in_order(mut self) -> Result<(), PerfError> {
        let close = connection::Close {
            reply_code: 200,
            reply_text: ShortString::from_static("done"),
            ..connection::Close::default()
        };
        self.send(0, close);
        let patience = Duration::from_secs(CLOSING_SECONDS);
        let ended = timeout(patience, self.end()).await;
        ended.map_err(|_| PerfError::Timeout { uri: Arc::clone(&self.uri), seconds: CLOSING_SECONDS })?
    }

    async fn end(&mut self) -> Result<(), PerfError> {
        loop {
            // Reading goes on while writing waits: a broker that waits for its reader reads nothing.
            let written = self.write()?;
            while let Some(frame) = self.input.next()? {
                if frame.channel == 0 && frame.kind == FrameKind::Method && is_close_ok(frame.payload) {
                    return Ok(());
                }
            }
            if !self.fill()? || !written {
                self.ready().await?;
            }
        }
    }

    fn lost(&self, source: io::Error) -> PerfError {
        PerfError::Lost { uri: Arc::clone(&self.uri), source }
    }
}

/// Word of an alarm, which comes at any time and answers nothing.
const fn is_blocking(method: &Method) -> bool {
    matches!(method, Method::Connection(connection::Method::Blocked(_) | connection::Method::Unblocked(_)))
}

fn is_close_ok(payload: &[u8]) -> bool {
    matches!(Method::decode(payload), Ok(Method::Connection(connection::Method::CloseOk(_))))
}
