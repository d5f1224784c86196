//! The content header: what is sent between a method with content and its body.

mod error;
mod view;

#[cfg(test)]
mod tests;

pub use error::ContentError;
pub use view::HeaderView;

use bytes::{BufMut, BytesMut};
use nom::error::Error;
use nom::number::complete::{be_u16, be_u64};
use nom::{IResult, Parser};

use crate::Properties;
use crate::frame::{FrameKind, write_frame};

/// A content header, decoded in full. A broker that only passes messages on wants [`HeaderView`].
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ContentHeader {
    /// The class of the method before it; only class 60 (basic) has content.
    pub class_id: u16,
    /// Always 0; RabbitMQ takes anything else for no content header.
    pub weight: u16,
    /// Octets of the body, over all its frames. After 0 no body frame follows.
    pub body_size: u64,
    /// The properties of the message.
    pub properties: Properties,
}

impl ContentHeader {
    /// A header of class basic.
    #[must_use]
    pub const fn new(body_size: u64, properties: Properties) -> Self {
        Self { class_id: crate::basic::CLASS_ID, weight: 0, body_size, properties }
    }

    /// Reads the payload of a header frame.
    ///
    /// # Errors
    /// A [`ContentError`] when the octets are not exactly a content header.
    pub fn decode(payload: &[u8]) -> Result<Self, ContentError> {
        let (rest, (class_id, weight, body_size)) = fixed(payload).map_err(|_| ContentError::Truncated)?;
        Ok(Self { class_id, weight, body_size, properties: Properties::decode(rest)? })
    }

    /// Appends the payload of a header frame.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u16(self.class_id);
        out.put_u16(self.weight);
        out.put_u64(self.body_size);
        self.properties.encode(out);
    }

    /// Appends a whole header frame.
    pub fn write_frame(&self, channel: u16, out: &mut BytesMut) {
        write_frame(out, FrameKind::Header, channel, |out| self.encode(out));
    }
}

type Parsed<'a> = IResult<&'a [u8], (u16, u16, u64), Error<&'a [u8]>>;

/// The fields before the property flags.
fn fixed(input: &[u8]) -> Parsed<'_> {
    (be_u16, be_u16, be_u64).parse(input)
}
