//! AMQP 0-9-1 bytes to values and back, as RabbitMQ and its clients speak it. No state, no IO.
//!
//! Owns the wire: frames, methods, field tables, properties, content headers and reply codes. What a
//! method means, and in which order methods may come, is not decided here.

#![forbid(unsafe_code)]

pub mod codec;
pub mod content;
pub mod erlang;
pub mod fast;
pub mod field;
pub mod frame;
pub mod method;
pub mod properties;
pub mod reply_code;
pub mod string;

#[cfg(test)]
mod samples;

pub use codec::{AmqpCodec, CodecError, Frame};
pub use content::{ContentError, ContentHeader, HeaderView};
pub use field::{FieldTable, FieldValue, MAX_TABLE_DEPTH, TableError};
pub use frame::{FRAME_END, FRAME_MIN_SIZE, FRAME_OVERHEAD, FrameError, FrameKind, PROTOCOL_HEADER, RawFrame, Split};
pub use method::{Method, MethodError, method_name};
pub use method::{access, basic, channel, confirm, connection, exchange, queue, tx};
pub use properties::{Properties, PropertiesError};
pub use reply_code::ReplyCode;
pub use string::{ShortString, TooLong};
