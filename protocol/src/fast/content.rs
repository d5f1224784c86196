//! Writes basic.deliver and content out of octets that are at hand already.

use bytes::{BufMut, BytesMut};

use crate::basic::{CLASS_ID, Deliver};
use crate::frame::{FRAME_END, FRAME_OVERHEAD, FrameKind, write_frame_head};
use crate::string::MAX_SHORT_STRING;

/// Octets of basic.deliver besides its three strings: ids, length of the consumer tag, delivery tag, redelivered.
const DELIVER_FIXED: usize = 4 + 1 + 8 + 1;

/// Appends basic.deliver, its content header and its body as whole frames.
///
/// `consumer_tag` has at most 255 octets (more are cut off). `names` is exchange and routing key with their
/// length octets, as in [`PublishView`](super::PublishView); `header` is the payload of the header frame.
/// `body_max` is the most octets of the body in one frame, 0 for all in one. An empty body has no frame.
#[inline]
#[expect(clippy::too_many_arguments, reason = "the parts of a delivery, as they lie in several places")]
pub fn write_deliver(
    out: &mut BytesMut,
    channel: u16,
    consumer_tag: &[u8],
    delivery_tag: u64,
    redelivered: bool,
    names: &[u8],
    header: &[u8],
    body: &[u8],
    body_max: usize,
) {
    let consumer_tag = consumer_tag.get(..MAX_SHORT_STRING).unwrap_or(consumer_tag);
    let len = DELIVER_FIXED + consumer_tag.len() + names.len();
    out.reserve(FRAME_OVERHEAD + len + content_len(header, body, body_max));
    let [c, h] = channel.to_be_bytes();
    let [s0, s1, s2, s3] = size(len).to_be_bytes();
    let [class_high, class_low] = CLASS_ID.to_be_bytes();
    let [method_high, method_low] = Deliver::METHOD_ID.to_be_bytes();
    let tag_length = u8::try_from(consumer_tag.len()).unwrap_or(u8::MAX);
    // Few large pieces: each one that is appended is checked for room.
    let kind = FrameKind::Method.octet();
    out.put_slice(&[kind, c, h, s0, s1, s2, s3, class_high, class_low, method_high, method_low, tag_length]);
    out.put_slice(consumer_tag);
    let [t0, t1, t2, t3, t4, t5, t6, t7] = delivery_tag.to_be_bytes();
    out.put_slice(&[t0, t1, t2, t3, t4, t5, t6, t7, u8::from(redelivered)]);
    out.put_slice(names);
    write_frames(out, Some(FRAME_END), channel, header, body, body_max);
}

/// Appends a content header and a body as whole frames, to follow any method with content. The arguments are
/// those of [`write_deliver`].
#[inline]
pub fn write_content(out: &mut BytesMut, channel: u16, header: &[u8], body: &[u8], body_max: usize) {
    out.reserve(content_len(header, body, body_max));
    write_frames(out, None, channel, header, body, body_max);
}

/// Appends the frames of header and body, behind the last octet of a frame that is open.
#[inline]
fn write_frames(out: &mut BytesMut, open: Option<u8>, channel: u16, header: &[u8], body: &[u8], body_max: usize) {
    match open {
        Some(end) => between(out, end, FrameKind::Header, channel, header.len()),
        None => write_frame_head(out, FrameKind::Header, channel, size(header.len())),
    }
    out.put_slice(header);
    let most = piece_max(body_max);
    if body.len() > most {
        return write_pieces(out, channel, body, most);
    }
    if !body.is_empty() {
        between(out, FRAME_END, FrameKind::Body, channel, body.len());
        out.put_slice(body);
    }
    out.put_u8(FRAME_END);
}

/// As the end of `write_frames`, for a body of several frames.
#[cold]
fn write_pieces(out: &mut BytesMut, channel: u16, body: &[u8], most: usize) {
    for piece in body.chunks(most) {
        between(out, FRAME_END, FrameKind::Body, channel, piece.len());
        out.put_slice(piece);
    }
    out.put_u8(FRAME_END);
}

/// Appends the last octet of one frame and the head of the next.
#[inline]
fn between(out: &mut BytesMut, end: u8, kind: FrameKind, channel: u16, len: usize) {
    let [c, h] = channel.to_be_bytes();
    let [s0, s1, s2, s3] = size(len).to_be_bytes();
    out.put_slice(&[end, kind.octet(), c, h, s0, s1, s2, s3]);
}

/// Octets of the frames of header and body.
fn content_len(header: &[u8], body: &[u8], body_max: usize) -> usize {
    let most = piece_max(body_max);
    // Without a division, as a rule.
    let pieces = if body.len() <= most { usize::from(!body.is_empty()) } else { body.len().div_ceil(most) };
    FRAME_OVERHEAD + header.len() + pieces * FRAME_OVERHEAD + body.len()
}

/// The most octets of a body frame; the size of a frame has 32 bits.
const fn piece_max(body_max: usize) -> usize {
    const LIMIT: usize = u32::MAX as usize;
    if body_max == 0 || body_max > LIMIT {
        return LIMIT;
    }
    body_max
}

/// The size of a frame as the wire has it.
fn size(len: usize) -> u32 {
    debug_assert!(u32::try_from(len).is_ok(), "a frame has at most 2^32 - 1 octets");
    u32::try_from(len).unwrap_or(u32::MAX)
}
