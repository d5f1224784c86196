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
    write_frame_head(out, FrameKind::Method, channel, size(len));
    out.put_u16(CLASS_ID);
    out.put_u16(Deliver::METHOD_ID);
    out.put_u8(u8::try_from(consumer_tag.len()).unwrap_or(u8::MAX));
    out.put_slice(consumer_tag);
    out.put_u64(delivery_tag);
    out.put_u8(u8::from(redelivered));
    out.put_slice(names);
    out.put_u8(FRAME_END);
    write_frames(out, channel, header, body, body_max);
}

/// Appends a content header and a body as whole frames, to follow any method with content. The arguments are
/// those of [`write_deliver`].
#[inline]
pub fn write_content(out: &mut BytesMut, channel: u16, header: &[u8], body: &[u8], body_max: usize) {
    out.reserve(content_len(header, body, body_max));
    write_frames(out, channel, header, body, body_max);
}

fn write_frames(out: &mut BytesMut, channel: u16, header: &[u8], body: &[u8], body_max: usize) {
    write_frame(out, FrameKind::Header, channel, header);
    for piece in body.chunks(piece_max(body_max)) {
        write_frame(out, FrameKind::Body, channel, piece);
    }
}

fn write_frame(out: &mut BytesMut, kind: FrameKind, channel: u16, payload: &[u8]) {
    write_frame_head(out, kind, channel, size(payload.len()));
    out.put_slice(payload);
    out.put_u8(FRAME_END);
}

/// Octets of the frames of header and body.
fn content_len(header: &[u8], body: &[u8], body_max: usize) -> usize {
    let pieces = body.len().div_ceil(piece_max(body_max));
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
