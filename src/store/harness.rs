//! For tests: a log on a disk with faults, driven step by step, beside a naive list of what was appended to it.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::disk::{Disk, FaultyDisk};
use super::{
    Checkpoint, FileNumber, Location, Log, NUMBER_BITS, OpenError, Options, Position, QueueCheckpoint, QueueKey,
    Recovered, Reserve, Writer, number_of, open_log,
};

/// Small enough for a script to go through several files.
pub(super) const FILE_SIZE: u32 = 10 << 10;

/// What is live: by queue and sequence number, a digest of the payload.
pub(super) type Live = BTreeMap<(u64, u64), Digest>;

/// How long a payload is, a hash of it, and how often the message is known to have been delivered: short in the message of
/// a failed assertion.
pub(super) type Digest = (usize, u64, u64);

pub(super) fn digest(payload: &[u8]) -> Digest {
    let mut hasher = std::hash::DefaultHasher::new();
    payload.hash(&mut hasher);
    (payload.len(), hasher.finish(), 0)
}

/// A message: its targets and its payload.
pub(super) type Put = (Vec<(QueueKey, u64)>, Vec<u8>);

/// One append.
#[derive(Clone, Debug, Default)]
pub(super) struct Append {
    pub(super) puts: Vec<Put>,
    pub(super) settles: Vec<(QueueKey, Vec<RangeInclusive<u64>>)>,
    /// Messages that go back, with how often they were delivered.
    pub(super) requeues: Vec<(QueueKey, u64, u64)>,
    pub(super) sync: bool,
}

/// Numbers that a seed decides (xorshift).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

pub(super) fn options(salt: u64) -> Options {
    Options { file_size: FILE_SIZE, files: 4, ..Options::new(PathBuf::from("data/log"), salt) }
}

pub(super) fn open(
    disk: &FaultyDisk,
    checkpoint: &Checkpoint,
    salt: u64,
) -> Result<(Arc<Log>, Writer, Recovered), OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    open_log(&disk, &options(salt), checkpoint, Vec::new(), &|_| true)
}

/// Reads everything that was recovered.
pub(super) fn live(log: &Log, recovered: &Recovered) -> Live {
    let mut live = Live::new();
    for (key, queue) in &recovered.queues {
        let mut before = None;
        for extent in &queue.extents {
            assert!(before < Some(extent.first), "extents of {key:?} out of order: {:?}", queue.extents);
            log.read(*key, extent, &mut |sequence, _, payload| {
                assert!(number_of(sequence) < queue.next_sequence, "{sequence} may be given out again");
                assert_eq!(live.insert((key.0, sequence), digest(payload)), None, "twice");
            })
            .unwrap();
            before = Some(extent.first + u64::from(extent.count) - 1);
        }
        for (sequence, count) in &queue.deliveries {
            live.get_mut(&(key.0, *sequence)).expect("counts are those of live messages").2 = *count;
        }
    }
    live
}

/// What recovery makes of a disk.
pub(super) fn recover(disk: &FaultyDisk, checkpoint: &Checkpoint, salt: u64) -> Result<Live, OpenError> {
    let (log, _writer, recovered) = open(disk, checkpoint, salt)?;
    Ok(live(&log, &recovered))
}

/// The sequence number with that number: queue 4 has three lanes, which are used in turn.
pub(super) fn in_lane(queue: u64, number: u64) -> u64 {
    if queue == 4 { ((number % 3) << NUMBER_BITS) | number } else { number }
}

/// How often live messages of a queue were delivered.
pub(super) fn deliveries(live: &Live, queue: u64) -> BTreeMap<u64, u64> {
    let of_queue = live.range((queue, 0)..=(queue, u64::MAX));
    of_queue.filter(|(_, digest)| digest.2 > 0).map(|((_, sequence), digest)| (*sequence, digest.2)).collect()
}

/// What is live after those appends.
pub(super) fn expected<'a>(appends: impl IntoIterator<Item = &'a Append>) -> Live {
    let mut live = Live::new();
    for append in appends {
        for (targets, payload) in &append.puts {
            for (queue, sequence) in targets {
                live.insert((queue.0, *sequence), digest(payload));
            }
        }
        for (queue, sequence, count) in &append.requeues {
            live.get_mut(&(queue.0, *sequence)).unwrap().2 = *count;
        }
        for (queue, ranges) in &append.settles {
            live.retain(|(of, sequence), _| *of != queue.0 || !ranges.iter().any(|range| range.contains(sequence)));
        }
    }
    live
}

/// A log in use.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) disk: FaultyDisk,
    pub(super) log: Arc<Log>,
    pub(super) writer: Writer,
    pub(super) checkpoint: Checkpoint,
    pub(super) now: Duration,
    /// What was appended, with the position of each.
    pub(super) appends: Vec<(Append, Position)>,
    places: BTreeMap<(u64, u64), Location>,
    next: BTreeMap<u64, u64>,
}

impl Trial {
    pub(super) fn new(disk: FaultyDisk) -> Result<Self, OpenError> {
        Self::opened(disk, &options(1))
    }

    /// With room that is kept back.
    pub(super) fn with_reserve(disk: FaultyDisk, reserve: Arc<Reserve>) -> Result<Self, OpenError> {
        Self::opened(disk, &Options { reserve: Some(reserve), ..options(1) })
    }

    fn opened(disk: FaultyDisk, options: &Options) -> Result<Self, OpenError> {
        let checkpoint = Checkpoint::default();
        let all: Arc<dyn Disk> = Arc::new(disk.clone());
        let (log, writer, _) = open_log(&all, options, &checkpoint, Vec::new(), &|_| true)?;
        Ok(Self {
            disk,
            log,
            writer,
            checkpoint,
            now: Duration::from_secs(1),
            appends: Vec::new(),
            places: BTreeMap::new(),
            next: BTreeMap::new(),
        })
    }

    /// Puts a message into a queue.
    pub(super) fn put(&mut self, queue: u64, payload: &[u8], sync: bool) -> Position {
        let targets = vec![(QueueKey(queue), self.sequence(queue))];
        self.append(Append { puts: vec![(targets, payload.to_vec())], sync, ..Append::default() })
    }

    pub(super) fn settle(&mut self, queue: u64, range: RangeInclusive<u64>) -> Position {
        self.append(Append { settles: vec![(QueueKey(queue), vec![range])], ..Append::default() })
    }

    /// The next sequence number of a queue, in the lane that is its turn.
    pub(super) fn sequence(&mut self, queue: u64) -> u64 {
        let next = self.next.entry(queue).or_insert(1);
        *next += 1;
        in_lane(queue, *next - 1)
    }

    pub(super) fn append(&mut self, append: Append) -> Position {
        let bound = append.puts.iter().map(|(targets, payload)| 64 + 24 * targets.len() + payload.len()).sum::<usize>()
            + append.settles.iter().map(|(_, ranges)| 64 + 24 * ranges.len()).sum::<usize>()
            + append.requeues.len() * 88;
        let places = &mut self.places;
        let ((), position) = self.log.append(bound, append.sync, |batch| {
            for (targets, payload) in &append.puts {
                let (one, two) = payload.split_at(payload.len() / 2);
                let place = batch.put(targets, false, &[one, two]);
                places.extend(targets.iter().map(|(queue, sequence)| ((queue.0, *sequence), place)));
            }
            for (queue, sequence, count) in &append.requeues {
                batch.requeue(*queue, *sequence, *count);
            }
            for (queue, ranges) in &append.settles {
                batch.settle(*queue, ranges);
            }
        });
        for (queue, ranges) in &append.settles {
            for sequence in ranges.iter().cloned().flatten() {
                if let Some(place) = self.places.remove(&(queue.0, sequence)) {
                    self.log.release(place.file, 1);
                }
            }
        }
        self.appends.push((append, position));
        position
    }

    /// Lets the writer work until it has nothing to do, `after` a while.
    pub(super) fn step(&mut self, after: u64) -> Result<(), super::WriteError> {
        self.now += Duration::from_millis(after);
        while self.writer.step(self.now)? {}
        Ok(())
    }

    /// Starts again upon a disk, under the same checkpoint; what was recovered.
    pub(super) fn restart(&mut self, disk: &FaultyDisk, salt: u64) -> Result<Live, OpenError> {
        let (log, writer, recovered) = open(disk, &self.checkpoint, salt)?;
        self.places.clear();
        for (key, queue) in &recovered.queues {
            let next = self.next.entry(key.0).or_insert(1);
            *next = queue.next_sequence.max(1);
            for extent in &queue.extents {
                let place = |sequence, place, _: &Bytes| {
                    self.places.insert((key.0, sequence), place);
                };
                log.read(*key, extent, &mut { place }).unwrap();
            }
        }
        let usage: u64 = log.usage().iter().map(|file| file.live).sum();
        assert_eq!(usage, self.places.len() as u64);
        let live = live(&log, &recovered);
        (self.disk, self.log, self.writer) = (disk.clone(), log, writer);
        Ok(live)
    }

    /// Forgets the appends that were lost, so that what was recovered is what there is.
    pub(super) fn take_over(&mut self, recovered: &Live, context: &dyn Fn() -> String) {
        while self.expected() != *recovered {
            assert!(self.appends.pop().is_some(), "{}", context());
        }
        for (_, position) in &mut self.appends {
            *position = Position::default();
        }
    }

    /// Gives up the oldest files as long as nothing in them is live and everything is durable.
    pub(super) fn reclaim(&mut self) {
        while self.log.durable() >= self.log.end() {
            let usage = self.log.usage();
            let current = self.log.end().file();
            let Some(oldest) = usage.first().filter(|oldest| oldest.live == 0 && oldest.number < current) else {
                return;
            };
            let live = self.expected();
            let floor = |queue: u64, next: u64| QueueCheckpoint {
                next_sequence: next,
                live: Vec::new(),
                deliveries: deliveries(&live, queue),
            };
            self.checkpoint.queues =
                self.next.iter().map(|(queue, next)| (QueueKey(*queue), floor(*queue, *next))).collect();
            self.checkpoint.first_file = FileNumber(oldest.number.0 + 1);
            if self.log.forget(oldest.number).is_err() {
                return;
            }
        }
    }

    /// What is live now, and where.
    pub(super) fn places(&self) -> &BTreeMap<(u64, u64), Location> {
        &self.places
    }

    pub(super) fn expected(&self) -> Live {
        expected(self.appends.iter().map(|(append, _)| append))
    }

    /// How many appends are durable.
    pub(super) fn durable(&self) -> usize {
        self.appends.iter().take_while(|(_, position)| *position <= self.log.durable()).count()
    }

    /// That so many of the appends, or more, and nothing else make up what was recovered.
    pub(super) fn assert_prefix(&self, recovered: &Live, at_least: usize, context: &dyn Fn() -> String) {
        let prefix = |count: usize| expected(self.appends.iter().take(count).map(|(append, _)| append));
        let found = (at_least..=self.appends.len()).any(|count| prefix(count) == *recovered);
        assert!(
            found,
            "{}: {:?} is no prefix of at least {at_least} of {} appends; {:?}",
            context(),
            recovered.keys().collect::<Vec<_>>(),
            self.appends.len(),
            prefix(at_least).keys().collect::<Vec<_>>(),
        );
    }
}
