//! A node as far as reclamation sees one: queues that page messages out and load them, a log with its writer, the
//! database, and beside them the naive list of appends.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::store::checkpoint::QueueCheckpoint;
use crate::store::disk::faulty::Unsynced;
use crate::store::disk::{Disk, FaultyDisk};
use crate::store::harness::{Append, FILE_SIZE, Live, Random, digest, expected, in_lane, live};
use crate::store::log::{Log, Writer};
use crate::store::meta::Meta;
use crate::store::place::{Extent, FileNumber, Location, Position, QueueKey};
use crate::store::reclaim::{Held, Holders, Progress, Reclaim, ReclaimError, ReclaimOptions, Reclaimed, SegmentSizes};
use crate::store::recovery::Recovered;
use crate::store::segment::open_listed;
use crate::store::{Options, open_log};

type AnyError = Box<dyn std::error::Error>;

/// A queue: what is in memory and where it is stored, and runs that are paged out.
#[derive(Debug, Default)]
pub(super) struct ModelQueue {
    pub(super) next: u64,
    pub(super) singles: BTreeMap<u64, Location>,
    pub(super) runs: BTreeMap<u64, Extent>,
    pub(super) deliveries: BTreeMap<u64, u64>,
}

#[derive(Debug, Default)]
pub(super) struct Queues(pub(super) Mutex<BTreeMap<QueueKey, ModelQueue>>);

#[derive(Debug)]
pub(super) struct World {
    pub(super) disk: FaultyDisk,
    pub(super) log: Arc<Log>,
    pub(super) writer: Writer,
    pub(super) meta: Meta,
    pub(super) reclaim: Reclaim,
    pub(super) queues: Queues,
    pub(super) appends: Vec<(Append, Position)>,
    /// What is in queues and a restart forgets.
    pub(super) transient: Live,
    pub(super) now: Duration,
    pub(super) passes: Vec<Reclaimed>,
}

pub(super) fn reclaim_options() -> ReclaimOptions {
    let directory = PathBuf::from("data/segments");
    ReclaimOptions { segment_size: 16 << 10, log_files: 3, ..ReclaimOptions::new(directory) }
}

fn options(salt: u64, file_size: u32) -> Options {
    Options { file_size, files: 5, ..Options::new(PathBuf::from("data/log"), salt) }
}

/// What a start finds on a disk.
pub(super) fn start(
    faulty: &FaultyDisk,
    salt: u64,
    file_size: u32,
) -> Result<(Arc<Log>, Writer, Meta, Recovered, Reclaim), AnyError> {
    let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
    let meta = Meta::open(&*disk)?;
    let checkpoint = meta.checkpoint()?;
    let segments = open_listed(&*disk, &reclaim_options().directory, &checkpoint.segments, &mut |_, error| Err(error))?;
    let sizes = SegmentSizes::of(&segments);
    let (log, writer, recovered) = open_log(&disk, &options(salt, file_size), &checkpoint, segments, &|_| true)?;
    let reclaim = Reclaim::new(disk, Arc::clone(&log), reclaim_options(), checkpoint, sizes);
    Ok((log, writer, meta, recovered, reclaim))
}

/// What a restart makes of a disk.
pub(super) fn restart(disk: &FaultyDisk, salt: u64) -> Result<Live, AnyError> {
    let (log, _writer, _meta, recovered, _reclaim) = start(disk, salt, FILE_SIZE)?;
    let live = live(&log, &recovered);
    assert_counts(&log, &recovered);
    Ok(live)
}

/// What a restart makes of a disk whose log has files of that size.
pub(super) fn restart_of(disk: &FaultyDisk, file_size: u32) -> Live {
    let (log, _writer, _meta, recovered, _reclaim) = start(disk, 2, file_size).unwrap();
    assert_counts(&log, &recovered);
    live(&log, &recovered)
}

fn assert_counts(log: &Log, recovered: &Recovered) {
    let mut counts: BTreeMap<FileNumber, u64> = BTreeMap::new();
    for extent in recovered.queues.values().flat_map(|queue| &queue.extents) {
        *counts.entry(extent.location.file).or_default() += u64::from(extent.count);
    }
    for file in log.usage() {
        assert_eq!(file.live, counts.get(&file.number).copied().unwrap_or(0), "{:?}", file.number);
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::on(&FaultyDisk::new(), FILE_SIZE).unwrap()
    }

    pub(super) fn on(disk: &FaultyDisk, file_size: u32) -> Result<Self, AnyError> {
        let (log, writer, meta, recovered, reclaim) = start(disk, 1, file_size)?;
        let mut queues = BTreeMap::new();
        for (key, queue) in recovered.queues {
            let runs = queue.extents.iter().map(|extent| (extent.first, *extent)).collect();
            let (next, deliveries) = (queue.next_sequence.max(1), queue.deliveries);
            queues.insert(key, ModelQueue { next, singles: BTreeMap::new(), runs, deliveries });
        }
        Ok(Self {
            disk: disk.clone(),
            log,
            writer,
            meta,
            reclaim,
            queues: Queues(Mutex::new(queues)),
            appends: Vec::new(),
            transient: Live::new(),
            now: Duration::from_secs(1),
            passes: Vec::new(),
        })
    }

    /// A message for queues; paged out, or in memory, too.
    pub(super) fn put(&mut self, queues: &[u64], payload: &[u8], paged: bool) {
        let targets = self.numbers(queues);
        let append = Append { puts: vec![(targets, payload.to_vec())], sync: true, ..Append::default() };
        self.append(append, paged);
    }

    pub(super) fn put_transient(&mut self, queue: u64, payload: &[u8]) {
        let targets = self.numbers(&[queue]);
        let (place, _) = self.log.append(64 + 24 + payload.len(), false, |batch| batch.put(&targets, true, &[payload]));
        self.transient.insert((queue, targets[0].1), digest(payload));
        self.arrive(&targets, place, true);
    }

    pub(super) fn settle(&mut self, queue: u64, sequence: u64) {
        let ranges = vec![sequence..=sequence];
        self.append(Append { settles: vec![(QueueKey(queue), ranges)], ..Append::default() }, false);
    }

    pub(super) fn numbers(&self, queues: &[u64]) -> Vec<(QueueKey, u64)> {
        let mut known = self.queues.0.lock();
        let number = |queue: &u64| {
            let queue = QueueKey(*queue);
            let state = known.entry(queue).or_insert_with(|| ModelQueue { next: 1, ..ModelQueue::default() });
            state.next += 1;
            (queue, in_lane(queue.0, state.next - 1))
        };
        queues.iter().map(number).collect()
    }

    pub(super) fn append(&mut self, append: Append, paged: bool) {
        let places = self.append_alone(&append);
        for ((targets, _), place) in append.puts.iter().zip(places) {
            self.arrive(targets, place, paged);
        }
        for (queue, ranges) in &append.settles {
            for sequence in ranges.iter().cloned().flatten() {
                self.take(*queue, sequence);
            }
        }
    }

    /// Appends, and does not tell the queues.
    pub(super) fn append_alone(&mut self, append: &Append) -> Vec<Location> {
        let puts = append.puts.iter().map(|(targets, payload)| 64 + 24 * targets.len() + payload.len()).sum::<usize>();
        let settles = append.settles.iter().map(|(_, ranges)| 64 + 24 * ranges.len()).sum::<usize>();
        let (places, position) = self.log.append(puts + settles + append.requeues.len() * 88, append.sync, |batch| {
            let put = |(targets, payload): &(Vec<(QueueKey, u64)>, Vec<u8>)| batch.put(targets, false, &[payload]);
            let places: Vec<_> = append.puts.iter().map(put).collect();
            append.requeues.iter().for_each(|(queue, sequence, count)| batch.requeue(*queue, *sequence, *count));
            append.settles.iter().for_each(|(queue, ranges)| batch.settle(*queue, ranges));
            places
        });
        self.appends.push((append.clone(), position));
        places
    }

    pub(super) fn arrive(&self, targets: &[(QueueKey, u64)], place: Location, paged: bool) {
        let mut queues = self.queues.0.lock();
        for (queue, sequence) in targets {
            let queue = queues.entry(*queue).or_default();
            if paged {
                let run = Extent { first: *sequence, count: 1, location: place };
                insert_joined(&mut queue.runs, run);
            } else {
                queue.singles.insert(*sequence, place);
            }
        }
    }

    /// Removes a message from its queue, loading its run before if need be.
    fn take(&mut self, queue: QueueKey, sequence: u64) {
        let run = self.queues.0.lock().get(&queue).and_then(|state| {
            let (_, run) = state.runs.range(..=sequence).next_back()?;
            (sequence - run.first < u64::from(run.count)).then_some(*run)
        });
        if let Some(run) = run {
            self.load(queue, run);
        }
        let place = self.queues.0.lock().get_mut(&queue).and_then(|state| state.singles.remove(&sequence));
        if let Some(place) = place {
            self.queues.0.lock().get_mut(&queue).map(|state| state.deliveries.remove(&sequence));
            self.transient.remove(&(queue.0, sequence));
            self.log.release(place.file, 1);
        }
    }

    /// Loads a run into memory; the writer works meanwhile, as it does on its own thread.
    pub(super) fn load(&mut self, queue: QueueKey, run: Extent) {
        if self.write(0).is_err() {
            return;
        }
        let mut loaded = Vec::new();
        if self.log.read(queue, &run, &mut |sequence, place, _| loaded.push((sequence, place))).is_ok() {
            let mut queues = self.queues.0.lock();
            let state = queues.get_mut(&queue).unwrap();
            state.runs.remove(&run.first);
            state.singles.extend(loaded);
        }
    }

    pub(super) fn write(&mut self, after: u64) -> Result<(), AnyError> {
        self.now += Duration::from_millis(after);
        while self.writer.step(self.now)? {}
        Ok(())
    }

    /// Makes everything durable, settles that nobody waits for, too.
    pub(super) fn write_all(&mut self) {
        self.write(100).unwrap();
        self.write(100).unwrap();
    }

    pub(super) fn step(&mut self) -> Result<Progress, ReclaimError> {
        self.reclaim.step(self.now, &self.queues, &self.meta)
    }

    /// Steps as long as something can be done at once.
    pub(super) fn work(&mut self) -> Progress {
        loop {
            let progress = self.step().unwrap();
            if !matches!(progress, Progress::Working) {
                return progress;
            }
        }
    }

    /// Steps, and lets the writer work where that is waited for, until nothing is left to do.
    pub(super) fn reclaim_all(&mut self) -> Result<(), AnyError> {
        loop {
            match self.step()? {
                Progress::Idle | Progress::Later => return Ok(()),
                Progress::Working => {}
                Progress::Waiting(_) => self.write(100)?,
                Progress::Done(done) => self.passes.push(done),
            }
        }
    }

    pub(super) fn expected(&self) -> Live {
        expected(self.appends.iter().map(|(append, _)| append))
    }

    pub(super) fn durable(&self) -> usize {
        self.appends.iter().take_while(|(_, position)| *position <= self.log.durable()).count()
    }

    /// What the queues hold, read back; each queue's numbers in order and no number twice.
    pub(super) fn contents(&self) -> Live {
        let mut contents = Live::new();
        for (key, queue) in &*self.queues.0.lock() {
            let singles = queue.singles.iter();
            let singles = singles.map(|(first, location)| Extent { first: *first, count: 1, location: *location });
            for extent in queue.runs.values().copied().chain(singles) {
                let read = self.log.read(*key, &extent, &mut |sequence, _, payload| {
                    assert_eq!(contents.insert((key.0, sequence), digest(payload)), None, "twice");
                });
                read.unwrap_or_else(|error| panic!("{key:?} {extent:?}: {error}"));
            }
            for (sequence, count) in &queue.deliveries {
                contents.get_mut(&(key.0, *sequence)).unwrap().2 = *count;
            }
        }
        contents
    }

    /// That the queues hold what they should, and that the counts of files say so.
    pub(super) fn assert_sound(&self) {
        let expected: Live = self.expected().into_iter().chain(self.transient.clone()).collect();
        assert_eq!(self.contents().keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        assert_eq!(self.contents(), expected);
        let queues = self.queues.0.lock().keys().copied().collect::<Vec<_>>();
        for file in self.log.usage() {
            let held: u64 = queues.iter().map(|queue| self.queues.held(*queue, file.number).len()).sum();
            assert_eq!(file.live, held, "live records of {:?}", file.number);
        }
    }

    /// That a start after a power cut finds everything and nothing else.
    pub(super) fn assert_restart(&self, context: &str) {
        assert_eq!(self.durable(), self.appends.len(), "{context}: not everything is durable");
        let found = restart(&self.disk.after_power_cut(Unsynced::Lost), 2).unwrap();
        let expected = self.expected();
        let more: Vec<_> = found.keys().filter(|key| !expected.contains_key(key)).collect();
        let less: Vec<_> = expected.keys().filter(|key| !found.contains_key(key)).collect();
        assert!(found == expected, "{context}: came back {more:?}, lost {less:?}");
    }

    /// That a start after a power cut finds at least what was durable, no more than what was appended, in its order.
    pub(super) fn assert_prefix(&self, found: &Live, context: &str) {
        let prefix = |count: usize| expected(self.appends.iter().take(count).map(|(append, _)| append));
        let durable = self.durable();
        assert!(
            (durable..=self.appends.len()).any(|count| prefix(count) == *found),
            "{context}: found {:?}\ndurable ({durable} of {} appends): {:?}",
            found.keys().collect::<Vec<_>>(),
            self.appends.len(),
            prefix(durable).keys().collect::<Vec<_>>(),
        );
    }

    pub(super) fn segments(&self) -> Vec<PathBuf> {
        self.disk.list(&reclaim_options().directory).unwrap()
    }

    pub(super) fn log_files(&self) -> usize {
        self.log.usage().iter().filter(|file| !file.number.is_segment()).count()
    }

    /// One thing that a node does.
    pub(super) fn act(&mut self, random: &mut Random) -> Result<(), AnyError> {
        // The second one has lanes.
        let queue = [1, 4, 3][usize::try_from(random.below(3)).unwrap()];
        let payload = vec![u8::try_from(random.below(250)).unwrap(); usize::try_from(random.below(1200)).unwrap()];
        match random.below(12) {
            0..=3 => self.put(&[queue], &payload, random.below(2) == 0),
            4 => self.put(&[1, 4, 3], &payload, random.below(2) == 0),
            5 => self.put_transient(queue, &payload),
            6..=8 => {
                if let Some(sequence) = self.any_of(queue, random) {
                    self.settle(queue, sequence);
                }
            }
            9 => {
                if let Some(sequence) = self.any_of(queue, random).filter(|_| queue != 3) {
                    self.move_to(queue, sequence, 3);
                }
            }
            10 if random.below(2) == 0 => self.requeue_any(queue, random),
            10 => self.load_any(queue, random),
            _ => self.write(random.below(2) * 100)?,
        }
        Ok(())
    }

    /// A message leaves one queue and comes to another by one append.
    pub(super) fn move_to(&mut self, from: u64, sequence: u64, to: u64) {
        let puts = self.appends.iter().rev().flat_map(|(append, _)| &append.puts);
        let is_it = |targets: &[(QueueKey, u64)]| targets.contains(&(QueueKey(from), sequence));
        let payload = puts.filter(|(targets, _)| is_it(targets)).map(|(_, payload)| payload.clone()).next();
        let Some(payload) = payload else { return };
        let puts = vec![(self.numbers(&[to]), payload)];
        let settles = vec![(QueueKey(from), vec![sequence..=sequence])];
        self.append(Append { puts, settles, sync: true, ..Append::default() }, false);
    }

    fn any_of(&self, queue: u64, random: &mut Random) -> Option<u64> {
        let queues = self.queues.0.lock();
        let state = queues.get(&QueueKey(queue))?;
        let in_runs = state.runs.values().flat_map(|run| run.first..run.first + u64::from(run.count));
        let all: Vec<u64> = state.singles.keys().copied().chain(in_runs).collect();
        // Mostly the oldest half, so that files die.
        let pick = random.below((all.len() as u64).div_ceil(2).max(1));
        all.get(usize::try_from(pick).unwrap()).copied()
    }

    /// A message that lasts goes back, once more.
    fn requeue_any(&mut self, queue: u64, random: &mut Random) {
        let Some(sequence) = self.any_of(queue, random) else { return };
        if self.transient.contains_key(&(queue, sequence)) {
            return;
        }
        let known = self.queues.0.lock()[&QueueKey(queue)].deliveries.get(&sequence).copied();
        self.requeue(queue, sequence, known.unwrap_or_default() + 1);
    }

    pub(super) fn requeue(&mut self, queue: u64, sequence: u64, count: u64) {
        self.queues.0.lock().get_mut(&QueueKey(queue)).unwrap().deliveries.insert(sequence, count);
        let requeues = vec![(QueueKey(queue), sequence, count)];
        self.append(Append { requeues, ..Append::default() }, false);
    }

    fn load_any(&mut self, queue: u64, random: &mut Random) {
        let queue = QueueKey(queue);
        let run = self.queues.0.lock().get(&queue).and_then(|state| {
            let pick = random.below(state.runs.len().max(1) as u64);
            state.runs.values().nth(usize::try_from(pick).unwrap()).copied()
        });
        if let Some(run) = run {
            self.load(queue, run);
        }
    }
}

fn follows(run: &Extent, next: &Extent) -> bool {
    let length = u64::from(run.location.length) + u64::from(next.location.length);
    run.first + u64::from(run.count) == next.first
        && run.location.file == next.location.file
        && run.location.offset + run.location.length == next.location.offset
        && length <= 1 << 20
}

fn insert_joined(runs: &mut BTreeMap<u64, Extent>, run: Extent) {
    if let Some((_, last)) = runs.range_mut(..run.first).next_back()
        && follows(last, &run)
    {
        last.count += run.count;
        last.location.length += run.location.length;
        return;
    }
    runs.insert(run.first, run);
}

/// The pieces that take the place of a run, both ending with the same number; singles stand in for pieces.
fn cover(run: &Extent, extents: &[Extent], singles: &[(u64, Location)]) -> Option<Vec<Extent>> {
    let (mut next, end) = (run.first, run.first + u64::from(run.count));
    let mut pieces = Vec::new();
    while next < end {
        let at = extents.binary_search_by_key(&next, |extent| extent.first).ok();
        let extent = at.map(|at| extents[at]);
        let single = || {
            let at = singles.binary_search_by_key(&next, |(sequence, _)| *sequence).ok()?;
            Some(Extent { first: next, count: 1, location: singles[at].1 })
        };
        let piece = extent.or_else(single)?;
        next = piece.first + u64::from(piece.count);
        pieces.push(piece);
    }
    (next == end).then_some(pieces)
}

impl Holders for Queues {
    /// Here a queue and the log change at once.
    fn settled(&self) {}

    fn holders(&self) -> Vec<QueueKey> {
        self.0.lock().keys().copied().collect()
    }

    fn held(&self, queue: QueueKey, file: FileNumber) -> Held {
        let queues = self.0.lock();
        let Some(state) = queues.get(&queue) else { return Held::default() };
        let singles = state.singles.iter().filter(|(_, place)| place.file == file);
        Held {
            extents: state.runs.values().filter(|run| run.location.file == file).copied().collect(),
            singles: singles.map(|(sequence, place)| (*sequence, *place)).collect(),
        }
    }

    fn snapshot(&self, queue: QueueKey) -> Option<QueueCheckpoint> {
        let queues = self.0.lock();
        let state = queues.get(&queue)?;
        let runs = state.runs.values().filter(|run| run.location.file.is_segment());
        let runs = runs.map(|run| run.first..=run.first + u64::from(run.count) - 1);
        let singles = state.singles.iter().filter(|(_, place)| place.file.is_segment());
        let mut live: Vec<_> = runs.chain(singles.map(|(sequence, _)| *sequence..=*sequence)).collect();
        live.sort_by_key(|range| *range.start());
        Some(QueueCheckpoint { next_sequence: state.next, live, deliveries: state.deliveries.clone() })
    }

    fn relocate(&self, queue: QueueKey, from: FileNumber, extents: &[Extent], singles: &[(u64, Location)]) -> u64 {
        assert!(extents.is_sorted_by_key(|extent| extent.first), "{extents:?}");
        assert!(singles.is_sorted_by_key(|(sequence, _)| *sequence), "{singles:?}");
        let mut queues = self.0.lock();
        let Some(state) = queues.get_mut(&queue) else { return 0 };
        let mut moved = 0;
        let mut runs = BTreeMap::new();
        for run in std::mem::take(&mut state.runs).into_values() {
            let pieces = (run.location.file == from).then(|| cover(&run, extents, singles)).flatten();
            moved += pieces.as_ref().map_or(0, |_| u64::from(run.count));
            pieces.unwrap_or_else(|| vec![run]).into_iter().for_each(|piece| insert_joined(&mut runs, piece));
        }
        state.runs = runs;
        for (sequence, place) in singles {
            if let Some(old) = state.singles.get_mut(sequence).filter(|old| old.file == from) {
                *old = *place;
                moved += 1;
            }
        }
        moved
    }
}
