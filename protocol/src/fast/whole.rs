//! Finds a whole publish, method, content header and body, where all of it is in one buffer.

use super::read::{PUBLISH, PublishView, publish_arguments};
use crate::frame::{FRAME_END, FrameKind};

const METHOD: u8 = FrameKind::Method.octet();
const HEADER: u8 = FrameKind::Header.octet();
const BODY: u8 = FrameKind::Body.octet();

/// A publish in the octets it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholePublish<'a> {
    /// The channel of its frames.
    pub channel: u16,
    /// The method.
    pub publish: PublishView<'a>,
    /// The payload of the header frame: at least class, weight and body size.
    pub header: &'a [u8],
    /// The body: as long as the header says.
    pub body: &'a [u8],
    /// Octets of all its frames in the stream.
    pub consumed: usize,
}

/// Finds a basic.publish with its content at the front of a stream, the body in one frame or empty. A `frame_max` of 0 means no
/// limit. `None`: it is something else, not all there, or not in order; then [`split`](crate::frame::split) tells what, frame
/// by frame.
#[inline]
#[must_use]
pub fn whole_publish(input: &[u8], frame_max: u32) -> Option<WholePublish<'_>> {
    let most = if frame_max == 0 { u32::MAX } else { frame_max };
    let ([METHOD, c0, c1, s0, s1, s2, s3, ids @ ..], rest) = input.split_first_chunk::<11>()? else { return None };
    if *ids != PUBLISH {
        return None;
    }
    let (channel, size) = ([*c0, *c1], u32::from_be_bytes([*s0, *s1, *s2, *s3]));
    let arguments = length(size, most)?.checked_sub(PUBLISH.len())?;
    let (arguments, rest) = rest.split_at_checked(arguments)?;
    let publish = publish_arguments(arguments)?;
    let (size, rest) = next_head(rest, HEADER, channel)?;
    let (header, rest) = rest.split_at_checked(length(size, most)?)?;
    let [_, _, _, _, body_size @ ..] = header.first_chunk::<12>()?;
    let body_size = u64::from_be_bytes(*body_size);
    let (body, rest) = if body_size == 0 {
        (&[][..], rest)
    } else {
        let (size, rest) = next_head(rest, BODY, channel)?;
        if u64::from(size) != body_size {
            return None;
        }
        rest.split_at_checked(length(size, most)?)?
    };
    let [FRAME_END, rest @ ..] = rest else { return None };
    let consumed = input.len() - rest.len();
    Some(WholePublish { channel: u16::from_be_bytes(channel), publish, header, body, consumed })
}

/// The size of a frame that follows another one on the same channel, and what is behind its head.
#[inline]
fn next_head(input: &[u8], kind: u8, channel: [u8; 2]) -> Option<(u32, &[u8])> {
    let (head, rest) = input.split_first_chunk::<8>()?;
    let [end, next, c0, c1, size @ ..] = head;
    let fits = *end == FRAME_END && *next == kind && [*c0, *c1] == channel;
    fits.then(|| (u32::from_be_bytes(*size), rest))
}

#[inline]
fn length(size: u32, most: u32) -> Option<usize> {
    if size > most {
        return None;
    }
    usize::try_from(size).ok()
}
