//! The word that a stop in order leaves behind: up to where the log went, and which messages had been delivered. It is
//! taken away at the next start, before anything is served; without it, any message may have been delivered before.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::{Change, CheckpointError, CommitError, Meta, Space, ranges};
use crate::store::{Position, QueueKey};

const END: u8 = b'e';
const QUEUE: u8 = b'q';

/// What is known after a stop in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanStop {
    /// Where the log ended.
    pub end: Position,
    /// The messages that had been delivered and came back, of queues that have such.
    pub delivered: BTreeMap<QueueKey, Vec<RangeInclusive<u64>>>,
}

impl Meta {
    /// Leaves word of a stop in order. Nothing may be appended to the log any more.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn leave_clean_stop(&self, stop: &CleanStop) -> Result<(), CommitError> {
        let mut changes = vec![Change::Put { key: vec![END], value: stop.end.0.to_le_bytes().to_vec() }];
        for (queue, delivered) in &stop.delivered {
            let mut value = Vec::new();
            ranges::write(&mut value, delivered);
            changes.push(Change::Put { key: queue_key(*queue), value });
        }
        self.commit_in_any_case(Space::CleanStop, &changes)
    }

    /// Takes away the word that the last stop left, if it did.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn take_clean_stop(&self) -> Result<Option<CleanStop>, CheckpointError> {
        let rows = self.all(Space::CleanStop)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut stop = CleanStop::default();
        for (key, value) in &rows {
            read(&mut stop, key, value).ok_or_else(|| CheckpointError::Damaged { key: key.clone() })?;
        }
        let changes: Vec<_> = rows.into_iter().map(|(key, _)| Change::Remove { key }).collect();
        self.commit_in_any_case(Space::CleanStop, &changes)?;
        Ok(Some(stop))
    }
}

fn queue_key(queue: QueueKey) -> Vec<u8> {
    [&[QUEUE], queue.0.to_be_bytes().as_slice()].concat()
}

fn read(stop: &mut CleanStop, key: &[u8], value: &[u8]) -> Option<()> {
    let (kind, name) = key.split_first()?;
    match *kind {
        END => stop.end = Position(u64::from_le_bytes(value.try_into().ok()?)),
        QUEUE => {
            let queue = QueueKey(u64::from_be_bytes(name.try_into().ok()?));
            stop.delivered.insert(queue, ranges::read(value)?);
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::MemoryDisk;

    #[test]
    fn the_word_of_a_stop_is_taken_once() {
        let disk = MemoryDisk::new();
        let delivered = BTreeMap::from([(QueueKey(7), vec![1..=3, 9..=9]), (QueueKey(300), vec![5..=5])]);
        let stop = CleanStop { end: Position(1 << 40), delivered };
        let meta = Meta::open(&disk).unwrap();
        assert_eq!(meta.take_clean_stop().unwrap(), None);
        meta.leave_clean_stop(&stop).unwrap();
        drop(meta);
        let meta = Meta::open(&disk).unwrap();
        assert_eq!(meta.take_clean_stop().unwrap(), Some(stop));
        drop(meta);
        assert_eq!(Meta::open(&disk).unwrap().take_clean_stop().unwrap(), None);
    }

    #[test]
    fn rows_have_the_bytes_that_the_storage_format_tells() {
        let meta = Meta::open(&MemoryDisk::new()).unwrap();
        let delivered = BTreeMap::from([(QueueKey(0x0102), vec![1..=3, 5..=5])]);
        meta.leave_clean_stop(&CleanStop { end: Position(0x0102), delivered }).unwrap();
        let row = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
        let expected = [row(b"e", b"\x02\x01\0\0\0\0\0\0"), row(b"q\0\0\0\0\0\0\x01\x02", b"\x02\x02\x04\0")];
        assert_eq!(meta.all(Space::CleanStop).unwrap(), expected);
    }
}
