//! A message, once, with every queue that it came to and its sequence number there.

use super::{Malformed, PUT, encode};
use crate::store::QueueKey;
use crate::store::format::varint;

/// Flag: written only because it had to leave memory; a restart forgets it.
const TRANSIENT: u8 = 1;

/// A message and where it went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Put<'a> {
    /// Whether a restart forgets it.
    pub(crate) transient: bool,
    /// What was put; opaque.
    pub(crate) payload: &'a [u8],
    targets: &'a [u8],
}

/// Appends a put; how many bytes it has.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, targets: &[(QueueKey, u64)], transient: bool, payload: &[&[u8]]) -> u32 {
    encode(out, PUT, if transient { TRANSIENT } else { 0 }, |out| {
        varint::write(out, targets.len() as u64);
        for (queue, sequence) in targets {
            varint::write(out, queue.0);
            varint::write(out, *sequence);
        }
        for part in payload {
            out.extend_from_slice(part);
        }
    })
}

impl<'a> Put<'a> {
    #[inline]
    pub(super) fn decode(flags: u8, fields: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = fields;
        let count = varint::read(&mut rest).ok_or(Malformed)?;
        let begin = rest;
        for _ in 0..count {
            target(&mut rest).ok_or(Malformed)?;
        }
        let targets = begin.get(..begin.len() - rest.len()).ok_or(Malformed)?;
        Ok(Self { transient: flags & TRANSIENT != 0, payload: rest, targets })
    }

    /// The queues, each with the sequence number that the message has there.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (QueueKey, u64)> + use<'a> {
        let mut rest = self.targets;
        std::iter::from_fn(move || target(&mut rest))
    }
}

#[inline]
fn target(rest: &mut &[u8]) -> Option<(QueueKey, u64)> {
    Some((QueueKey(varint::read(rest)?), varint::read(rest)?))
}
