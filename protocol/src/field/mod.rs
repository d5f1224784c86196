//! Field tables and their values: the arguments of methods and the headers of messages.
//!
//! The tags are those of RabbitMQ and its clients, which differ from the AMQP 0-9-1 specification.

mod decode;
pub(crate) mod encode;
mod error;
mod skip;
mod table;
mod value;

#[cfg(test)]
mod tests;

pub use error::TableError;
pub use skip::skip_table;
pub use table::FieldTable;
pub use value::FieldValue;

/// How many tables and arrays may lie in one another, the outermost counted. RabbitMQ has no bound; here
/// the bound keeps recursion off the end of the stack.
pub const MAX_TABLE_DEPTH: usize = 64;
