//! Methods: all classes of AMQP 0-9-1 with RabbitMQ's extensions, from one table.
//!
//! Owns names, ids, arguments and their encoding; knows nothing of who may send what, and when.

mod argument;
mod error;
mod macros;
mod table;

#[cfg(test)]
mod tests;

pub use error::MethodError;
#[cfg(test)]
pub(crate) use table::any_method;
pub use table::{Method, access, basic, channel, confirm, connection, exchange, method_name, queue, tx};

use bytes::BytesMut;

use crate::frame::{FrameKind, write_frame};

impl Method {
    /// Appends a whole method frame.
    pub fn write_frame(&self, channel: u16, out: &mut BytesMut) {
        write_frame(out, FrameKind::Method, channel, |out| self.encode(out));
    }
}
