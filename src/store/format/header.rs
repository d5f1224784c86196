//! The first 4096 bytes of a log file: which number it holds, written twice so that one damaged sector does not lose it.

use bytes::{Buf, BufMut};

use crate::store::{FileNumber, Position};

/// Where frames begin.
pub(crate) const CONTENT_START: u32 = 4096;
const PAGE: usize = 4096;
const SECOND_COPY: usize = 2048;
const LENGTH: usize = 48;
const MAGIC: [u8; 8] = *b"LEVERLOG";
/// The format that this program writes, and the only one it reads.
const VERSION: u16 = 1;

/// What a log file says of itself.
///
/// It is written only after everything before `previous_end` was synced, so that a header that verifies is a witness:
/// whatever is missing before `previous_end` is damage and not a torn tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    /// Which file of the log this is.
    pub(crate) number: FileNumber,
    /// Drawn anew each time the slot takes a number: frames of an earlier use do not verify with it.
    pub(crate) salt: u64,
    /// Where the log's content before this file ends. Numbers between that file's and this one's are void.
    pub(crate) previous_end: Position,
    /// Up to where content was synced before this header was written.
    pub(crate) durable: Position,
}

/// What the first page of a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderPage {
    /// Never used: zeros, or nothing at all, or part of a copy that was being written.
    Blank,
    /// At least one copy verifies; the later one when they differ.
    Valid(FileHeader),
    /// Verifies, and is of another version of the format.
    Version(u16),
    /// Two copies, neither of which verifies.
    Damaged,
}

impl FileHeader {
    /// The whole first page, with both copies.
    pub(crate) fn page(&self) -> [u8; PAGE] {
        let copy = self.encode();
        let mut page = [0; PAGE];
        for half in page.chunks_exact_mut(SECOND_COPY) {
            if let Some(place) = half.get_mut(..LENGTH) {
                place.copy_from_slice(&copy);
            }
        }
        page
    }

    fn encode(&self) -> [u8; LENGTH] {
        let mut covered = [0; LENGTH - 12];
        let mut rest = &mut covered[..];
        rest.put_u16_le(VERSION);
        rest.put_u16_le(0);
        rest.put_u32_le(self.number.0);
        rest.put_u32_le(0);
        rest.put_u64_le(self.salt);
        rest.put_u64_le(self.previous_end.0);
        rest.put_u64_le(self.durable.0);
        let mut out = [0; LENGTH];
        let mut rest = &mut out[..];
        rest.put_slice(&MAGIC);
        rest.put_u32_le(crc32c::crc32c(&covered));
        rest.put_slice(&covered);
        out
    }

    fn decode(copy: &[u8]) -> HeaderPage {
        let Some((magic, mut rest)) = copy.split_at_checked(MAGIC.len()) else { return blank_or_damaged(copy) };
        let (Ok(crc), covered) = (rest.try_get_u32_le(), rest) else { return blank_or_damaged(copy) };
        if magic != MAGIC || covered.len() != LENGTH - 12 || crc32c::crc32c(covered) != crc {
            return blank_or_damaged(copy);
        }
        let version = rest.get_u16_le();
        if version != VERSION {
            return HeaderPage::Version(version);
        }
        rest.advance(2);
        let number = FileNumber(rest.get_u32_le());
        rest.advance(4);
        HeaderPage::Valid(Self {
            number,
            salt: rest.get_u64_le(),
            previous_end: Position(rest.get_u64_le()),
            durable: Position(rest.get_u64_le()),
        })
    }
}

impl HeaderPage {
    /// Bytes of the page to read.
    pub(crate) const LENGTH: usize = PAGE;

    /// Reads a page, which is shorter when the file is.
    pub(crate) fn decode(page: &[u8]) -> Self {
        let first = FileHeader::decode(page.get(..LENGTH).unwrap_or(page));
        let tail = page.get(SECOND_COPY..).unwrap_or_default();
        let second = FileHeader::decode(tail.get(..LENGTH).unwrap_or(tail));
        match (first, second) {
            (Self::Valid(first), Self::Valid(second)) => {
                Self::Valid(if second.number > first.number { second } else { first })
            }
            (Self::Valid(one), _) | (_, Self::Valid(one)) => Self::Valid(one),
            (Self::Version(one), _) | (_, Self::Version(one)) => Self::Version(one),
            // A write that failed half-way, the first in this file, leaves part of one copy.
            (Self::Blank, _) | (_, Self::Blank) => Self::Blank,
            (Self::Damaged, Self::Damaged) => Self::Damaged,
        }
    }
}

fn blank_or_damaged(copy: &[u8]) -> HeaderPage {
    if copy.iter().all(|byte| *byte == 0) { HeaderPage::Blank } else { HeaderPage::Damaged }
}
