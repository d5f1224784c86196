//! The read buffer of a connection: many frames for each read, none of them copied.

use std::io;

use leveret_protocol::frame::FRAME_OVERHEAD;
use leveret_protocol::{FrameError, RawFrame, Split, frame::split};
use tokio::net::TcpStream;

/// The largest frame that is agreed to, in octets; RabbitMQ's and Leveret's own default.
pub(super) const FRAME_MAX: u32 = 131_072;

/// Octets of the buffer. Several of the largest frames have room, so it never has to grow.
const CAPACITY: usize = 512 * 1024;

/// What was read and not looked at yet.
#[derive(Debug)]
pub(in crate::cli::perf) struct Input {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Input {
    pub(super) fn new() -> Self {
        const { assert!(CAPACITY > 2 * (FRAME_MAX as usize + FRAME_OVERHEAD), "a frame has room behind another") };
        Self { buffer: vec![0; CAPACITY].into_boxed_slice(), start: 0, end: 0 }
    }

    /// The next whole frame, if it is there.
    #[inline]
    pub(in crate::cli::perf) fn next(&mut self) -> Result<Option<RawFrame<'_>>, FrameError> {
        let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
        match split(unread, FRAME_MAX)? {
            Split::Incomplete { .. } => Ok(None),
            Split::Frame { frame, consumed } => {
                self.start += consumed;
                Ok(Some(frame))
            }
        }
    }

    /// Reads what is there, as much as has room. The end of the stream is an error; so is [`io::ErrorKind::WouldBlock`].
    pub(in crate::cli::perf) fn fill(&mut self, stream: &TcpStream) -> io::Result<usize> {
        self.compact();
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        match stream.try_read(room)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.end += count;
                Ok(count)
            }
        }
    }

    /// Moves what is left to the front. All whole frames were taken before, so it is less than one frame.
    fn compact(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
    }

    /// The first octets, for a peer that answers with something other than frames.
    pub(super) fn peek(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }
}
