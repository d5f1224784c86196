//! Where things are: files, positions in the log, the places of records. Owns no data and no files.

use std::fmt;

/// A queue, as the store knows it: a number that is never used for another queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueKey(pub u64);

/// Bits of a sequence number that hold its number. The eight above them are its *lane*, a level of priority. A queue has
/// one counter for all its lanes, so that no two of its messages have the same number; sequence numbers in order are
/// those of the first lane, then those of the next. Numbers never come to the end of a lane, so that no run and no range
/// goes on in another one.
pub const NUMBER_BITS: u32 = 56;

/// A sequence number without its lane.
#[must_use]
pub const fn number_of(sequence: u64) -> u64 {
    sequence & ((1 << NUMBER_BITS) - 1)
}

/// A file of records: the log's files count up from 1; segments count up by themselves and carry the top bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileNumber(pub u32);

impl FileNumber {
    const SEGMENT: u32 = 1 << 31;

    /// The segment of that number.
    #[must_use]
    pub const fn segment(number: u32) -> Self {
        Self(number | Self::SEGMENT)
    }

    /// Whether it is a segment rather than a file of the log.
    #[must_use]
    pub const fn is_segment(self) -> bool {
        self.0 & Self::SEGMENT != 0
    }

    /// The number without the mark of segments.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0 & !Self::SEGMENT
    }
}

/// A position in the log: the end of everything before it. Grows with every append and is what confirms wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// The byte `offset` of the log's file `file`.
    #[must_use]
    pub const fn new(file: FileNumber, offset: u32) -> Self {
        Self((file.0 as u64) << 32 | offset as u64)
    }

    /// The log's file that it lies in.
    #[must_use]
    pub const fn file(self) -> FileNumber {
        FileNumber((self.0 >> 32) as u32)
    }

    /// The byte in that file.
    #[must_use]
    pub const fn offset(self) -> u32 {
        (self.0 & 0xffff_ffff) as u32
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {} offset {}", self.file().0, self.offset())
    }
}

/// Where one record, or a run of them without anything between, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// In which file.
    pub file: FileNumber,
    /// From which byte.
    pub offset: u32,
    /// How many bytes.
    pub length: u32,
}

/// A run of records of one queue with consecutive sequence numbers, one behind the other in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    /// The first sequence number.
    pub first: u64,
    /// How many records, and so sequence numbers.
    pub count: u32,
    /// Where all of them are.
    pub location: Location,
}
