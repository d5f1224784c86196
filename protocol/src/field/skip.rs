//! Walks over a field table without building it: the check that every published header gets.

use super::{MAX_TABLE_DEPTH, TableError};

/// Checks lengths, tags and depth of a table with its length in front, and returns what follows it. Accepts
/// exactly what [`FieldTable::decode`](super::FieldTable::decode) accepts, and allocates nothing.
///
/// # Errors
/// A [`TableError`] when the octets are not a table.
pub fn skip_table(input: &[u8]) -> Result<&[u8], TableError> {
    let (body, rest) = sized(input)?;
    entries(body, 1)?;
    Ok(rest)
}

fn entries(mut input: &[u8], depth: usize) -> Result<(), TableError> {
    check_depth(depth)?;
    while let Some((len, after)) = input.split_first() {
        input = value(take(after, usize::from(*len))?.1, depth)?;
    }
    Ok(())
}

fn elements(mut input: &[u8], depth: usize) -> Result<(), TableError> {
    check_depth(depth)?;
    while !input.is_empty() {
        input = value(input, depth)?;
    }
    Ok(())
}

const fn check_depth(depth: usize) -> Result<(), TableError> {
    if depth > MAX_TABLE_DEPTH {
        return Err(TableError::TooDeep);
    }
    Ok(())
}

fn value(input: &[u8], depth: usize) -> Result<&[u8], TableError> {
    let (tag, input) = input.split_first().ok_or(TableError::Truncated)?;
    let fixed = match tag {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'l' | b'L' | b'd' | b'T' => 8,
        b'S' | b'x' => return sized(input).map(|(_, rest)| rest),
        b'A' => {
            let (body, rest) = sized(input)?;
            elements(body, depth + 1)?;
            return Ok(rest);
        }
        b'F' => {
            let (body, rest) = sized(input)?;
            entries(body, depth + 1)?;
            return Ok(rest);
        }
        tag => return Err(TableError::UnknownTag { tag: *tag }),
    };
    take(input, fixed).map(|(_, rest)| rest)
}

/// What a 32-bit length in front announces, and what follows.
fn sized(input: &[u8]) -> Result<(&[u8], &[u8]), TableError> {
    let (len, rest) = input.split_first_chunk().ok_or(TableError::Truncated)?;
    let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| TableError::Truncated)?;
    take(rest, len)
}

fn take(input: &[u8], len: usize) -> Result<(&[u8], &[u8]), TableError> {
    input.split_at_checked(len).ok_or(TableError::Truncated)
}
