//! The header of a frame: what one group commit wrote, all of it or nothing.

use bytes::{Buf, BufMut};

use crate::store::Position;

/// Bytes of a frame before its records.
pub(crate) const FRAME_HEADER: u32 = 48;
/// Flag: the records are settles only, so that nobody waits for it.
pub(crate) const SETTLES_ONLY: u8 = 1;
/// Flag: no records, written to be a witness of the durable position when the log falls idle.
pub(crate) const IDLE_SEAL: u8 = 2;

const LENGTH: usize = FRAME_HEADER as usize;
const MAGIC: u32 = u32::from_le_bytes(*b"LVFR");
const VERSION: u8 = 1;

/// What a frame says of itself and of the log before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// Where it begins; a frame found elsewhere is none.
    pub(crate) position: Position,
    /// Everything before it was synced when the frame was written.
    pub(crate) durable: Position,
    /// Bytes of records behind the header, padding included: a multiple of 8.
    pub(crate) body_length: u32,
    /// How many records.
    pub(crate) records: u32,
    /// CRC-32C of the body with its padding.
    pub(crate) body_crc: u32,
    /// `SETTLES_ONLY`, `IDLE_SEAL`.
    pub(crate) flags: u8,
}

impl FrameHeader {
    /// The bytes, checked by a crc that only the file's salt gives.
    pub(crate) fn encode(&self, salt: u64) -> [u8; LENGTH] {
        let mut covered = [0; LENGTH - 8];
        let mut rest = &mut covered[..];
        rest.put_u64_le(self.position.0);
        rest.put_u64_le(self.durable.0);
        rest.put_u32_le(self.body_length);
        rest.put_u32_le(self.records);
        rest.put_u32_le(self.body_crc);
        rest.put_u8(VERSION);
        rest.put_u8(self.flags);
        rest.put_u16_le(0);
        rest.put_u64_le(0);
        let mut out = [0; LENGTH];
        let mut rest = &mut out[..];
        rest.put_u32_le(MAGIC);
        rest.put_u32_le(salted_crc(salt, &covered));
        rest.put_slice(&covered);
        out
    }

    /// The header in front of `bytes`, if one verifies there that belongs to `position`.
    pub(crate) fn decode(mut bytes: &[u8], salt: u64, position: Position) -> Option<Self> {
        if bytes.try_get_u32_le() != Ok(MAGIC) {
            return None;
        }
        let crc = bytes.try_get_u32_le().ok()?;
        let mut covered = bytes.get(..LENGTH - 8)?;
        if salted_crc(salt, covered) != crc {
            return None;
        }
        let at = Position(covered.get_u64_le());
        let durable = Position(covered.get_u64_le());
        let body_length = covered.get_u32_le();
        let records = covered.get_u32_le();
        let body_crc = covered.get_u32_le();
        let version = covered.get_u8();
        let flags = covered.get_u8();
        let sound = at == position && durable <= at && version == VERSION && body_length.is_multiple_of(8);
        sound.then_some(Self { position, durable, body_length, records, body_crc, flags })
    }

    /// Whether it can be the magic of a frame: a quick look while searching for one.
    pub(crate) fn may_begin(bytes: &[u8]) -> bool {
        bytes.get(..4) == Some(&MAGIC.to_le_bytes())
    }
}

/// How long a body gets that has so many bytes of records.
pub(crate) const fn padded(length: usize) -> usize {
    length.next_multiple_of(8)
}

fn salted_crc(salt: u64, covered: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), covered)
}
