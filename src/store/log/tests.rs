//! The running log: what is durable when, who is woken, what can be read back, which files are used.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{ReadProblem, Waiter, WriteOperation};
use crate::store::disk::faulty::{Operation, Unsynced};
use crate::store::disk::{Disk, FaultyDisk};
use crate::store::harness::{Append, FILE_SIZE, Trial, recover};
use crate::store::{Extent, FileNumber, Location, Position, QueueKey};

#[derive(Debug, Default)]
struct Woken(AtomicUsize);

impl Waiter for Woken {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn waiter() -> (Arc<Woken>, Arc<dyn Waiter>) {
    let woken = Arc::new(Woken::default());
    (Arc::clone(&woken), woken)
}

fn count(woken: &Woken) -> usize {
    woken.0.load(Ordering::Relaxed)
}

fn trial() -> Trial {
    Trial::new(FaultyDisk::new()).unwrap()
}

fn syncs(trial: &Trial) -> usize {
    trial.disk.trace().iter().filter(|operation| matches!(operation, Operation::Sync(_))).count()
}

fn read(trial: &Trial, queue: u64, sequence: u64) -> Result<Vec<u8>, ReadProblem> {
    read_at(trial, queue, sequence, trial.places()[&(queue, sequence)])
}

fn read_at(trial: &Trial, queue: u64, sequence: u64, location: Location) -> Result<Vec<u8>, ReadProblem> {
    let mut payload = Vec::new();
    let extent = Extent { first: sequence, count: 1, location };
    let read = trial.log.read(QueueKey(queue), &extent, &mut |_, place, bytes| {
        assert_eq!(place, location);
        payload = bytes.to_vec();
    });
    read.map(|()| payload).map_err(|error| error.problem)
}

#[test]
fn nothing_is_durable_before_the_sync_and_one_sync_is_for_all() {
    let mut trial = trial();
    let before = (trial.log.durable(), syncs(&trial));
    let positions: Vec<Position> = (0..5).map(|queue| trial.put(queue, b"message", true)).collect();
    assert!(positions.is_sorted() && positions[0] > before.0);
    assert_eq!(trial.log.durable(), before.0);
    assert!(trial.log.lag() >= 5 * 7);
    assert!(trial.writer.step(trial.now).unwrap());
    assert!(trial.log.durable() >= positions[4]);
    assert_eq!(trial.log.lag(), 0);
    assert_eq!(syncs(&trial), before.1 + 1);
    assert!(!trial.writer.step(trial.now).unwrap());
}

#[test]
fn waiters_are_woken_once_when_their_position_is_durable_and_not_before() {
    let mut trial = trial();
    let (early, as_early) = waiter();
    let (late, as_late) = waiter();
    let position = trial.put(1, b"one", true);
    assert!(trial.log.wake_when_durable(position, &as_early));
    trial.step(0).unwrap();
    let later = trial.put(1, b"two", false);
    assert!(trial.log.wake_when_durable(later, &as_late));
    assert_eq!((count(&early), count(&late)), (1, 0));
    trial.step(0).unwrap();
    assert_eq!((count(&early), count(&late)), (1, 0), "written is not durable");
    trial.step(100).unwrap();
    assert_eq!((count(&early), count(&late)), (1, 1));
    trial.put(1, b"three", true);
    trial.step(0).unwrap();
    assert_eq!((count(&early), count(&late)), (1, 1));
    assert!(!trial.log.wake_when_durable(later, &as_late), "it is durable already");
}

#[test]
fn settles_are_written_at_once_and_synced_within_100_ms() {
    let mut trial = trial();
    trial.put(1, b"message", true);
    trial.step(0).unwrap();
    let before = syncs(&trial);
    let position = trial.settle(1, 1..=1);
    trial.step(1).unwrap();
    assert!(trial.log.durable() < position && trial.log.lag() > 0);
    assert_eq!(trial.writer.due(), Some(trial.now + Duration::from_millis(100)), "whoever drives it has to know");
    trial.step(98).unwrap();
    assert_eq!(syncs(&trial), before);
    trial.step(2).unwrap();
    assert_eq!((syncs(&trial), trial.log.lag(), trial.writer.due()), (before + 1, 0, None));
    assert!(trial.log.durable() >= position);
}

#[test]
fn an_idle_log_seals_itself_once() {
    let mut trial = trial();
    trial.put(1, b"message", true);
    trial.step(0).unwrap();
    let before = trial.disk.operations();
    trial.step(99).unwrap();
    assert_eq!(trial.disk.operations(), before);
    trial.step(2).unwrap();
    let after: Vec<Operation> = trial.disk.trace().split_off(usize::try_from(before).unwrap());
    assert!(matches!(&after[..], [Operation::Write(_, _, 48)]), "{after:?}");
    trial.step(1000).unwrap();
    assert_eq!(trial.disk.operations(), before + 1);
    assert!(trial.log.durable() >= trial.log.end());
}

#[test]
fn what_was_appended_reads_back_before_and_after_it_is_durable() {
    let mut trial = trial();
    trial.put(1, b"first", false);
    trial.put(2, b"", false);
    trial.put(1, b"second", false);
    trial.step(0).unwrap();
    assert_eq!(read(&trial, 1, 1).unwrap(), b"first");
    trial.step(100).unwrap();
    assert_eq!(read(&trial, 2, 1).unwrap(), b"");
    assert_eq!(read(&trial, 1, 2).unwrap(), b"second");
}

#[test]
fn a_read_waits_until_the_writer_has_written() {
    let mut trial = trial();
    trial.put(1, b"late", false);
    let place = trial.places()[&(1, 1)];
    let log = Arc::clone(&trial.log);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut found = Vec::new();
            let extent = Extent { first: 1, count: 1, location: place };
            log.read(QueueKey(1), &extent, &mut |_, _, payload| found.extend_from_slice(payload)).unwrap();
            found
        });
        assert!(trial.writer.step(trial.now).unwrap());
        assert_eq!(reader.join().unwrap(), b"late");
    });
}

#[test]
fn an_extent_reads_the_records_of_its_queue_in_one_go() {
    let mut trial = trial();
    let puts = (1..=20).map(|sequence| (vec![(QueueKey(1), sequence), (QueueKey(2), 100 - sequence)], vec![7; 30]));
    trial.append(Append { puts: puts.collect(), ..Append::default() });
    trial.step(0).unwrap();
    let first = trial.places()[&(1, 1)];
    let last = trial.places()[&(1, 20)];
    let location = Location { length: last.offset + last.length - first.offset, ..first };
    let before = trial.disk.operations();
    let mut found = Vec::new();
    let extent = Extent { first: 1, count: 20, location };
    trial.log.read(QueueKey(1), &extent, &mut |sequence, place, _| found.push((sequence, place))).unwrap();
    let expected: Vec<_> = (1..=20).map(|sequence| (sequence, trial.places()[&(1, sequence)])).collect();
    assert_eq!(found, expected);
    assert_eq!(trial.disk.operations(), before + 1);
}

#[test]
fn a_damaged_record_and_one_of_another_queue_do_not_read() {
    let mut trial = trial();
    trial.put(1, b"message", true);
    trial.step(0).unwrap();
    let place = trial.places()[&(1, 1)];
    let problem = read_at(&trial, 2, 1, place).unwrap_err();
    assert!(matches!(problem, ReadProblem::Damaged), "{problem}");
    let disk: &dyn Disk = &trial.disk;
    let file = disk.open("data/log/00.log".as_ref(), false).unwrap();
    file.write_at(u64::from(place.offset + place.length - 1), &[b"x"]).unwrap();
    let problem = read(&trial, 1, 1).unwrap_err();
    assert!(matches!(problem, ReadProblem::Damaged), "{problem}");
}

#[test]
fn a_damaged_record_takes_none_of_those_behind_it_along() {
    let mut trial = trial();
    for payload in [b"one", b"two", b"six"] {
        trial.put(1, payload, true);
    }
    trial.step(0).unwrap();
    let [first, second, third] = [1, 2, 3].map(|sequence| trial.places()[&(1, sequence)]);
    let disk: &dyn Disk = &trial.disk;
    let file = disk.open("data/log/00.log".as_ref(), false).unwrap();
    file.write_at(u64::from(second.offset + second.length - 1), &[b"x"]).unwrap();
    let location = Location { length: third.offset + third.length - first.offset, ..first };
    let extent = Extent { first: 1, count: 3, location };
    let mut found = Vec::new();
    let read = trial.log.read(QueueKey(1), &extent, &mut |sequence, place, payload| {
        found.push((sequence, place, payload.to_vec()));
    });
    assert_eq!(found, [(1, first, b"one".to_vec()), (3, third, b"six".to_vec())]);
    let error = read.unwrap_err();
    assert!(matches!(error.problem, ReadProblem::Damaged), "{error}");
    assert_eq!(error.offset, u64::from(second.offset));
}

#[test]
fn a_full_file_is_followed_by_the_next_one() {
    let mut trial = trial();
    for _ in 0..10 {
        trial.put(1, &[1; 3000], true);
        trial.step(0).unwrap();
    }
    let usage = trial.log.usage();
    let numbers: Vec<u32> = usage.iter().map(|file| file.number.0).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10][..numbers.len()]);
    assert!(numbers.len() > 3);
    assert_eq!(usage.iter().map(|file| file.live).sum::<u64>(), 10);
    for place in trial.places().values() {
        assert!(place.offset + place.length <= FILE_SIZE, "{place:?}");
    }
    assert_eq!(recover(&trial.disk.after_power_cut(Unsynced::Lost), &trial.checkpoint, 2).unwrap(), trial.expected());
}

#[test]
fn appends_that_gather_meanwhile_may_span_files() {
    let mut trial = trial();
    let last = (0..40).map(|_| trial.put(1, &[1; 1000], true)).last().unwrap();
    assert!(last.file() > FileNumber(3));
    trial.step(0).unwrap();
    assert!(trial.log.durable() >= last);
    assert_eq!(recover(&trial.disk.after_power_cut(Unsynced::Lost), &trial.checkpoint, 2).unwrap(), trial.expected());
}

#[test]
fn a_record_larger_than_a_file_gets_a_file_of_its_own_that_is_cut_back_afterwards() {
    let mut trial = trial();
    trial.put(1, b"small", true);
    trial.put(1, &[9; 5 * FILE_SIZE as usize], true);
    trial.put(1, b"small again", true);
    trial.step(0).unwrap();
    let files: Vec<u32> = trial.places().values().map(|place| place.file.0).collect();
    assert_eq!(files, [1, 2, 3]);
    assert_eq!(read(&trial, 1, 2).unwrap().len(), 5 * FILE_SIZE as usize);
    assert_eq!(recover(&trial.disk.after_power_cut(Unsynced::Lost), &trial.checkpoint, 2).unwrap(), trial.expected());
    trial.settle(1, 1..=2);
    trial.step(0).unwrap();
    trial.step(100).unwrap();
    trial.reclaim();
    assert_eq!(trial.checkpoint.first_file, FileNumber(3));
    let cut =
        |operation: &Operation| matches!(operation, Operation::SetLength(_, length) if *length == u64::from(FILE_SIZE));
    assert_eq!(trial.disk.trace().iter().filter(|operation| cut(operation)).count(), 1);
    assert_eq!(recover(&trial.disk.after_power_cut(Unsynced::Lost), &trial.checkpoint, 3).unwrap(), trial.expected());
}

#[test]
fn files_that_were_given_up_are_used_again_and_read_no_more() {
    let mut trial = trial();
    let mut place = None;
    for sequence in 1..=60 {
        trial.put(1, &[1; 2000], true);
        place = place.or_else(|| trial.places().get(&(1, 1)).copied());
        trial.settle(1, sequence..=sequence);
        trial.step(0).unwrap();
        trial.step(100).unwrap();
        trial.reclaim();
    }
    assert!(trial.log.end().file() > FileNumber(10));
    let made = |operation: &Operation| matches!(operation, Operation::Open(path) if path.extension().is_some());
    let opened = trial.disk.trace().iter().filter(|operation| made(operation)).count();
    assert!(opened <= 3, "{opened} files for a log that needs two");
    let problem = read_at(&trial, 1, 1, place.unwrap()).unwrap_err();
    assert!(matches!(problem, ReadProblem::Gone), "{problem}");
    assert_eq!(recover(&trial.disk.after_power_cut(Unsynced::Lost), &trial.checkpoint, 2).unwrap(), trial.expected());
}

#[test]
fn the_file_being_written_is_not_given_up() {
    let mut trial = trial();
    trial.log.forget(FileNumber(1)).unwrap();
    trial.put(1, b"message", true);
    trial.step(0).unwrap();
    assert_eq!(read(&trial, 1, 1).unwrap(), b"message");
}

#[test]
fn prepared_files_are_filled_and_taken_first() {
    let mut trial = trial();
    assert!(trial.log.prepare().unwrap());
    assert!(!trial.log.prepare().unwrap());
    let before = trial.disk.operations();
    trial.put(1, &[1; 5000], true);
    trial.put(1, &[1; 5000], true);
    trial.step(0).unwrap();
    let after = trial.disk.trace().split_off(usize::try_from(before).unwrap());
    assert!(!after.iter().any(|operation| matches!(operation, Operation::Open(_))), "{after:?}");
}

#[test]
fn a_second_file_is_kept_in_reserve_once_the_log_is_used() {
    let mut trial = trial();
    assert!(trial.log.prepare().unwrap());
    assert!(!trial.log.prepare().unwrap(), "little was written");
    trial.put(1, &[1; 3000], true);
    trial.step(0).unwrap();
    assert!(trial.log.prepare().unwrap());
    assert!(!trial.log.prepare().unwrap());
}

#[test]
fn on_a_full_disk_nothing_is_left_behind_and_messages_are_settled_in_the_reserve() {
    let mut trial = trial();
    trial.put(1, &[1; 3000], true);
    trial.step(0).unwrap();
    while trial.log.prepare().unwrap() {}
    let directory = std::path::Path::new("data/log");
    let names = trial.disk.list(directory).unwrap();
    let used: u64 = names.iter().map(|name| length(&trial, &directory.join(name))).sum();
    trial.disk.capacity(used + u64::from(FILE_SIZE) / 2);
    // The file is full: the next one comes out of those that are ready, and no other can be made.
    trial.put(1, &[1; 3000], true);
    trial.step(0).unwrap();
    let error = trial.log.prepare().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(trial.disk.list(directory).unwrap(), names);
    // Settles fill what is left of it, and go on in the reserve.
    let current = trial.log.end().file();
    let mut sequence = 0;
    while trial.log.end().file() == current {
        sequence += 1;
        trial.settle(1, sequence..=sequence);
        trial.step(200).unwrap();
    }
    trial.step(200).unwrap();
    assert!(trial.log.durable() >= trial.log.end());
}

fn length(trial: &Trial, path: &std::path::Path) -> u64 {
    trial.disk.open(path, false).unwrap().len().unwrap()
}

#[test]
fn a_failed_sync_is_final_and_nothing_becomes_durable() {
    let mut trial = trial();
    let (woken, waiter) = waiter();
    let before = trial.log.durable();
    let position = trial.put(1, b"message", true);
    assert!(trial.log.wake_when_durable(position, &waiter));
    trial.disk.fail_sync(1);
    let error = trial.step(0).unwrap_err();
    assert_eq!((error.operation, error.file), (WriteOperation::Sync, FileNumber(1)));
    assert!(trial.step(1000).is_err());
    assert_eq!((trial.log.durable(), count(&woken)), (before, 0));
}

#[test]
fn a_failed_write_is_final_and_fails_those_who_read_what_was_not_written() {
    let mut trial = trial();
    trial.put(1, b"message", true);
    trial.disk.full_from_write(1);
    let error = trial.step(0).unwrap_err();
    assert_eq!(error.operation, WriteOperation::Write);
    assert_eq!(error.source.kind(), std::io::ErrorKind::StorageFull);
    let problem = read(&trial, 1, 1).unwrap_err();
    assert!(matches!(problem, ReadProblem::Failed), "{problem}");
    assert!(trial.step(0).is_err());
}

#[test]
fn an_append_that_panics_leaves_nothing_behind() {
    let mut trial = trial();
    let log = Arc::clone(&trial.log);
    let append = std::panic::AssertUnwindSafe(|| {
        log.append(1000, true, |batch| {
            batch.put(&[(QueueKey(1), 1)], false, &[b"half"]);
            panic!("half-way");
        })
    });
    assert!(std::panic::catch_unwind(append).is_err());
    trial.put(1, b"whole", true);
    trial.step(0).unwrap();
    assert_eq!(read(&trial, 1, 1).unwrap(), b"whole");
    assert_eq!(recover(&trial.disk.after_power_cut(Unsynced::Lost), &trial.checkpoint, 2).unwrap(), trial.expected());
    assert_eq!(trial.log.usage()[0].live, 1);
}

#[test]
fn an_append_without_records_is_as_durable_as_what_came_before() {
    let mut trial = trial();
    trial.put(1, b"message", true);
    trial.step(0).unwrap();
    trial.step(200).unwrap();
    let ((), position) = trial.log.append(0, true, |_| ());
    assert!(trial.log.durable() >= position);
    assert!(!trial.writer.wait(Duration::ZERO));
}

#[test]
fn the_writer_waits_for_work_and_no_longer_than_its_patience() {
    let mut trial = trial();
    assert!(!trial.writer.wait(Duration::from_millis(1)));
    trial.put(1, b"message", true);
    assert!(trial.writer.wait(Duration::from_secs(60)));
}

#[test]
fn finishing_makes_settles_durable_too() {
    let mut trial = trial();
    trial.put(1, b"message", false);
    trial.settle(1, 1..=1);
    trial.writer.finish(trial.now).unwrap();
    assert_eq!(trial.log.lag(), 0);
    assert!(recover(&trial.disk.after_power_cut(Unsynced::Lost), &trial.checkpoint, 2).unwrap().is_empty());
}

/// Wakes a thread that waits for it.
#[derive(Debug, Default)]
struct Bell(parking_lot::Mutex<u64>, parking_lot::Condvar);

impl Waiter for Bell {
    fn wake(&self) {
        *self.0.lock() += 1;
        self.1.notify_all();
    }
}

impl Bell {
    /// Waits for the `count`-th wake-up.
    fn wait(&self, count: u64) {
        let mut woken = self.0.lock();
        while *woken < count {
            assert!(!self.1.wait_for(&mut woken, Duration::from_secs(60)).timed_out(), "never woken");
        }
        assert_eq!(*woken, count);
    }
}

#[test]
fn many_threads_append_at_once_and_each_is_woken_for_what_is_durable() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 300;
    let Trial { log, mut writer, disk, checkpoint, .. } = trial();
    std::thread::scope(|scope| {
        let appenders: Vec<_> = (0..THREADS)
            .map(|queue| {
                let log = Arc::clone(&log);
                scope.spawn(move || append_and_wait(&log, queue, ROUNDS))
            })
            .collect();
        while appenders.iter().any(|appender| !appender.is_finished()) {
            // A thread that waits has its bell rung before it is finished, so that this ends.
            let _ = writer.wait(Duration::from_millis(1));
            writer.step(Duration::ZERO).unwrap();
        }
    });
    let recovered = recover(&disk.after_power_cut(Unsynced::Lost), &checkpoint, 2).unwrap();
    let all = (0..THREADS).flat_map(|queue| (1..=ROUNDS).map(move |sequence| (queue, sequence)));
    assert!(recovered.keys().copied().eq(all), "{} recovered", recovered.len());
}

/// Publishes one by one, reads each back, and waits for it to be durable.
fn append_and_wait(log: &super::Log, queue: u64, rounds: u64) {
    let bell = Arc::new(Bell::default());
    let waiter: Arc<dyn Waiter> = Arc::clone(&bell) as Arc<dyn Waiter>;
    let mut rung = 0;
    for sequence in 1..=rounds {
        let payload = sequence.to_le_bytes();
        let append = log.append(200, true, |batch| batch.put(&[(QueueKey(queue), sequence)], false, &[&payload]));
        let (location, position) = append;
        let extent = Extent { first: sequence, count: 1, location };
        log.read(QueueKey(queue), &extent, &mut |_, _, found| assert_eq!(**found, payload)).unwrap();
        if log.wake_when_durable(position, &waiter) {
            rung += 1;
            bell.wait(rung);
        }
        assert!(log.durable() >= position);
    }
}

#[test]
fn a_file_that_is_being_read_is_not_written_to_again_before_the_read_is_over() {
    let mut trial = trial();
    for sequence in 1..=4 {
        trial.put(1, &[1; 2500], true);
        trial.settle(1, sequence..=sequence);
    }
    trial.step(0).unwrap();
    assert_eq!(trial.log.end().file(), FileNumber(2));
    let reading = trial.log.files.get(FileNumber(1)).unwrap();
    let path = reading.slot().unwrap().path;
    trial.log.forget(FileNumber(1)).unwrap();
    trial.log.prepare().unwrap();
    let slots = || std::iter::from_fn(|| trial.log.slots.take_free()).map(|slot| slot.path).collect::<Vec<_>>();
    assert!(!slots().contains(&path));
    drop(reading);
    trial.log.prepare().unwrap();
    assert!(slots().contains(&path));
}
