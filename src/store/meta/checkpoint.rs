//! Checkpoints as rows: one for the log's first file, one for each segment, one for each queue, so that a new
//! checkpoint writes what differs. docs/storage-format.md describes every byte.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use thiserror::Error;

use super::{Change, CommitError, Fatal, Meta, Row, Space, ranges};
use crate::store::format::varint;
use crate::store::{Checkpoint, FileNumber, Position, QueueCheckpoint, QueueKey};

const FIRST_FILE: u8 = b'f';
const SEGMENT: u8 = b's';
const QUEUE: u8 = b'q';
const DELIVERIES: u8 = b'c';
const REACHED: u8 = b'l';
const GIVEN_UP: u8 = b'd';

/// What a checkpoint changes of the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointChange {
    /// The first file of the log that still counts.
    pub first_file: FileNumber,
    /// Segments that hold live records from now on.
    pub segments_added: Vec<FileNumber>,
    /// Segments that no longer do.
    pub segments_removed: Vec<FileNumber>,
    /// What is known of these queues from now on; nothing any more where there is none. Others stay as they were.
    pub queues: BTreeMap<QueueKey, Option<QueueCheckpoint>>,
}

/// Why the checkpoint cannot be read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The database failed.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// It cannot be changed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A row is not one that we write.
    #[error("meta.redb: the row {key:02x?} of the checkpoint is damaged")]
    Damaged {
        /// Which row.
        key: Vec<u8>,
    },
}

impl Meta {
    /// The last checkpoint; an empty one in a new store.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn checkpoint(&self) -> Result<Checkpoint, CheckpointError> {
        let mut checkpoint = Checkpoint::default();
        for row in self.all(Space::Checkpoint)? {
            take(&mut checkpoint, &row).ok_or(CheckpointError::Damaged { key: row.0 })?;
        }
        Ok(checkpoint)
    }

    /// Remembers that the log is durable up to there, which it has to be.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn note_reached(&self, reached: Position) -> Result<(), CommitError> {
        self.note_start(reached, &BTreeSet::new(), &BTreeSet::new())
    }

    /// As `note_reached`, and what was `given_up` for this start, in place of what was `before`.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn note_start(
        &self,
        reached: Position,
        before: &BTreeSet<Position>,
        given_up: &BTreeSet<Position>,
    ) -> Result<(), CommitError> {
        let mut changes = vec![Change::Put { key: vec![REACHED], value: reached.0.to_le_bytes().to_vec() }];
        changes.extend(before.difference(given_up).map(|at| Change::Remove { key: given_up_key(*at) }));
        let new = given_up.difference(before);
        changes.extend(new.map(|at| Change::Put { key: given_up_key(*at), value: Vec::new() }));
        self.commit_in_any_case(Space::Checkpoint, &changes)
    }

    /// Makes a checkpoint out of the last one, at once and lasting.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn commit_checkpoint(&self, change: &CheckpointChange) -> Result<(), CommitError> {
        let mut changes =
            vec![Change::Put { key: vec![FIRST_FILE], value: change.first_file.0.to_le_bytes().to_vec() }];
        let removed = change.segments_removed.iter().map(|file| Change::Remove { key: segment_key(*file) });
        let added = change.segments_added.iter().map(|file| Change::Put { key: segment_key(*file), value: Vec::new() });
        changes.extend(removed.chain(added));
        changes.extend(change.queues.iter().flat_map(|(queue, checkpoint)| queue_changes(*queue, checkpoint.as_ref())));
        self.commit_in_any_case(Space::Checkpoint, &changes)
    }
}

fn segment_key(file: FileNumber) -> Vec<u8> {
    [&[SEGMENT], file.0.to_be_bytes().as_slice()].concat()
}

fn given_up_key(at: Position) -> Vec<u8> {
    [&[GIVEN_UP], at.0.to_be_bytes().as_slice()].concat()
}

fn queue_changes(queue: QueueKey, checkpoint: Option<&QueueCheckpoint>) -> [Change; 2] {
    let key = |kind: u8| [&[kind], queue.0.to_be_bytes().as_slice()].concat();
    let Some(QueueCheckpoint { next_sequence, live, deliveries }) = checkpoint else {
        return [Change::Remove { key: key(QUEUE) }, Change::Remove { key: key(DELIVERIES) }];
    };
    let mut value = Vec::new();
    varint::write(&mut value, *next_sequence);
    ranges::write(&mut value, live);
    let queue = Change::Put { key: key(QUEUE), value };
    if deliveries.is_empty() {
        return [queue, Change::Remove { key: key(DELIVERIES) }];
    }
    let mut value = Vec::new();
    let mut before = 0;
    for (sequence, count) in deliveries {
        varint::write(&mut value, sequence - before);
        varint::write(&mut value, *count);
        before = *sequence;
    }
    [queue, Change::Put { key: key(DELIVERIES), value }]
}

fn take(checkpoint: &mut Checkpoint, (key, value): &Row) -> Option<()> {
    let (kind, name) = key.split_first()?;
    match *kind {
        FIRST_FILE => checkpoint.first_file = FileNumber(u32::from_le_bytes(value.as_slice().try_into().ok()?)),
        SEGMENT => checkpoint.segments.push(FileNumber(u32::from_be_bytes(name.try_into().ok()?))),
        QUEUE => {
            let queue = checkpoint.queues.entry(queue_key(name)?).or_default();
            (queue.next_sequence, queue.live) = next_and_live(value)?;
        }
        DELIVERIES => checkpoint.queues.entry(queue_key(name)?).or_default().deliveries = deliveries(value)?,
        REACHED => checkpoint.reached = Position(u64::from_le_bytes(value.as_slice().try_into().ok()?)),
        GIVEN_UP => _ = checkpoint.given_up.insert(Position(u64::from_be_bytes(name.try_into().ok()?))),
        _ => return None,
    }
    Some(())
}

fn queue_key(name: &[u8]) -> Option<QueueKey> {
    Some(QueueKey(u64::from_be_bytes(name.try_into().ok()?)))
}

fn next_and_live(mut value: &[u8]) -> Option<(u64, Vec<RangeInclusive<u64>>)> {
    Some((varint::read(&mut value)?, ranges::read(value)?))
}

fn deliveries(mut value: &[u8]) -> Option<BTreeMap<u64, u64>> {
    let mut counts = BTreeMap::new();
    let mut before = 0_u64;
    while !value.is_empty() {
        before = before.checked_add(varint::read(&mut value)?)?;
        counts.insert(before, varint::read(&mut value)?);
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::{Change, CheckpointChange, Meta, Space};
    use crate::store::disk::MemoryDisk;
    use crate::store::{Checkpoint, FileNumber, Position, QueueCheckpoint, QueueKey};
    use std::collections::{BTreeMap, BTreeSet};

    fn queue(next_sequence: u64, live: &[(u64, u64)]) -> QueueCheckpoint {
        let live = live.iter().map(|(first, last)| *first..=*last).collect();
        QueueCheckpoint { next_sequence, live, deliveries: BTreeMap::new() }
    }

    #[test]
    fn a_checkpoint_changes_what_differs_and_keeps_the_rest() {
        let disk = MemoryDisk::new();
        let meta = Meta::open(&disk).unwrap();
        assert_eq!(meta.checkpoint().unwrap(), Checkpoint::default());
        let (mut one, two, three) = (queue(9, &[(1, 3), (5, 5)]), queue(1, &[]), queue(u64::MAX, &[(0, u64::MAX)]));
        one.deliveries = BTreeMap::from([(0, 1), (3, 1), (5, u64::MAX), (u64::MAX, 2)]);
        let two = QueueCheckpoint { deliveries: BTreeMap::from([(1, 1)]), ..two };
        let (four, without) = (two.clone(), QueueCheckpoint { deliveries: BTreeMap::new(), ..two.clone() });
        let segments = [FileNumber::segment(1), FileNumber::segment(300)];
        meta.commit_checkpoint(&CheckpointChange {
            first_file: FileNumber(2),
            segments_added: segments.to_vec(),
            segments_removed: Vec::new(),
            queues: BTreeMap::from([
                (QueueKey(1), Some(one.clone())),
                (QueueKey(2), Some(two)),
                (QueueKey(4), Some(four)),
            ]),
        })
        .unwrap();
        meta.commit_checkpoint(&CheckpointChange {
            first_file: FileNumber(3),
            segments_added: vec![FileNumber::segment(2)],
            segments_removed: vec![FileNumber::segment(1)],
            queues: BTreeMap::from([
                (QueueKey(2), None),
                (QueueKey(4), Some(without.clone())),
                (QueueKey(300), Some(three.clone())),
            ]),
        })
        .unwrap();
        drop(meta);
        let expected = Checkpoint {
            first_file: FileNumber(3),
            segments: vec![FileNumber::segment(2), FileNumber::segment(300)],
            queues: BTreeMap::from([(QueueKey(1), one), (QueueKey(4), without), (QueueKey(300), three)]),
            ..Checkpoint::default()
        };
        assert_eq!(Meta::open(&disk).unwrap().checkpoint().unwrap(), expected);
    }

    #[test]
    fn rows_have_the_bytes_that_the_storage_format_tells() {
        let meta = Meta::open(&MemoryDisk::new()).unwrap();
        let deliveries = BTreeMap::from([(2, 3), (302, 1)]);
        let counted = QueueCheckpoint { deliveries, ..queue(300, &[(1, 3), (5, 5)]) };
        meta.commit_checkpoint(&CheckpointChange {
            first_file: FileNumber(0x0102),
            segments_added: vec![FileNumber::segment(0x0102)],
            segments_removed: Vec::new(),
            queues: BTreeMap::from([(QueueKey(0x0102), Some(counted))]),
        })
        .unwrap();
        let row = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
        let expected = [
            row(b"c\0\0\0\0\0\0\x01\x02", b"\x02\x03\xac\x02\x01"),
            row(b"f", b"\x02\x01\0\0"),
            row(b"q\0\0\0\0\0\0\x01\x02", b"\xac\x02\x02\x02\x04\0"),
            row(b"s\x80\0\x01\x02", b""),
        ];
        assert_eq!(meta.all(Space::Checkpoint).unwrap(), expected);
    }

    #[test]
    fn how_far_the_log_has_come_and_what_is_given_up_of_it_is_remembered() {
        let meta = Meta::open(&MemoryDisk::new()).unwrap();
        let places = |places: &[u64]| places.iter().copied().map(Position).collect::<BTreeSet<_>>();
        meta.note_start(Position(0x0102), &places(&[]), &places(&[0x0304, 9])).unwrap();
        let row = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
        let expected =
            [row(b"d\0\0\0\0\0\0\0\x09", b""), row(b"d\0\0\0\0\0\0\x03\x04", b""), row(b"l", b"\x02\x01\0\0\0\0\0\0")];
        assert_eq!(meta.all(Space::Checkpoint).unwrap(), expected);
        meta.note_start(Position(0x0203), &places(&[9, 0x0304]), &places(&[9, 10])).unwrap();
        meta.note_reached(Position(0x0204)).unwrap();
        let expected = Checkpoint { reached: Position(0x0204), given_up: places(&[9, 10]), ..Checkpoint::default() };
        assert_eq!(meta.checkpoint().unwrap(), expected);
    }

    #[test]
    fn a_damaged_row_is_named() {
        let good = b"q\0\0\0\0\0\0\0\x01".as_slice();
        for (key, value) in [(b"x".as_slice(), b"".as_slice()), (b"", b""), (b"f", b"abc"), (b"sab", b""), (good, b"")]
        {
            let meta = Meta::open(&MemoryDisk::new()).unwrap();
            let row = Change::Put { key: key.to_vec(), value: value.to_vec() };
            meta.commit(Space::Checkpoint, &[row]).unwrap();
            let error = meta.checkpoint().unwrap_err().to_string();
            assert_eq!(error, format!("meta.redb: the row {key:02x?} of the checkpoint is damaged"));
        }
    }
}
