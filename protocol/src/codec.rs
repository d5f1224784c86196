//! A codec of whole frames for `tokio_util`, for clients, tests and tools. A broker that counts nanoseconds
//! uses [`frame::split`](crate::frame::split) and [`fast`](crate::fast) instead.

use bytes::{BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::frame::{FRAME_END, FRAME_HEAD, FrameError, FrameKind, RawFrame, Split, split, write_frame_head};
use crate::{ContentError, ContentHeader, Method, MethodError};

/// Octets of a protocol header.
const PROTOCOL_HEADER_LEN: usize = 8;
/// How every protocol header begins.
const PROTOCOL_NAME: &[u8] = b"AMQP";

/// A frame with its payload decoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// What a client sends first, and what a server answers that speaks another version. Read only at the
    /// beginning of a stream.
    ProtocolHeader([u8; PROTOCOL_HEADER_LEN]),
    /// A method.
    Method {
        /// The channel.
        channel: u16,
        /// The method.
        method: Method,
    },
    /// A content header.
    Header {
        /// The channel.
        channel: u16,
        /// The header.
        header: ContentHeader,
    },
    /// A piece of a body.
    Body {
        /// The channel.
        channel: u16,
        /// The octets, shared with the buffer they came in.
        payload: Bytes,
    },
    /// A sign of life.
    Heartbeat {
        /// The channel: 0 in a proper heartbeat.
        channel: u16,
    },
}

/// Why a stream of octets has no further frames, or a frame cannot be written.
#[derive(thiserror::Error, Debug)]
pub enum CodecError {
    /// The octets are not a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The payload of a method frame is not a method.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// The payload of a header frame is not a content header.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A body piece of more octets than the size of a frame can tell.
    #[error("a body of {len} octets does not fit one frame")]
    BodyTooLong {
        /// Octets of the piece.
        len: usize,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Reads and writes [`Frame`]s.
#[derive(Clone, Debug)]
pub struct AmqpCodec {
    frame_max: u32,
    /// Whether anything but a protocol header was read; from then on none can come.
    begun: bool,
}

impl AmqpCodec {
    /// A codec that refuses to read frames larger than `frame_max` octets; 0 is no limit.
    #[must_use]
    pub const fn new(frame_max: u32) -> Self {
        Self { frame_max, begun: false }
    }

    /// Changes the limit, as after connection.tune-ok.
    pub const fn set_frame_max(&mut self, frame_max: u32) {
        self.frame_max = frame_max;
    }
}

/// What may be a protocol header.
enum Beginning {
    Header([u8; PROTOCOL_HEADER_LEN]),
    Incomplete,
    Other,
}

fn beginning(input: &[u8]) -> Beginning {
    let seen = input.len().min(PROTOCOL_NAME.len());
    if input.get(..seen) != PROTOCOL_NAME.get(..seen) {
        return Beginning::Other;
    }
    match input.first_chunk() {
        Some(header) => Beginning::Header(*header),
        None => Beginning::Incomplete,
    }
}

impl Decoder for AmqpCodec {
    type Item = Frame;
    type Error = CodecError;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        if !self.begun {
            match beginning(input) {
                Beginning::Header(header) => {
                    self.begun = true;
                    drop(input.split_to(PROTOCOL_HEADER_LEN));
                    return Ok(Some(Frame::ProtocolHeader(header)));
                }
                Beginning::Incomplete => return Ok(None),
                Beginning::Other => self.begun = true,
            }
        }
        let (kind, channel, consumed) = match split(input, self.frame_max)? {
            Split::Incomplete { needed } => {
                input.reserve(needed.saturating_sub(input.len()));
                return Ok(None);
            }
            Split::Frame { frame: RawFrame { kind, channel, .. }, consumed } => (kind, channel, consumed),
        };
        let payload = input.split_to(consumed).freeze().slice(FRAME_HEAD..consumed - 1);
        let frame = match kind {
            FrameKind::Method => Frame::Method { channel, method: Method::decode(&payload)? },
            FrameKind::Header => Frame::Header { channel, header: ContentHeader::decode(&payload)? },
            FrameKind::Body => Frame::Body { channel, payload },
            FrameKind::Heartbeat => Frame::Heartbeat { channel },
        };
        Ok(Some(frame))
    }
}

impl Encoder<Frame> for AmqpCodec {
    type Error = CodecError;

    fn encode(&mut self, frame: Frame, out: &mut BytesMut) -> Result<(), CodecError> {
        match frame {
            Frame::ProtocolHeader(header) => out.put_slice(&header),
            Frame::Method { channel, method } => method.write_frame(channel, out),
            Frame::Header { channel, header } => header.write_frame(channel, out),
            Frame::Body { channel, payload } => {
                let len = payload.len();
                let size = u32::try_from(len).map_err(|_| CodecError::BodyTooLong { len })?;
                write_frame_head(out, FrameKind::Body, channel, size);
                out.put_slice(&payload);
                out.put_u8(FRAME_END);
            }
            Frame::Heartbeat { channel } => {
                write_frame_head(out, FrameKind::Heartbeat, channel, 0);
                out.put_u8(FRAME_END);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PROTOCOL_HEADER;
    use crate::method::any_method;
    use crate::samples;
    use proptest::prelude::*;

    fn any_frame() -> impl Strategy<Value = Frame> {
        prop_oneof![
            (any::<u16>(), any_method()).prop_map(|(channel, method)| Frame::Method { channel, method }),
            (any::<u16>(), samples::header()).prop_map(|(channel, header)| Frame::Header { channel, header }),
            (any::<u16>(), any::<Vec<u8>>())
                .prop_map(|(channel, payload)| Frame::Body { channel, payload: payload.into() }),
            any::<u16>().prop_map(|channel| Frame::Heartbeat { channel }),
        ]
    }

    proptest! {
        #[test]
        fn frames_survive_a_stream_in_pieces(
            frames in proptest::collection::vec(any_frame(), 0..8),
            with_header: bool,
            piece in 1..64_usize,
        ) {
            let first = with_header.then_some(Frame::ProtocolHeader(PROTOCOL_HEADER));
            let frames: Vec<_> = first.into_iter().chain(frames).collect();
            let mut codec = AmqpCodec::new(0);
            let mut stream = BytesMut::new();
            for frame in &frames {
                codec.encode(frame.clone(), &mut stream).unwrap();
            }
            let mut seen = Vec::new();
            let mut input = BytesMut::new();
            for piece in stream.chunks(piece) {
                input.extend_from_slice(piece);
                while let Some(frame) = codec.decode(&mut input).unwrap() {
                    seen.push(frame);
                }
            }
            prop_assert!(input.is_empty());
            prop_assert_eq!(seen, frames);
        }

        #[test]
        fn any_octets_are_frames_or_an_error(octets: Vec<u8>) {
            let mut codec = AmqpCodec::new(4096);
            let mut input = BytesMut::from(&octets[..]);
            while let Ok(Some(_)) = codec.decode(&mut input) {}
        }
    }

    #[test]
    fn a_protocol_header_comes_only_first() {
        let mut codec = AmqpCodec::new(4096);
        let mut input = BytesMut::from(&[PROTOCOL_HEADER, PROTOCOL_HEADER].concat()[..]);
        let first = codec.decode(&mut input).unwrap();
        assert_eq!(first, Some(Frame::ProtocolHeader(PROTOCOL_HEADER)));
        assert!(matches!(codec.decode(&mut input), Err(CodecError::Frame(_))));
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_before_it_is_there() {
        let mut codec = AmqpCodec::new(0);
        codec.set_frame_max(4096);
        let mut input = BytesMut::from(&[3, 0, 1, 0, 1, 0, 0][..]);
        let error = codec.decode(&mut input).unwrap_err();
        assert_eq!(error.to_string(), "type 3, all octets = <<>>: {frame_too_large,65536,4088}");
    }
}
