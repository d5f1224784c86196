//! The properties of a message: the fourteen optional fields of a content header.

mod decode;
mod encode;
mod error;

#[cfg(test)]
mod tests;

pub use error::PropertiesError;

use bytes::BytesMut;

use crate::{FieldTable, ShortString};

pub(crate) mod flag {
    //! The bits of the property flags, one for each property (AMQP 0-9-1 4.2.6.1).

    pub(crate) const CONTENT_TYPE: u16 = 1 << 15;
    pub(crate) const CONTENT_ENCODING: u16 = 1 << 14;
    pub(crate) const HEADERS: u16 = 1 << 13;
    pub(crate) const DELIVERY_MODE: u16 = 1 << 12;
    pub(crate) const PRIORITY: u16 = 1 << 11;
    pub(crate) const CORRELATION_ID: u16 = 1 << 10;
    pub(crate) const REPLY_TO: u16 = 1 << 9;
    pub(crate) const EXPIRATION: u16 = 1 << 8;
    pub(crate) const MESSAGE_ID: u16 = 1 << 7;
    pub(crate) const TIMESTAMP: u16 = 1 << 6;
    pub(crate) const KIND: u16 = 1 << 5;
    pub(crate) const USER_ID: u16 = 1 << 4;
    pub(crate) const APP_ID: u16 = 1 << 3;
    pub(crate) const CLUSTER_ID: u16 = 1 << 2;
    /// The two lowest bits are no properties. RabbitMQ ignores them, the bit for more flags included.
    pub(crate) const ALL: u16 = 0xFFFC;
}

/// The properties of a message. `None` means that the property is absent from the wire, which is not the same
/// as an empty one.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Properties {
    /// MIME type of the body.
    pub content_type: Option<ShortString>,
    /// MIME encoding of the body.
    pub content_encoding: Option<ShortString>,
    /// Headers of the application; a headers exchange routes by them.
    pub headers: Option<FieldTable>,
    /// 2 is persistent; any other number, and none, is transient.
    pub delivery_mode: Option<u8>,
    /// The higher, the earlier from a priority queue.
    pub priority: Option<u8>,
    /// Tells the asker which question this answers.
    pub correlation_id: Option<ShortString>,
    /// The queue to answer to.
    pub reply_to: Option<ShortString>,
    /// Time to live, as a decimal number of milliseconds.
    pub expiration: Option<ShortString>,
    /// Id of the message, set by the application.
    pub message_id: Option<ShortString>,
    /// Seconds since 1970, set by the application.
    pub timestamp: Option<u64>,
    /// The property `type`: name of the message's type.
    pub kind: Option<ShortString>,
    /// The user who published; RabbitMQ checks it.
    pub user_id: Option<ShortString>,
    /// Id of the publishing application.
    pub app_id: Option<ShortString>,
    /// Reserved by AMQP 0-9-1.
    pub cluster_id: Option<ShortString>,
}

impl Properties {
    /// Reads the property flags and the properties, to the end of the input. The two lowest flag bits mean nothing.
    ///
    /// # Errors
    /// A [`PropertiesError`] when the octets are not exactly the properties that the flags announce.
    pub fn decode(input: &[u8]) -> Result<Self, PropertiesError> {
        decode::properties(input)
    }

    /// Appends the property flags and the properties.
    pub fn encode(&self, out: &mut BytesMut) {
        encode::properties(self, out);
    }

    /// The property flags: a bit for each property that is present.
    #[must_use]
    pub fn flags(&self) -> u16 {
        encode::flags(self)
    }
}
