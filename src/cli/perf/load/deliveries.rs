//! Deliveries put together from frames, as far as a load tool looks at them. Knows no socket.

use leveret_protocol::fast::deliver;
use leveret_protocol::{FrameKind, RawFrame};

use super::message::Stamp;
use crate::cli::perf::error::PerfError;

/// A delivery that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) delivery_tag: u64,
    pub(super) redelivered: bool,
    /// Octets of the body.
    pub(super) size: u64,
    pub(super) stamp: Option<Stamp>,
}

/// What a frame was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// A part of a delivery that goes on.
    Part,
    Delivery(Delivery),
    /// The payload of another method.
    Method(&'a [u8]),
}

/// The delivery that is coming in on a channel.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    current: Option<Delivery>,
    /// Octets of the body that are still to come; nothing before the header.
    missing: Option<u64>,
}

impl Deliveries {
    /// Takes the next frame of the channel.
    #[inline]
    pub(super) fn take<'a>(&mut self, frame: RawFrame<'a>) -> Result<Heard<'a>, PerfError> {
        match frame.kind {
            FrameKind::Method => Ok(self.method(frame.payload)),
            FrameKind::Header => self.header(frame.payload),
            FrameKind::Body => self.body(frame.payload),
            FrameKind::Heartbeat => Ok(Heard::Part),
        }
    }

    #[inline]
    fn method<'a>(&mut self, payload: &'a [u8]) -> Heard<'a> {
        let Some(view) = deliver(payload) else {
            return Heard::Method(payload);
        };
        let (delivery_tag, redelivered) = (view.delivery_tag, view.redelivered);
        self.current = Some(Delivery { delivery_tag, redelivered, size: 0, stamp: None });
        self.missing = None;
        Heard::Part
    }

    #[inline]
    fn header(&mut self, payload: &[u8]) -> Result<Heard<'static>, PerfError> {
        // Class and weight, four octets, come before the size; the properties do not matter here.
        let size = payload.get(4..).and_then(|rest| rest.first_chunk()).map(|size| u64::from_be_bytes(*size));
        let (Some(delivery), Some(size), None) = (&mut self.current, size, self.missing) else {
            return Err(misplaced("a content header"));
        };
        delivery.size = size;
        self.missing = Some(size);
        Ok(self.completed())
    }

    #[inline]
    fn body(&mut self, payload: &[u8]) -> Result<Heard<'static>, PerfError> {
        let (Some(delivery), Some(missing)) = (&mut self.current, self.missing) else {
            return Err(misplaced("a body"));
        };
        if missing == delivery.size {
            delivery.stamp = Stamp::read(payload);
        }
        self.missing = missing.checked_sub(payload.len() as u64);
        if self.missing.is_none() {
            return Err(misplaced("more body than it had announced"));
        }
        Ok(self.completed())
    }

    #[inline]
    fn completed(&mut self) -> Heard<'static> {
        if self.missing != Some(0) {
            return Heard::Part;
        }
        self.missing = None;
        self.current.take().map_or(Heard::Part, Heard::Delivery)
    }
}

#[cold]
fn misplaced(what: &str) -> PerfError {
    PerfError::Unexpected(what.to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use leveret_protocol::fast::write_deliver;
    use leveret_protocol::frame::split;
    use leveret_protocol::{ContentHeader, Properties, Split};

    use super::*;

    fn delivery(tag: u64, body: &[u8], body_max: usize) -> BytesMut {
        let mut header = BytesMut::new();
        ContentHeader::new(body.len() as u64, Properties::default()).encode(&mut header);
        let mut out = BytesMut::new();
        write_deliver(&mut out, 1, b"consumer", tag, tag == 2, b"\0\x01q", &header, body, body_max);
        out
    }

    fn heard(octets: &[u8]) -> Result<Vec<Delivery>, PerfError> {
        let (mut deliveries, mut rest, mut heard) = (Deliveries::default(), octets, Vec::new());
        while let Split::Frame { frame, consumed } = split(rest, 0).unwrap() {
            if let Heard::Delivery(delivery) = deliveries.take(frame)? {
                heard.push(delivery);
            }
            rest = &rest[consumed..];
        }
        Ok(heard)
    }

    #[test]
    fn deliveries_are_complete_with_their_last_octet() {
        let stamp = Stamp { due: 5, run: 9 };
        let body = [&5_u64.to_be_bytes()[..], &9_u32.to_be_bytes(), b"rest of it"].concat();
        let octets = [delivery(1, &body, 15), delivery(2, b"", 0), delivery(3, b"short", 0)].concat();
        let expected = [
            Delivery { delivery_tag: 1, redelivered: false, size: 22, stamp: Some(stamp) },
            Delivery { delivery_tag: 2, redelivered: true, size: 0, stamp: None },
            Delivery { delivery_tag: 3, redelivered: false, size: 5, stamp: None },
        ];
        assert_eq!(heard(&octets).unwrap(), expected);
        assert_eq!(heard(&octets[..octets.len() - 1]).unwrap(), expected[..2]);
    }

    #[test]
    fn a_body_that_nothing_announced_is_an_error() {
        let whole = delivery(1, b"body", 0);
        let end = whole.len() - 12;
        assert!(heard(&whole[end..]).is_err());
        let twice = [&whole[..], &whole[end..]].concat();
        assert!(heard(&twice).unwrap_err().to_string().contains("a body"));
    }

    #[test]
    fn other_methods_are_handed_on() {
        let frame = RawFrame { kind: FrameKind::Method, channel: 1, payload: &[0, 60, 0, 31, 0] };
        assert_eq!(Deliveries::default().take(frame).unwrap(), Heard::Method(frame.payload));
    }
}
