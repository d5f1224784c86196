//! Ranges of sequence numbers in a row: each start as the distance from the end before, then the length less one.

use std::ops::RangeInclusive;

use crate::store::format::varint;

/// Writes ranges; empty ones are left out.
pub(super) fn write(value: &mut Vec<u8>, ranges: &[RangeInclusive<u64>]) {
    let mut before = 0;
    for range in ranges.iter().filter(|range| !range.is_empty()) {
        varint::write(value, varint::fold(range.start().wrapping_sub(before)));
        varint::write(value, range.end() - range.start());
        before = *range.end();
    }
}

/// Reads what `write` wrote, to the end of the value. `None`: it is something else.
pub(super) fn read(mut value: &[u8]) -> Option<Vec<RangeInclusive<u64>>> {
    let mut ranges = Vec::new();
    let mut before = 0_u64;
    while !value.is_empty() {
        let start = before.wrapping_add(varint::unfold(varint::read(&mut value)?));
        let end = start.checked_add(varint::read(&mut value)?)?;
        before = end;
        ranges.push(start..=end);
    }
    Some(ranges)
}
