//! Records by place, which are never overwritten.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::broker::ids::SequenceNumber;
use crate::broker::message::Message;
use crate::broker::queue::tests::{message, urgent};
use crate::broker::queue::{Place, Run};

/// Records by place.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) highest: u8,
    pub(super) records: BTreeMap<(u32, u32), (u64, u32)>,
    pub(super) ends: BTreeMap<u32, u32>,
    pub(super) log: u32,
    pub(super) segments: u32,
}

impl Disk {
    pub(super) fn write(&mut self, file: u32, sequence: u64) -> Place {
        let offset = *self.ends.entry(file).or_insert(8);
        let length = 10 + u32::try_from(sequence % 7).unwrap();
        self.records.insert((file, offset), (sequence, length));
        self.ends.insert(file, offset + length);
        Place { file: NonZeroU32::new(file).unwrap(), offset, length }
    }

    pub(super) fn log(&mut self, sequence: u64, gap: bool) -> Place {
        let file = self.log + 1;
        *self.ends.entry(file).or_insert(8) += if gap { 8 } else { 0 };
        self.write(file, sequence)
    }

    /// The records of a run, which have to be just these.
    pub(super) fn read(&self, run: Run) -> Vec<(SequenceNumber, Place, Message)> {
        let mut offset = run.place.offset;
        let mut found = Vec::new();
        for expected in run.first.0..run.first.0 + u64::from(run.count) {
            let (sequence, length) = self.records[&(run.place.file.get(), offset)];
            assert_eq!(sequence, expected, "{run:?}");
            let place = Place { offset, length, ..run.place };
            let sequence = SequenceNumber(sequence);
            found.push((sequence, place, message_of(sequence, self.highest)));
            offset += length;
        }
        assert_eq!(offset - run.place.offset, run.place.length, "{run:?}");
        found
    }
}

/// New places for what was in a file.
#[derive(Debug)]
pub(super) struct Copies {
    pub(super) from: NonZeroU32,
    pub(super) runs: Vec<Run>,
    pub(super) singles: Vec<(SequenceNumber, Place)>,
}

/// The message of that number, in a queue that tells so many priorities apart.
pub(super) fn message_of(sequence: SequenceNumber, highest: u8) -> Message {
    let body = sequence.0.to_string();
    if highest == 0 { message(&body) } else { urgent(highest - sequence.lane(), &body) }
}
