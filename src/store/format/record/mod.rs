//! Records: length, crc, type and flags, then what the type holds. Each verifies by itself when it is read back alone.

mod put;
mod requeue;
mod settle;

use bytes::{Buf, BufMut};

pub(crate) use self::put::{Put, put};
pub(crate) use self::requeue::{Requeue, requeue};
pub(crate) use self::settle::{Settle, settle};

/// Bytes before the fields: length, crc, type, flags.
const HEADER: usize = 10;
/// Bytes that the crc does not cover: the length and itself.
const UNCOVERED: usize = 8;

const PUT: u8 = 1;
const SETTLE: u8 = 2;
const REQUEUE: u8 = 3;

/// Bytes that are no record of this format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record cannot be read")]
pub(crate) struct Malformed;

/// A record whose length is known and nothing more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    crc: u32,
    covered: &'a [u8],
}

/// A record with its meaning.
#[derive(Clone, Debug)]
pub(crate) enum Record<'a> {
    /// A message came to queues.
    Put(Put<'a>),
    /// Messages left a queue for good.
    Settle(Settle<'a>),
    /// A message went back to its place in a queue.
    Requeue(Requeue),
}

impl<'a> Raw<'a> {
    /// Takes a record from the front of `bytes`.
    #[inline]
    pub(crate) fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let mut fields = bytes;
        let length = fields.try_get_u32_le().map_err(|_| Malformed)?;
        let crc = fields.try_get_u32_le().map_err(|_| Malformed)?;
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        if length < HEADER {
            return Err(Malformed);
        }
        let (covered, rest) = fields.split_at_checked(length - UNCOVERED).ok_or(Malformed)?;
        Ok((Self { crc, covered }, rest))
    }

    /// Bytes of the record, its header included.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.covered.len() + UNCOVERED).unwrap_or(u32::MAX)
    }

    /// Whether the bytes are those that were written.
    pub(crate) fn verifies(&self) -> bool {
        crc32c::crc32c(self.covered) == self.crc
    }

    /// What it says; does not look at the crc.
    #[inline]
    pub(crate) fn parse(&self) -> Result<Record<'a>, Malformed> {
        let [kind, flags, fields @ ..] = self.covered else { return Err(Malformed) };
        match *kind {
            PUT => Put::decode(*flags, fields).map(Record::Put),
            SETTLE => Settle::decode(fields).map(Record::Settle),
            REQUEUE => Requeue::decode(fields).map(Record::Requeue),
            _ => Err(Malformed),
        }
    }
}

/// Appends a record; how many bytes it has.
#[inline]
fn encode(out: &mut Vec<u8>, kind: u8, flags: u8, fields: impl FnOnce(&mut Vec<u8>)) -> u32 {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, kind, flags]);
    fields(out);
    let Some((mut head, covered)) = out.get_mut(start..).and_then(|record| record.split_at_mut_checked(UNCOVERED))
    else {
        return 0;
    };
    let length = u32::try_from(covered.len() + UNCOVERED).unwrap_or(u32::MAX);
    head.put_u32_le(length);
    head.put_u32_le(crc32c::crc32c(covered));
    length
}
