//! Finds the first frame in a stream of octets.

use nom::error::Error;
use nom::number::complete::{be_u8, be_u16, be_u32};
use nom::{IResult, Parser};

use super::{FRAME_END, FRAME_HEAD, FRAME_OVERHEAD, FrameError, FrameKind, RawFrame, Snippet};

/// Octets of the shortest method: its class and method id.
const METHOD_MIN: usize = 4;
/// Octets of the shortest content header that RabbitMQ takes for one: all but the property flags.
const HEADER_MIN: usize = 12;

/// What the first octets of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split<'a> {
    /// The beginning of a frame.
    Incomplete {
        /// Octets of the whole frame, or of its head when that is not there yet. Never more than frame-max + 8.
        needed: usize,
    },
    /// A whole frame.
    Frame {
        /// The frame.
        frame: RawFrame<'a>,
        /// Its octets in the stream; the next frame begins behind them.
        consumed: usize,
    },
}

/// Finds the first frame. A frame-max of 0 means no limit; else a payload may have that many octets, which is
/// eight more than the protocol allows (RabbitMQ: several clients forget the overhead).
///
/// # Errors
/// A [`FrameError`] (501), as soon as it is certain: one about the size needs only the head.
#[inline]
pub fn split(input: &[u8], frame_max: u32) -> Result<Split<'_>, FrameError> {
    let Ok((rest, (kind, channel, size))) = head(input) else {
        return Ok(Split::Incomplete { needed: FRAME_HEAD });
    };
    if frame_max != 0 && size > frame_max {
        return Err(too_large(kind, size, frame_max));
    }
    let Ok(len) = usize::try_from(size) else {
        return Err(too_large(kind, size, frame_max));
    };
    let Some((payload, [end, ..])) = rest.split_at_checked(len) else {
        return Ok(Split::Incomplete { needed: len.saturating_add(FRAME_OVERHEAD) });
    };
    if *end != FRAME_END {
        return Err(FrameError::InvalidEnd { frame: Snippet::new(kind, payload), end: *end });
    }
    let Some(kind) = known(kind, len) else {
        return Err(FrameError::UnknownKind { frame: Snippet::new(kind, payload) });
    };
    let frame = RawFrame { kind, channel, payload };
    Ok(Split::Frame { frame, consumed: len + FRAME_OVERHEAD })
}

/// Octet of the kind, channel and size.
type Head<'a> = IResult<&'a [u8], (u8, u16, u32), Error<&'a [u8]>>;

#[inline]
fn head(input: &[u8]) -> Head<'_> {
    (be_u8, be_u16, be_u32).parse(input)
}

/// The kind, unless it does not exist or cannot have a payload of this length (RabbitMQ calls both unknown).
#[inline]
fn known(kind: u8, len: usize) -> Option<FrameKind> {
    let kind = FrameKind::from_octet(kind)?;
    let fits = match kind {
        FrameKind::Method => len >= METHOD_MIN,
        FrameKind::Header => len >= HEADER_MIN,
        FrameKind::Body => true,
        FrameKind::Heartbeat => len == 0,
    };
    fits.then_some(kind)
}

#[cold]
fn too_large(kind: u8, size: u32, frame_max: u32) -> FrameError {
    let limit = frame_max.saturating_sub(8);
    FrameError::TooLarge { kind, size, limit }
}
