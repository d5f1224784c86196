//! Where stored messages are, as far as a queue has to know: it keeps places and hands them back, and never looks
//! inside a file.

use std::num::NonZeroU32;

use crate::broker::ids::SequenceNumber;

/// The most bytes that runs are joined to, so that one load reads no more (one large record apart).
pub const MAX_RUN_BYTES: u32 = 1 << 20;

/// Where one record, or a run of them without anything between, is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// In which file.
    pub file: NonZeroU32,
    /// From which byte.
    pub offset: u32,
    /// How many bytes.
    pub length: u32,
}

impl Place {
    /// Set in the number of a file that is a segment rather than a part of the log.
    pub const SEGMENT: u32 = 1 << 31;

    /// Whether the file is a segment.
    #[must_use]
    pub const fn is_in_segment(self) -> bool {
        self.file.get() & Self::SEGMENT != 0
    }

    /// Both places as one, when `next` begins where this one ends and a load may read both.
    fn joined(self, next: Self) -> Option<Self> {
        let adjacent = self.file == next.file && self.offset.checked_add(self.length)? == next.offset;
        let length = self.length.checked_add(next.length)?;
        (adjacent && length <= MAX_RUN_BYTES).then_some(Self { length, ..self })
    }
}

/// Records of one queue with consecutive sequence numbers, one behind the other in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    /// The first sequence number.
    pub first: SequenceNumber,
    /// How many records, and so sequence numbers; at least 1.
    pub count: u32,
    /// Where all of them are.
    pub place: Place,
}

impl Run {
    pub(super) const fn single(sequence: SequenceNumber, place: Place) -> Self {
        Self { first: sequence, count: 1, place }
    }

    /// The number behind the last one.
    pub(super) const fn end(&self) -> SequenceNumber {
        SequenceNumber(self.first.0.saturating_add(self.count as u64))
    }

    /// How many messages it is.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// Both runs as one, when `next` follows this one in number and in place.
    pub(super) fn joined(&self, next: &Self) -> Option<Self> {
        let place = (self.end() == next.first).then(|| self.place.joined(next.place))??;
        Some(Self { first: self.first, count: self.count.checked_add(next.count)?, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(first: u64, count: u32, offset: u32, length: u32) -> Run {
        let place = Place { file: NonZeroU32::MIN, offset, length };
        Run { first: SequenceNumber(first), count, place }
    }

    #[test]
    fn a_place_that_may_be_missing_takes_no_more_room_than_one() {
        assert_eq!(size_of::<Option<Place>>(), 12);
        assert_eq!(size_of::<Run>(), 24);
    }

    #[test]
    fn runs_join_when_they_follow_in_number_and_in_place() {
        assert_eq!(run(1, 2, 0, 20).joined(&run(3, 1, 20, 5)), Some(run(1, 3, 0, 25)));
        assert_eq!(run(1, 2, 0, 20).joined(&run(4, 1, 20, 5)), None, "a number is missing");
        assert_eq!(run(1, 2, 0, 20).joined(&run(3, 1, 28, 5)), None, "something is between");
        let other = Place { file: NonZeroU32::MAX, ..run(3, 1, 20, 5).place };
        assert_eq!(run(1, 2, 0, 20).joined(&Run { place: other, ..run(3, 1, 20, 5) }), None, "another file");
    }

    #[test]
    fn a_joined_run_is_never_more_than_a_load_may_read() {
        let half = MAX_RUN_BYTES / 2;
        assert!(run(1, 1, 0, half).joined(&run(2, 1, half, half)).is_some());
        assert_eq!(run(1, 1, 0, half).joined(&run(2, 1, half, half + 1)), None);
        assert_eq!(run(1, 1, u32::MAX - 4, 4).joined(&run(2, 1, u32::MAX, 4)).map(|run| run.count), Some(2));
        assert_eq!(run(1, 1, u32::MAX - 4, 8).joined(&run(2, 1, 3, 4)), None, "offsets do not wrap");
    }

    #[test]
    fn the_top_bit_of_a_file_marks_segments() {
        let place = |file| Place { file: NonZeroU32::new(file).unwrap(), offset: 0, length: 1 };
        assert!(!place(7).is_in_segment());
        assert!(place(7 | Place::SEGMENT).is_in_segment());
    }
}
