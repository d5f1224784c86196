//! What recovery makes of records: extents, sequence numbers, what is left out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::store::disk::faulty::Unsynced;
use crate::store::disk::{Disk, FaultyDisk, MemoryDisk};
use crate::store::harness::{Append, Trial, digest, live, open, options, recover};
use crate::store::{
    Checkpoint, Extent, FileNumber, Location, OpenSegment, Options, QueueCheckpoint, QueueKey, open_log,
};

fn trial() -> Trial {
    Trial::new(FaultyDisk::new()).unwrap()
}

#[test]
fn a_new_store_is_empty_and_begins_with_file_1() {
    let (log, _, recovered) = open(&FaultyDisk::new(), &Checkpoint::default(), 1).unwrap();
    assert_eq!((recovered.queues.len(), recovered.report.end), (0, None));
    assert_eq!(log.usage().iter().map(|file| file.number).collect::<Vec<_>>(), [FileNumber(1)]);
    assert!(log.durable() >= log.end());
}

#[test]
fn the_end_that_is_found_is_the_one_that_the_log_told_whether_it_was_idle_or_not() {
    let mut trial = trial();
    let found =
        |trial: &Trial| open(&trial.disk.after_power_cut(Unsynced::Kept), &trial.checkpoint, 9).unwrap().2.report;
    trial.step(0).unwrap();
    for idle in [0, 200, 0, 200, 200] {
        trial.put(1, b"message", true);
        trial.step(idle).unwrap();
        assert_eq!(found(&trial).end, Some(trial.log.end()));
        trial.step(idle).unwrap();
        assert_eq!(found(&trial).end, Some(trial.log.end()), "with a seal behind it");
    }
    // One that nothing is appended to after a start.
    let disk = trial.disk.clone();
    for salt in [2, 3] {
        trial.restart(&disk, salt).unwrap();
        trial.step(200).unwrap();
        trial.step(200).unwrap();
        assert_eq!(found(&trial).end, Some(trial.log.end()), "after a start");
    }
}

#[test]
fn consecutive_messages_of_a_queue_make_one_extent_and_settled_ones_are_cut_out() {
    let mut trial = trial();
    let puts = (1..=10).map(|sequence| (vec![(QueueKey(1), sequence)], vec![1; 50])).collect();
    trial.append(Append { puts, sync: true, ..Append::default() });
    trial.append(Append { settles: vec![(QueueKey(1), vec![1..=2, 5..=5])], ..Append::default() });
    trial.step(0).unwrap();
    let (log, _, recovered) = open(&trial.disk, &trial.checkpoint, 2).unwrap();
    let queue = &recovered.queues[&QueueKey(1)];
    let runs: Vec<_> = queue.extents.iter().map(|extent| (extent.first, extent.count)).collect();
    assert_eq!((runs, queue.next_sequence), (vec![(3, 2), (6, 5)], 11));
    assert_eq!(live(&log, &recovered), trial.expected());
    assert_eq!(log.usage().iter().map(|file| file.live).sum::<u64>(), 7);
}

#[test]
fn messages_that_were_appended_out_of_order_come_in_order() {
    let mut trial = trial();
    for sequence in [3, 1, 2, 5, 4] {
        let puts = vec![(vec![(QueueKey(1), sequence)], vec![9; 10])];
        trial.append(Append { puts, sync: true, ..Append::default() });
    }
    trial.step(0).unwrap();
    let (log, _, recovered) = open(&trial.disk, &trial.checkpoint, 2).unwrap();
    assert_eq!(live(&log, &recovered), trial.expected());
}

#[test]
fn sequence_numbers_go_on_behind_settled_messages_and_the_checkpoint() {
    let mut trial = trial();
    trial.put(1, b"a", true);
    trial.settle(1, 1..=1);
    trial.writer.finish(trial.now).unwrap();
    let floor = QueueCheckpoint { next_sequence: 50, ..QueueCheckpoint::default() };
    trial.checkpoint.queues = BTreeMap::from([(QueueKey(2), floor.clone()), (QueueKey(3), floor)]);
    let disk: Arc<dyn Disk> = Arc::new(trial.disk.clone());
    let known = |queue| queue != QueueKey(3);
    let (_, _, recovered) = open_log(&disk, &options(2), &trial.checkpoint, Vec::new(), &known).unwrap();
    let next: Vec<_> = recovered.queues.iter().map(|(key, queue)| (key.0, queue.next_sequence)).collect();
    assert_eq!(next, [(1, 2), (2, 50)]);
    assert!(recovered.queues.values().all(|queue| queue.extents.is_empty()));
}

#[test]
fn unknown_queues_and_transient_messages_are_left_out() {
    let mut trial = trial();
    trial.put(1, b"kept", true);
    trial.put(2, b"of a deleted queue", true);
    trial.log.append(1000, true, |batch| batch.put(&[(QueueKey(1), 2)], true, &[b"transient"]));
    trial.step(0).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(trial.disk.clone());
    let known = |queue| queue == QueueKey(1);
    let (log, _, recovered) = open_log(&disk, &options(2), &trial.checkpoint, Vec::new(), &known).unwrap();
    assert_eq!(live(&log, &recovered).into_iter().collect::<Vec<_>>(), [((1, 1), digest(b"kept"))]);
    assert_eq!(log.usage().iter().map(|file| file.live).sum::<u64>(), 1);
}

#[test]
fn restarts_without_traffic_do_not_use_up_files() {
    let mut trial = trial();
    for sequence in 1..=5 {
        trial.put(1, &[1; 10], true);
        trial.step(0).unwrap();
        let recovered = trial.restart(&trial.disk.clone(), sequence + 1).unwrap();
        assert_eq!(recovered, trial.expected());
        assert_eq!(trial.log.usage().len(), 1);
    }
    let names = Disk::list(&trial.disk, "data/log".as_ref()).unwrap();
    assert!(names.len() <= 2, "{names:?}");
}

#[test]
fn extents_stay_below_a_mebibyte() {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    let options = Options::new(PathBuf::from("log"), 1);
    let (log, mut writer, _) = open_log(&disk, &options, &Checkpoint::default(), Vec::new(), &|_| true).unwrap();
    log.append(4 << 20, true, |batch| {
        for sequence in 0..3000 {
            batch.put(&[(QueueKey(1), sequence)], false, &[&[0; 1000]]);
        }
    });
    while writer.step(std::time::Duration::ZERO).unwrap() {}
    let options = Options { salt: 2, ..options };
    let (log, _, recovered) = open_log(&disk, &options, &Checkpoint::default(), Vec::new(), &|_| true).unwrap();
    let extents = &recovered.queues[&QueueKey(1)].extents;
    assert!(extents.len() <= 4 && extents.iter().all(|extent| extent.location.length <= 1 << 20), "{extents:?}");
    assert_eq!(live(&log, &recovered).len(), 3000);
}

#[test]
fn segments_are_read_for_what_the_checkpoint_and_the_log_leave_alive() {
    let mut trial = trial();
    let mut bytes = Vec::new();
    let mut extents = Vec::new();
    let lengths: Vec<u32> = (1..=6)
        .map(|sequence| crate::store::format::put(&mut bytes, &[(QueueKey(1), sequence)], false, &[&[7; 20]]))
        .collect();
    let number = FileNumber::segment(3);
    let location = Location { file: number, offset: 0, length: lengths.iter().sum() };
    extents.push((QueueKey(1), Extent { first: 1, count: 6, location }));
    let segment = Disk::open(&trial.disk, "data/segments/3".as_ref(), true).unwrap();
    segment.write_at(0, &[&bytes]).unwrap();
    trial.append(Append { settles: vec![(QueueKey(1), vec![3..=3])], sync: true, ..Append::default() });
    let puts = vec![(vec![(QueueKey(1), 7)], vec![8; 20])];
    trial.append(Append { puts, sync: true, ..Append::default() });
    trial.step(0).unwrap();
    let queue = QueueCheckpoint { next_sequence: 7, live: vec![2..=4, 6..=6], ..QueueCheckpoint::default() };
    let checkpoint = Checkpoint { queues: BTreeMap::from([(QueueKey(1), queue)]), ..Checkpoint::default() };
    let disk: Arc<dyn Disk> = Arc::new(trial.disk.clone());
    let segments = vec![OpenSegment { number, file: segment, extents }];
    let (log, _, recovered) = open_log(&disk, &options(2), &checkpoint, segments, &|_| true).unwrap();
    let sequences: Vec<u64> = live(&log, &recovered).into_keys().map(|(_, sequence)| sequence).collect();
    assert_eq!(sequences, [2, 4, 6, 7]);
    assert_eq!(
        log.usage().iter().map(|file| (file.number == number, file.live)).collect::<Vec<_>>(),
        [(false, 1), (true, 3)]
    );
}

#[test]
fn a_run_without_a_crash_is_recovered_wholly_whatever_it_did() {
    for seed in 1..=150 {
        let disk = FaultyDisk::new();
        let mut trial = super::script::run(&disk, seed, 80).unwrap();
        trial.writer.finish(trial.now).unwrap();
        let after = disk.after_power_cut(Unsynced::Lost);
        assert_eq!(recover(&after, &trial.checkpoint, 2).unwrap(), trial.expected(), "seed {seed}");
    }
}
