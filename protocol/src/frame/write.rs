//! Writes frames.

use bytes::{BufMut, BytesMut};

use super::{FRAME_END, FrameKind};
use crate::field::encode::with_length;

/// A whole heartbeat frame.
pub const HEARTBEAT: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, FRAME_END];

/// Appends the seven octets before a payload of the given length. The payload and [`FRAME_END`] must follow.
#[inline]
pub fn write_frame_head(out: &mut BytesMut, kind: FrameKind, channel: u16, payload_len: u32) {
    let [channel_high, channel_low] = channel.to_be_bytes();
    let [a, b, c, d] = payload_len.to_be_bytes();
    out.put_slice(&[kind.octet(), channel_high, channel_low, a, b, c, d]);
}

/// Appends a whole frame whose payload is what `write` appends.
pub fn write_frame(out: &mut BytesMut, kind: FrameKind, channel: u16, write: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind.octet());
    out.put_u16(channel);
    with_length(out, write);
    out.put_u8(FRAME_END);
}
