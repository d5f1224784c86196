//! Unsigned numbers in seven bits a byte, lowest first (LEB128), and signed ones folded into them.

/// Appends a number: 1 byte below 128, at most 10.
#[inline]
pub(in crate::store) fn write(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

/// Takes a number from the front; none when the bytes end early or say more than 64 bits.
#[inline]
pub(in crate::store) fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A difference as an unsigned number that is small when the difference is, whatever its sign.
pub(in crate::store) fn fold(difference: u64) -> u64 {
    (difference << 1) ^ (if difference >> 63 == 1 { u64::MAX } else { 0 })
}

/// The difference that `fold` was given.
pub(in crate::store) fn unfold(folded: u64) -> u64 {
    (folded >> 1) ^ (if folded & 1 == 1 { u64::MAX } else { 0 })
}

fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}
