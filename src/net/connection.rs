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

use crate::node::Node;
use crate::node::session::{Session, Workspace};

/// Read at once. Large, because everything that is read together is handled under few locks and few writes.
const READ_BUFFER: usize = 256 * 1024;

/// Encoded at once before it is written.
const WRITE_BUFFER: usize = 256 * 1024;

/// A peer that leaves this much unread is not read from: its requests would only add to it.
const UNSENT_LIMIT: usize = 256 * 1024;

/// Read from a peer that is not read from otherwise, so that its signs of life are seen.
const SIGN_OF_LIFE: usize = 4 * 1024;

/// What is kept of a peer that says much and takes nothing. Beyond this, that it goes on is not seen any more.
const UNHANDLED_LIMIT: usize = 64 * 1024;

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
    /// The beginning of a frame that is not complete, or what was read while the peer left too much unread.
    partial: BytesMut,
    /// There may be complete frames in `partial`.
    unhandled: bool,
    /// What the peer has not taken yet.
    unsent: BytesMut,
    /// There may be more in the outbox than was encoded.
    more: bool,
    lost: bool,
}

/// What to do after a turn of work.
enum Turn {
    Wait,
    Again,
    End,
}

pub(super) async fn serve(socket: TcpStream, peer: SocketAddr, node: Arc<Node>) {
    let mut served = Served::new(socket, Session::open(&node, peer));
    loop {
        match served.turn() {
            Turn::Again => tokio::task::yield_now().await,
            Turn::Wait => served.wait(&node).await,
            Turn::End => break,
        }
    }
    served.finish().await;
    tracing::debug!("AMQP connection {peer} is closed");
}

impl Served {
    fn new(socket: TcpStream, session: Session) -> Self {
        let (partial, unsent) = (BytesMut::new(), BytesMut::new());
        Self { socket, session, partial, unhandled: false, unsent, more: false, lost: false }
    }

    /// The peer leaves so much unread that it is not read from.
    fn is_held_up(&self) -> bool {
        self.unsent.len() >= UNSENT_LIMIT
    }

    /// Reads, handles, encodes and writes what can be without waiting.
    fn turn(&mut self) -> Turn {
        BUFFERS.with_borrow_mut(|buffers| {
            let Buffers { input, output, work } = buffers;
            let read = self.read(input, output, work);
            if !self.is_held_up() {
                self.more = self.session.drain(WRITE_BUFFER, work, output);
            }
            let wrote = self.write(output);
            if output.capacity() > KEPT_BUFFER {
                *output = BytesMut::with_capacity(WRITE_BUFFER);
            }
            let lost = self.lost || read.is_err() || wrote.is_err();
            if lost || (self.session.is_closed() && self.unsent.is_empty()) {
                return Turn::End;
            }
            let progress = read.is_ok_and(|length| length > 0) || (self.more && self.unsent.is_empty());
            if progress { Turn::Again } else { Turn::Wait }
        })
    }

    /// Reads once and handles it; 0 when there is nothing now.
    fn read(&mut self, input: &mut [u8], output: &mut BytesMut, work: &mut Workspace) -> io::Result<usize> {
        if self.is_held_up() || self.session.is_closed() {
            return Ok(0);
        }
        if std::mem::take(&mut self.unhandled) {
            return Ok(self.handle_partial(output, work));
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
        let bytes = input.get(..length).unwrap_or_default();
        let consumed = self.session.receive(bytes, work, output);
        self.partial.extend_from_slice(bytes.get(consumed..).unwrap_or_default());
        Ok(length)
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
            let bytes = input.get(..begun + length).unwrap_or_default();
            let consumed = self.session.receive(bytes, work, output);
            self.partial.extend_from_slice(bytes.get(consumed..).unwrap_or_default());
            return Ok(length);
        }
        self.partial.reserve(READ_BUFFER / 2);
        let length = match self.socket.try_read_buf(&mut self.partial) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        self.handle_partial(output, work);
        Ok(length)
    }

    /// Handles what is complete in `partial`; returns how much that is.
    fn handle_partial(&mut self, output: &mut BytesMut, work: &mut Workspace) -> usize {
        let consumed = self.session.receive(&self.partial, work, output);
        self.partial.advance(consumed);
        if self.partial.is_empty() {
            self.partial = BytesMut::new();
        }
        consumed
    }

    /// Sees whether a peer that is held up is alive: a client that is busy still sends heartbeats, and one that hangs
    /// must not keep its messages for ever. What it says is handled once it takes what it is owed.
    fn look_for_life(&mut self) {
        if self.partial.len() >= UNHANDLED_LIMIT {
            return self.session.note_received();
        }
        let mut octets = [0; SIGN_OF_LIFE];
        match self.socket.try_read(&mut octets) {
            Ok(0) => self.lost = true,
            Ok(length) => {
                self.partial.extend_from_slice(octets.get(..length).unwrap_or_default());
                self.unhandled = true;
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
        self.unsent.extend_from_slice(output);
        output.clear();
        Ok(())
    }

    fn sent(&mut self, length: usize) {
        self.unsent.advance(length);
        self.session.note_sent();
    }

    /// Waits for something to do.
    async fn wait(&mut self, node: &Node) {
        let full = self.is_held_up() || self.session.is_closed();
        let interest = match (full, self.unsent.is_empty()) {
            (true, _) => Interest::WRITABLE,
            (false, true) => Interest::READABLE,
            (false, false) => Interest::READABLE | Interest::WRITABLE,
        };
        let deadline = self.session.next_deadline().map(|at| node.clock.instant(at));
        let outbox = Arc::clone(self.session.outbox());
        let due = tokio::select! {
            // An error shows at the next read or write.
            _ready = self.socket.ready(interest) => false,
            () = outbox.arrival(), if !full => false,
            () = sleep_until(deadline) => true,
        };
        if due {
            self.tick();
        }
    }

    fn tick(&mut self) {
        if self.is_held_up() {
            self.look_for_life();
        }
        BUFFERS.with_borrow_mut(|buffers| {
            self.session.tick(&mut buffers.work, &mut buffers.output);
            self.unsent.extend_from_slice(&buffers.output);
            buffers.output.clear();
        });
    }

    /// Gives back what the connection holds, and tries to get the last bytes out.
    async fn finish(mut self) {
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

async fn sleep_until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Shutdown};

    use leveret_protocol::{PROTOCOL_HEADER, frame};
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::Config;

    /// A connection on its way, and its peer's end.
    async fn pair() -> (Served, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, address) = listener.accept().await.unwrap();
        let node = Arc::new(Node::new(&Config::default()).unwrap());
        (Served::new(socket, Session::open(&node, address)), peer)
    }

    /// Leaves so much unsent that the peer is not read from.
    fn hold_up(served: &mut Served) -> usize {
        served.unsent = BytesMut::from(frame::HEARTBEAT.repeat(UNSENT_LIMIT / frame::HEARTBEAT.len()).as_slice());
        served.unsent.len()
    }

    #[tokio::test]
    async fn what_a_held_up_peer_says_is_seen_at_once_and_handled_later() {
        let (mut served, mut peer) = pair().await;
        let owed = hold_up(&mut served);
        peer.try_write(&PROTOCOL_HEADER).unwrap();
        served.socket.readable().await.unwrap();
        served.look_for_life();
        assert_eq!((&served.partial[..], served.unhandled, served.lost), (&PROTOCOL_HEADER[..], true, false));
        // Nothing more comes, but what was said is answered: with connection.start, a method frame on channel 0.
        let mut answer = vec![0; owed + 11];
        let reading = peer.read_exact(&mut answer);
        let serving = async {
            while !matches!(served.turn(), Turn::Wait) || served.is_held_up() || served.unhandled {
                served.socket.writable().await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            read = reading => assert_eq!(read.unwrap(), owed + 11),
            () = serving => {}
        }
        assert_eq!(answer[owed..owed + 3], [1, 0, 0]);
        assert_eq!(answer[owed + 7..], [0, 10, 0, 10], "connection.start");
    }

    #[tokio::test]
    async fn a_held_up_peer_that_has_closed_its_side_is_lost() {
        let (mut served, peer) = pair().await;
        hold_up(&mut served);
        let peer = peer.into_std().unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        served.socket.readable().await.unwrap();
        served.look_for_life();
        assert!(served.lost);
        assert!(matches!(served.turn(), Turn::End));
    }

    #[tokio::test]
    async fn what_is_kept_of_a_held_up_peer_is_bounded() {
        let (mut served, peer) = pair().await;
        hold_up(&mut served);
        let said = vec![8; 8 * UNHANDLED_LIMIT];
        let mut rest = &said[..];
        while served.partial.len() < UNHANDLED_LIMIT {
            if let Ok(length) = peer.try_write(rest) {
                rest = &rest[length..];
            }
            served.socket.readable().await.unwrap();
            served.look_for_life();
        }
        let kept = served.partial.len();
        served.look_for_life();
        assert_eq!(served.partial.len(), kept);
        assert!(kept < UNHANDLED_LIMIT + SIGN_OF_LIFE);
    }
}
