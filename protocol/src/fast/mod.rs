//! Short cuts for the few methods that every message needs, beside the general parsers. Each has a test that
//! it says the same as the general way.

mod content;
mod read;
mod whole;

#[cfg(test)]
mod tests;

pub use content::{write_content, write_deliver};
pub use read::{DeliverView, PublishView, ack, deliver, publish};
pub use whole::{WholePublish, whole_publish};
