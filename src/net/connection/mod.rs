//! The task that serves one connection: read what is there, let the session handle all of it, write once.
//!
//! An idle connection holds no buffer: reading and encoding happen in buffers of the thread, and only what is left
//! over, part of a frame or bytes the peer does not take, stays with the connection.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::threads;
use crate::node::Node;
use crate::node::session::{Session, Workspace};

#[cfg(test)]
mod tests;

/// Read at once. Large, because everything that is read together is handled under few locks and few writes.
const READ_BUFFER: usize = 256 * 1024;

/// A read that finds this much comes from a peer that sends as fast as it is read from.
const FLOOD: usize = READ_BUFFER / 4 * 3;

/// Encoded at once before it is written.
const WRITE_BUFFER: usize = 256 * 1024;

/// How often that is done in one turn, while the peer takes it all. A read's messages are longer as deliveries than they were
/// as publishes, so that a consumer which wrote once for each read would fall behind, and its queue grow.
const WRITES: usize = 4;

/// A peer that leaves this much unread gets no more deliveries; they wait in the outbox.
const UNSENT_LIMIT: usize = 256 * 1024;

/// A peer that leaves this much unread is not read from: the answers to its requests would only add to it. Far above
/// the limit for deliveries, whose acks, like publishes and heartbeats, hardly add anything: a client that writes
/// before it reads on would wait for ever for a broker that does the same.
const UNREAD_LIMIT: usize = 1024 * 1024;

/// Read of a peer that is not read from otherwise, each time that its heartbeats are looked for.
const SIGN_OF_LIFE: usize = 4 * 1024;

/// What is kept unhandled of a peer that is not read from and goes on writing. Beyond this, that it does is not seen any
/// more and it is taken to be alive.
const UNHANDLED_LIMIT: usize = READ_BUFFER + 64 * 1024;

/// A thread's buffers that grew beyond this, for large messages, are given back.
const KEPT_BUFFER: usize = 1024 * 1024;

/// How long a closing connection tries to get its last bytes out.
const LAST_WORDS: Duration = Duration::from_secs(3);

struct Buffers {
    input: Vec<u8>,
    output: BytesMut,
    work: Workspace,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers {
        input: vec![0; READ_BUFFER],
        output: BytesMut::with_capacity(WRITE_BUFFER),
        work: Workspace::default(),
    });
}

struct Served {
    socket: TcpStream,
    session: Session,
    /// What was read and is not handled: the beginning of a frame, or more if it is held.
    partial: BytesMut,
    /// There may be whole frames in `partial`, which wait until the peer has taken the answers to those before them, or
    /// until the store has done what one of those asked for.
    held: bool,
    /// What the peer has not taken yet.
    unsent: BytesMut,
    /// There may be more in the outbox than was encoded.
    more: bool,
    /// The peer is gone, as was seen when its heartbeats were looked for.
    lost: bool,
}

/// What to do after a turn of work.
enum Turn {
    Wait,
    Again,
    /// As `Again`, and the peer keeps a thread busy.
    Flooded,
    End,
}

/// Serves a connection until it ends or is hung up on.
pub(super) async fn serve(socket: TcpStream, peer: SocketAddr, node: Arc<Node>, hang_up: CancellationToken) {
    let mut served = Served::new(socket, Session::open(&node, peer));
    tokio::select! {
        () = served.run(&node) => {}
        () = hang_up.cancelled() => {}
    }
    served.finish().await;
    tracing::debug!("AMQP connection {peer} is closed");
}

impl Served {
    /// Works and waits until the connection ends.
    async fn run(&mut self, node: &Node) {
        loop {
            self.session.answer_questions();
            match self.turn() {
                Turn::Again => {
                    self.tick_if_due(node);
                    tokio::task::yield_now().await;
                }
                Turn::Flooded => {
                    self.tick_if_due(node);
                    threads::give_way().await;
                }
                Turn::Wait => self.wait(node).await,
                Turn::End => return,
            }
        }
    }

    fn new(socket: TcpStream, mut session: Session) -> Self {
        if let Ok(local) = socket.local_addr() {
            session.came_to(local);
        }
        let (partial, unsent) = (BytesMut::new(), BytesMut::new());
        Self { socket, session, partial, held: false, unsent, more: false, lost: false }
    }

    /// Reads, handles, encodes and writes what can be without waiting.
    fn turn(&mut self) -> Turn {
        BUFFERS.with_borrow_mut(|buffers| {
            let Buffers { input, output, work } = buffers;
            let read = self.read(input, output, work);
            let wrote = self.write_deliveries(output, work);
            if output.capacity() > KEPT_BUFFER {
                *output = BytesMut::with_capacity(WRITE_BUFFER);
            }
            let lost = self.lost || read.is_err() || wrote.is_err();
            if lost || (self.session.is_closed() && self.unsent.is_empty()) {
                return Turn::End;
            }
            let length = read.unwrap_or_default();
            let progress = length > 0 || (self.more && self.unsent.is_empty()) || (self.held && self.reads());
            match progress {
                true if length >= FLOOD => Turn::Flooded,
                true => Turn::Again,
                false => Turn::Wait,
            }
        })
    }

    /// Writes what there is to say, and deliveries as long as there are any and the peer takes them.
    fn write_deliveries(&mut self, output: &mut BytesMut, work: &mut Workspace) -> io::Result<()> {
        for _ in 0..WRITES {
            if self.unsent.len() < UNSENT_LIMIT {
                self.more = self.session.drain(WRITE_BUFFER, work, output);
            }
            self.write(output)?;
            if !self.more || !self.unsent.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Whether the peer is read from: not while it leaves too much unread, nor while the session waits for the store.
    fn reads(&self) -> bool {
        self.unsent.len() < UNREAD_LIMIT && !self.session.is_closed() && !self.session.is_paused()
    }

    /// Reads once and handles it; 0 when there is nothing now.
    fn read(&mut self, input: &mut [u8], output: &mut BytesMut, work: &mut Workspace) -> io::Result<usize> {
        if !self.reads() {
            return Ok(0);
        }
        if self.held {
            return Ok(self.handle_held(output, work));
        }
        if !self.partial.is_empty() {
            return self.read_on(input, output, work);
        }
        let length = match self.socket.try_read(input) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        self.handle(input.get(..length).unwrap_or_default(), output, work);
        Ok(length)
    }

    /// Handles what was read and keeps the rest.
    fn handle(&mut self, bytes: &[u8], output: &mut BytesMut, work: &mut Workspace) {
        let consumed = self.session.receive(bytes, UNREAD_LIMIT, work, output);
        self.partial.extend_from_slice(bytes.get(consumed..).unwrap_or_default());
        self.held = (output.len() >= UNREAD_LIMIT || self.session.is_paused()) && !self.partial.is_empty();
    }

    /// Handles what was read before, in place; returns how much of it.
    fn handle_held(&mut self, output: &mut BytesMut, work: &mut Workspace) -> usize {
        let consumed = self.session.receive(&self.partial, UNREAD_LIMIT, work, output);
        self.partial.advance(consumed);
        self.held = (output.len() >= UNREAD_LIMIT || self.session.is_paused()) && !self.partial.is_empty();
        if self.partial.is_empty() {
            self.partial = BytesMut::new();
        }
        consumed
    }

    /// As `read`, where a frame has begun before.
    fn read_on(&mut self, input: &mut [u8], output: &mut BytesMut, work: &mut Workspace) -> io::Result<usize> {
        let begun = self.partial.len();
        // A short beginning moves into the large buffer; a long one is read on in place, or it would move each time.
        if begun <= READ_BUFFER / 16 {
            let Some((front, rest)) = input.split_at_mut_checked(begun) else { return Ok(0) };
            let length = match self.socket.try_read(rest) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                Err(error) => return Err(error),
            };
            front.copy_from_slice(&self.partial);
            self.partial = BytesMut::new();
            self.handle(input.get(..begun + length).unwrap_or_default(), output, work);
            return Ok(length);
        }
        self.partial.reserve(READ_BUFFER / 2);
        let length = match self.socket.try_read_buf(&mut self.partial) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        self.handle_held(output, work);
        Ok(length)
    }

    /// Sees whether a peer that is not read from is alive: a client that is busy still sends heartbeats, and one that
    /// hangs must not keep its messages for ever. What it says is handled when it is read from again.
    fn look_for_life(&mut self) {
        if self.partial.len() >= UNHANDLED_LIMIT {
            return self.session.note_received();
        }
        let mut octets = [0; SIGN_OF_LIFE];
        match self.socket.try_read(&mut octets) {
            // What waits for the store still counts, though its peer is gone: the end is seen behind it.
            Ok(0) => self.lost = !self.session.is_paused(),
            Ok(length) => {
                self.partial.extend_from_slice(octets.get(..length).unwrap_or_default());
                self.held = true;
                self.session.note_received();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.lost = true,
        }
    }

    /// Writes what was left before, then what is new; keeps what the peer does not take.
    fn write(&mut self, output: &mut BytesMut) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.socket.try_write(&self.unsent) {
                Ok(length) => self.sent(length),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if self.unsent.is_empty() {
            self.unsent = BytesMut::new();
            while !output.is_empty() {
                match self.socket.try_write(output) {
                    Ok(length) => {
                        output.advance(length);
                        self.session.note_sent();
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        self.keep_unsent(output);
        Ok(())
    }

    /// Keeps what the peer does not take. What is much is not copied: it is as much memory again.
    fn keep_unsent(&mut self, output: &mut BytesMut) {
        if self.unsent.is_empty() && output.len() > WRITE_BUFFER {
            self.unsent = std::mem::replace(output, BytesMut::with_capacity(WRITE_BUFFER));
            return;
        }
        self.unsent.extend_from_slice(output);
        output.clear();
    }

    fn sent(&mut self, length: usize) {
        self.unsent.advance(length);
        self.session.note_sent();
    }

    /// Waits for something to do.
    async fn wait(&mut self, node: &Node) {
        let undelivered = self.unsent.len() >= UNSENT_LIMIT || self.session.is_closed();
        let interest = match (self.reads(), self.unsent.is_empty()) {
            (true, true) => Some(Interest::READABLE),
            (true, false) => Some(Interest::READABLE | Interest::WRITABLE),
            (false, false) => Some(Interest::WRITABLE),
            // Only the store, or time, can bring something to do.
            (false, true) => None,
        };
        let deadline = self.session.next_deadline().map(|at| node.clock.instant(at));
        let outbox = Arc::clone(self.session.outbox());
        let due = tokio::select! {
            // An error shows at the next read or write.
            _ready = ready(&self.socket, interest) => false,
            () = outbox.arrival(), if !undelivered => false,
            () = outbox.question() => false,
            () = sleep_until(deadline) => true,
        };
        if due {
            self.tick();
        }
    }

    /// A connection that always has something to do never waits, and yet time passes for it.
    fn tick_if_due(&mut self, node: &Node) {
        if self.session.next_deadline().is_some_and(|deadline| deadline <= node.clock.now()) {
            self.tick();
        }
    }

    fn tick(&mut self) {
        if !self.reads() && !self.session.is_closed() {
            self.look_for_life();
        }
        BUFFERS.with_borrow_mut(|buffers| {
            self.session.tick(&mut buffers.work, &mut buffers.output);
            self.unsent.extend_from_slice(&buffers.output);
            buffers.output.clear();
        });
    }

    /// Gives back what the connection holds, and tries to get the last bytes out.
    async fn finish(&mut self) {
        BUFFERS.with_borrow_mut(|buffers| {
            self.session.end(&mut buffers.work, &mut buffers.output);
            buffers.output.clear();
        });
        let last_words = async {
            while !self.unsent.is_empty() && self.socket.writable().await.is_ok() {
                match self.socket.try_write(&self.unsent) {
                    Ok(length) => self.unsent.advance(length),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        };
        // A peer that takes nothing loses them.
        let _sent = tokio::time::timeout(LAST_WORDS, last_words).await;
    }
}

async fn ready(socket: &TcpStream, interest: Option<Interest>) -> io::Result<()> {
    match interest {
        Some(interest) => socket.ready(interest).await.map(drop),
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
