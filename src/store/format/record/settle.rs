//! Messages that left a queue for good: ranges of sequence numbers, each as its distance from the one before.

use std::ops::RangeInclusive;

use super::{Malformed, SETTLE, encode};
use crate::store::QueueKey;
use crate::store::format::varint;

/// Which messages left which queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settle<'a> {
    /// The queue.
    pub(crate) queue: QueueKey,
    ranges: &'a [u8],
}

/// Appends a settle; how many bytes it has. Empty ranges are left out.
pub(crate) fn settle(out: &mut Vec<u8>, queue: QueueKey, ranges: &[RangeInclusive<u64>]) -> u32 {
    let ranges = ranges.iter().filter(|range| !range.is_empty());
    encode(out, SETTLE, 0, |out| {
        varint::write(out, queue.0);
        varint::write(out, ranges.clone().count() as u64);
        let mut before = 0;
        for range in ranges {
            varint::write(out, varint::fold(range.start().wrapping_sub(before)));
            varint::write(out, range.end() - range.start());
            before = *range.end();
        }
    })
}

impl<'a> Settle<'a> {
    pub(super) fn decode(fields: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = fields;
        let queue = QueueKey(varint::read(&mut rest).ok_or(Malformed)?);
        let count = varint::read(&mut rest).ok_or(Malformed)?;
        let settle = Self { queue, ranges: rest };
        let mut before = 0;
        for _ in 0..count {
            before = *range(&mut rest, before).ok_or(Malformed)?.end();
        }
        if rest.is_empty() { Ok(settle) } else { Err(Malformed) }
    }

    /// The sequence numbers, in the order in which they were given.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u64>> + use<'a> {
        let mut rest = self.ranges;
        let mut before = 0;
        std::iter::from_fn(move || {
            let range = range(&mut rest, before)?;
            before = *range.end();
            Some(range)
        })
    }
}

fn range(rest: &mut &[u8], before: u64) -> Option<RangeInclusive<u64>> {
    let start = before.wrapping_add(varint::unfold(varint::read(rest)?));
    let end = start.checked_add(varint::read(rest)?)?;
    Some(start..=end)
}
