//! Bytes of a segment besides its records: the header, the directory's entries, the footer. No file is touched here.

use bytes::{Buf, BufMut};

use crate::store::place::{Extent, FileNumber, Location, QueueKey};

/// Where records begin.
pub(super) const CONTENT_START: u32 = 32;
/// Bytes of an entry of the directory.
pub(super) const ENTRY: u32 = 32;
/// Bytes of the footer.
pub(super) const FOOTER: u32 = 40;

const HEADER_LENGTH: usize = CONTENT_START as usize;
const FOOTER_LENGTH: usize = FOOTER as usize;
const HEADER_MAGIC: [u8; 8] = *b"LEVERSEG";
const FOOTER_MAGIC: [u8; 8] = *b"LEVERDIR";
/// The format that this program writes, and the only one it reads.
const VERSION: u16 = 1;
/// Flag of an entry: its records are forgotten by a restart.
const TRANSIENT: u32 = 1;
/// Bytes in front of what a crc covers: magic and crc.
const UNCOVERED: usize = 12;

/// Why a header or footer is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Not what was written.
    Damaged,
    /// Of another version of the format.
    Version(u16),
}

/// What the directory says of an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) queue: QueueKey,
    pub(super) first: u64,
    pub(super) count: u32,
    pub(super) offset: u32,
    pub(super) length: u32,
    pub(super) transient: bool,
}

/// What the last bytes say of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) number: FileNumber,
    /// Records in all extents.
    pub(super) records: u64,
    pub(super) entries: u32,
    /// Where the directory begins and the records end.
    pub(super) directory: u32,
    pub(super) directory_crc: u32,
}

/// The first bytes of a segment.
pub(super) fn header(number: FileNumber) -> [u8; HEADER_LENGTH] {
    let mut covered = [0; HEADER_LENGTH - UNCOVERED];
    let mut rest = &mut covered[..];
    rest.put_u16_le(VERSION);
    rest.put_u16_le(0);
    rest.put_u32_le(number.number());
    sealed(HEADER_MAGIC, &covered)
}

/// Which segment the first bytes say this is.
pub(super) fn read_header(bytes: &[u8]) -> Result<FileNumber, Unusable> {
    let mut rest = unsealed(HEADER_MAGIC, bytes, HEADER_LENGTH)?;
    let mut number = || {
        rest.try_get_u16_le().ok()?;
        rest.try_get_u32_le().ok()
    };
    number().map(FileNumber::segment).ok_or(Unusable::Damaged)
}

impl Entry {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64_le(self.queue.0);
        out.put_u64_le(self.first);
        out.put_u32_le(self.count);
        out.put_u32_le(self.offset);
        out.put_u32_le(self.length);
        out.put_u32_le(if self.transient { TRANSIENT } else { 0 });
    }

    /// Takes an entry from the front.
    pub(super) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let queue = QueueKey(bytes.try_get_u64_le().ok()?);
        let first = bytes.try_get_u64_le().ok()?;
        let mut number = || bytes.try_get_u32_le().ok();
        let (count, offset, length, flags) = (number()?, number()?, number()?, number()?);
        Some(Self { queue, first, count, offset, length, transient: flags & TRANSIENT != 0 })
    }

    /// The extent that it is.
    pub(super) fn extent(&self, file: FileNumber) -> Extent {
        let location = Location { file, offset: self.offset, length: self.length };
        Extent { first: self.first, count: self.count, location }
    }
}

impl Footer {
    pub(super) fn encode(&self) -> [u8; FOOTER_LENGTH] {
        let mut covered = [0; FOOTER_LENGTH - UNCOVERED];
        let mut rest = &mut covered[..];
        rest.put_u16_le(VERSION);
        rest.put_u16_le(0);
        rest.put_u32_le(self.number.number());
        rest.put_u64_le(self.records);
        rest.put_u32_le(self.entries);
        rest.put_u32_le(self.directory);
        rest.put_u32_le(self.directory_crc);
        sealed(FOOTER_MAGIC, &covered)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unusable> {
        let mut rest = unsealed(FOOTER_MAGIC, bytes, FOOTER_LENGTH)?;
        let mut footer = || {
            rest.try_get_u16_le().ok()?;
            let number = FileNumber::segment(rest.try_get_u32_le().ok()?);
            let records = rest.try_get_u64_le().ok()?;
            let mut number_32 = || rest.try_get_u32_le().ok();
            let (entries, directory, directory_crc) = (number_32()?, number_32()?, number_32()?);
            Some(Self { number, records, entries, directory, directory_crc })
        };
        footer().ok_or(Unusable::Damaged)
    }
}

/// Magic, crc, and what the crc covers.
fn sealed<const LENGTH: usize>(magic: [u8; 8], covered: &[u8]) -> [u8; LENGTH] {
    let mut out = [0; LENGTH];
    let mut rest = &mut out[..];
    rest.put_slice(&magic);
    rest.put_u32_le(crc32c::crc32c(covered));
    rest.put_slice(covered);
    out
}

/// What is behind the version, if magic, crc and version are right.
fn unsealed(magic: [u8; 8], bytes: &[u8], length: usize) -> Result<&[u8], Unusable> {
    let mut rest = bytes.strip_prefix(&magic).filter(|_| bytes.len() == length).ok_or(Unusable::Damaged)?;
    let crc = rest.try_get_u32_le().map_err(|_| Unusable::Damaged)?;
    if crc32c::crc32c(rest) != crc {
        return Err(Unusable::Damaged);
    }
    match rest.try_get_u16_le() {
        Ok(VERSION) => Ok(rest),
        Ok(version) => Err(Unusable::Version(version)),
        Err(_) => Err(Unusable::Damaged),
    }
}
