//! What passes do to files: what they copy, free, merge and remove.

use std::path::Path;

use super::world::{World, restart};
use crate::store::disk::faulty::{FaultyDisk, Operation, Unsynced};
use crate::store::place::QueueKey;
use crate::store::reclaim::Progress;

/// Fills the log with messages that are settled at once, until so many more files were begun.
fn pass_through(world: &mut World, files: u32) {
    let end = world.log.end().file().0 + files;
    while world.log.end().file().0 < end {
        world.put(&[9], &[7; 1500], false);
        let last = world.queues.0.lock()[&QueueKey(9)].next - 1;
        world.settle(9, last);
        world.write_all();
    }
}

fn is_segment(path: &Path) -> bool {
    path.starts_with("data/segments")
}

fn put_many(world: &mut World, queue: u64, count: usize, payload: usize, paged: bool) {
    for _ in 0..count {
        world.put(&[queue], &vec![5; payload], paged);
    }
    world.write_all();
}

#[test]
fn a_stuck_message_costs_a_record_in_a_segment_and_not_a_log_file() {
    let mut world = World::new();
    world.put(&[1], b"stuck", false);
    for _ in 0..10 {
        pass_through(&mut world, 4);
        world.reclaim_all().unwrap();
        assert!(world.log_files() <= 4, "{} files", world.log_files());
    }
    world.assert_sound();
    assert_eq!(world.passes.iter().map(|pass| pass.records).sum::<u64>(), 1, "it is copied once");
    assert_eq!(world.segments().len(), 1);
    assert!(world.passes.iter().map(|pass| pass.bytes).sum::<u64>() < 100);
    world.assert_restart("after the pass");
}

#[test]
fn how_often_a_message_was_delivered_outlives_the_file_that_says_so() {
    let mut world = World::new();
    for paged in [false, true] {
        world.put(&[1], b"poison", paged);
    }
    for count in [1, 7] {
        world.requeue(1, 2, count);
    }
    pass_through(&mut world, 4);
    world.reclaim_all().unwrap();
    world.assert_sound();
    let counts = |world: &World| restart(&world.disk.after_power_cut(Unsynced::Lost), 2).unwrap();
    let found: Vec<_> = counts(&world).into_iter().map(|((_, sequence), digest)| (sequence, digest.2)).collect();
    assert_eq!(found, [(1, 0), (2, 7)]);
    world.settle(1, 2);
    pass_through(&mut world, 4);
    world.reclaim_all().unwrap();
    assert!(world.meta.checkpoint().unwrap().queues[&QueueKey(1)].deliveries.is_empty());
}

#[test]
fn files_without_live_records_are_freed_together_and_without_copying() {
    let mut world = World::new();
    pass_through(&mut world, 3);
    assert!(world.reclaim.needs_work());
    world.reclaim_all().unwrap();
    let [pass] = &world.passes[..] else { panic!("{:?}", world.passes) };
    assert_eq!((pass.log_files, pass.records, pass.segments_written), (3, 0, 0));
    assert_eq!(world.log_files(), 1);
    assert!(!world.reclaim.needs_work());
    assert!(matches!(world.step().unwrap(), Progress::Idle));
}

#[test]
fn a_log_with_room_is_left_alone() {
    let mut world = World::new();
    put_many(&mut world, 1, 9, 1500, true);
    assert_eq!(world.log_files(), 3);
    assert!(!world.reclaim.needs_work());
}

#[test]
fn a_segment_without_live_records_is_removed_after_the_commit() {
    let mut world = World::new();
    put_many(&mut world, 1, 110, 150, false);
    assert_eq!(world.log_files(), 4);
    world.reclaim_all().unwrap();
    assert_eq!(world.segments().len(), 1);
    let copied = world.passes[0].records;
    for sequence in 1..=copied {
        world.settle(1, sequence);
    }
    world.write_all();
    let before = world.disk.trace().len();
    world.reclaim_all().unwrap();
    assert_eq!(world.segments().len(), 0);
    assert_eq!(world.passes.last().unwrap().segments_removed, 1);
    world.assert_sound();
    let trace = world.disk.trace().split_off(before);
    let removed = trace.iter().position(|operation| matches!(operation, Operation::Remove(_))).unwrap();
    let is_commit = |operation: &Operation| matches!(operation, Operation::Sync(path) if !is_segment(path));
    assert!(trace.iter().rposition(is_commit).unwrap() < removed, "{trace:?}");
    world.assert_restart("after the pass");
}

#[test]
fn a_sparse_segment_is_emptied_into_another() {
    let mut world = World::new();
    put_many(&mut world, 1, 110, 150, false);
    assert_eq!(world.log_files(), 4);
    world.reclaim_all().unwrap();
    let [old] = &world.segments()[..] else { panic!("{:?}", world.segments()) };
    let old = old.clone();
    let copied = world.passes[0].records;
    // More than 30 % live: it stays.
    for sequence in 2..=copied / 2 {
        world.settle(1, sequence);
    }
    world.write_all();
    world.reclaim_all().unwrap();
    assert_eq!(world.segments(), std::slice::from_ref(&old));
    for sequence in copied / 2 + 1..=copied {
        world.settle(1, sequence);
    }
    world.write_all();
    world.reclaim_all().unwrap();
    let [new] = &world.segments()[..] else { panic!("{:?}", world.segments()) };
    assert_ne!(*new, old);
    assert_eq!(world.passes.last().unwrap().records, 1);
    world.assert_sound();
    world.assert_restart("after the pass");
}

#[test]
fn small_segments_are_made_into_fewer() {
    let mut world = World::new();
    for _ in 0..60 {
        world.put(&[1], b"stuck", false);
        pass_through(&mut world, 4);
        world.reclaim_all().unwrap();
        assert!(world.segments().len() <= 16, "{:?}", world.segments());
    }
    world.assert_sound();
    world.assert_restart("after the pass");
}

#[test]
fn each_queue_gets_a_record_of_its_own_of_a_message_that_went_to_several() {
    let mut world = World::new();
    world.put(&[1, 2, 3], b"for three", true);
    world.put(&[1, 2, 3], b"for three and then for two", false);
    pass_through(&mut world, 4);
    world.settle(2, 2);
    world.write_all();
    world.reclaim_all().unwrap();
    assert_eq!(world.passes.iter().map(|pass| pass.records).sum::<u64>(), 5);
    world.assert_sound();
    world.assert_restart("after the pass");
}

#[test]
fn transient_messages_outlive_their_file_and_not_a_restart() {
    let mut world = World::new();
    for sequence in 0..10 {
        world.put(&[1], &[sequence; 30], true);
        world.put_transient(1, &[sequence; 40]);
    }
    pass_through(&mut world, 4);
    world.reclaim_all().unwrap();
    assert_eq!(world.passes.iter().map(|pass| pass.records).sum::<u64>(), 20);
    assert_eq!(world.transient.len(), 10);
    world.assert_sound();
    let live = restart(&world.disk.after_power_cut(Unsynced::Lost), 2).unwrap();
    assert_eq!(live.len(), 10);
    assert_eq!(live, world.expected());
}

#[test]
fn a_long_backlog_becomes_few_long_runs() {
    const RECORDS: u64 = 200_000;
    let disk = FaultyDisk::new();
    let mut world = World::on(&disk, 256 << 10).unwrap();
    for sequence in 1..=RECORDS {
        let queue = QueueKey(1 + sequence % 2);
        let targets = world.numbers(&[queue.0]);
        let payload = sequence.to_le_bytes();
        let (place, _) = world.log.append(200, false, |batch| batch.put(&targets, false, &[&payload]));
        world.arrive(&targets, place, true);
        if sequence % 1000 == 0 {
            world.write_all();
            world.reclaim_all().unwrap();
            assert!(world.log_files() <= 5, "{} files", world.log_files());
        }
    }
    let copied: u64 = world.passes.iter().map(|pass| pass.records).sum();
    assert!(copied > RECORDS / 2, "{copied} records copied");
    let queues = world.queues.0.lock();
    for (key, queue) in &*queues {
        let in_segments: Vec<_> = queue.runs.values().filter(|run| run.location.file.is_segment()).collect();
        let files = world.passes.iter().map(|pass| pass.segments_written).sum::<usize>();
        assert!(in_segments.len() <= files, "{} runs in {files} segments", in_segments.len());
        let mut next = 1;
        for run in queue.runs.values() {
            let read = world.log.read(*key, run, &mut |sequence, _, payload| {
                assert_eq!(sequence, next);
                let number = u64::from_le_bytes(payload[..].try_into().unwrap());
                assert_eq!(number, if key.0 == 2 { 2 * sequence - 1 } else { 2 * sequence });
                next += 1;
            });
            read.unwrap();
        }
        assert_eq!(next - 1, RECORDS / 2);
    }
}

#[test]
fn records_that_lie_close_together_are_read_at_once() {
    let disk = FaultyDisk::new();
    let mut world = World::on(&disk, 256 << 10).unwrap();
    put_many(&mut world, 1, 3000, 60, false);
    put_many(&mut world, 2, 3000, 300, false);
    let before = world.disk.trace().len();
    world.reclaim_all().unwrap();
    let records = world.passes.iter().map(|pass| pass.records).sum::<u64>();
    let trace = world.disk.trace();
    let reads = trace[before..]
        .iter()
        .filter(|operation| matches!(operation, Operation::Read(path, ..) if path.starts_with("data/log")));
    assert!(records > 1000, "{records}");
    assert!(reads.count() < 30);
    world.assert_sound();
}

#[test]
fn a_pass_copies_a_megabyte_at_a_step_and_syncs_some_megabytes_at_once() {
    let disk = FaultyDisk::new();
    let mut world = World::on(&disk, 8 << 20).unwrap();
    world.reclaim.options.segment_size = 64 << 20;
    put_many(&mut world, 1, 180, 150_000, true);
    assert_eq!(world.log_files(), 4);
    let segment_writes = || {
        let writes = |operation: &Operation| matches!(operation, Operation::Write(path, ..) if is_segment(path));
        disk.trace().iter().filter(|operation| writes(operation)).count()
    };
    let (mut steps, mut written) = (0, 0);
    let done = loop {
        let progress = world.step().unwrap();
        if let Progress::Done(done) = progress {
            break done;
        }
        assert!(matches!(progress, Progress::Working), "{progress:?}");
        steps += 1;
        assert!(segment_writes() <= written + 2, "step {steps} wrote {} times", segment_writes() - written);
        written = segment_writes();
    };
    assert!((8..=14).contains(&steps), "{steps} steps");
    let synced = |operation: &Operation| matches!(operation, Operation::Sync(path) if is_segment(path));
    assert_eq!(disk.trace().iter().filter(|operation| synced(operation)).count(), 2, "of eight");
    assert_eq!(done.segments_written, 1);
}
