//! A message that went back to its place in a queue, with how often it was delivered so far.

use super::{Malformed, REQUEUE, encode};
use crate::store::QueueKey;
use crate::store::format::varint;

/// Which message went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Requeue {
    /// The queue.
    pub(crate) queue: QueueKey,
    /// The message's sequence number there.
    pub(crate) sequence: u64,
    /// Deliveries so far.
    pub(crate) deliveries: u64,
}

/// Appends a requeue; how many bytes it has.
pub(crate) fn requeue(out: &mut Vec<u8>, requeue: &Requeue) -> u32 {
    encode(out, REQUEUE, 0, |out| {
        varint::write(out, requeue.queue.0);
        varint::write(out, requeue.sequence);
        varint::write(out, requeue.deliveries);
    })
}

impl Requeue {
    pub(super) fn decode(mut fields: &[u8]) -> Result<Self, Malformed> {
        let mut number = || varint::read(&mut fields).ok_or(Malformed);
        let requeue = Self { queue: QueueKey(number()?), sequence: number()?, deliveries: number()? };
        if fields.is_empty() { Ok(requeue) } else { Err(Malformed) }
    }
}
