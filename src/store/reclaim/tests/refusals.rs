//! What keeps a file from being given up: no room, a failed sync, damage, a message that is still on its way.

use std::time::Duration;

use super::world::World;
use crate::store::disk::Disk;
use crate::store::harness::Append;
use crate::store::place::{FileNumber, QueueKey};
use crate::store::reclaim::{Progress, ReclaimError};

fn full_log() -> World {
    let mut world = World::new();
    for sequence in 0..110 {
        world.put(&[1], &[sequence; 150], sequence % 2 == 0);
    }
    world.write_all();
    assert_eq!(world.log_files(), 4);
    assert!(world.reclaim.needs_work());
    world
}

fn until_error(world: &mut World) -> ReclaimError {
    loop {
        match world.step() {
            Ok(Progress::Waiting(_)) => world.write(100).unwrap(),
            Ok(Progress::Idle | Progress::Later) => panic!("nothing failed"),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

#[test]
fn a_full_disk_frees_nothing_and_it_is_tried_again() {
    let mut world = full_log();
    let files = world.log.usage();
    world.disk.full_from_write(1);
    let error = until_error(&mut world);
    assert!(matches!(error, ReclaimError::NoSpace(_)) && !error.is_fatal(), "{error}");
    assert_eq!(world.log.usage(), files);
    assert_eq!(world.segments().len(), 0, "what was begun does not take room");
    assert!(world.reclaim.needs_work());
    world.disk.heal();
    world.reclaim_all().unwrap();
    assert_eq!(world.passes.iter().map(|pass| pass.log_files).sum::<usize>(), 1);
    world.assert_sound();
    world.assert_restart("after the pass");
}

#[test]
fn segments_that_were_finished_before_the_disk_was_full_are_removed() {
    let mut world = full_log();
    world.reclaim.options.segment_size = 1500;
    world.disk.full_from_write(4);
    assert!(matches!(until_error(&mut world), ReclaimError::NoSpace(_)));
    assert_eq!(world.segments().len(), 0);
    assert!(world.log.usage().iter().all(|file| !file.number.is_segment()));
    world.disk.heal();
    world.reclaim_all().unwrap();
    world.assert_sound();
}

#[test]
fn segments_that_nobody_needs_go_on_a_full_disk_though_nothing_can_be_copied() {
    let mut world = full_log();
    world.reclaim_all().unwrap();
    assert_eq!(world.segments().len(), 1);
    // What was moved is settled, and the log has grown: the next pass would copy, and remove the segment.
    let moved = world.passes[0].records;
    for sequence in 1..=moved {
        world.settle(1, sequence);
    }
    for sequence in 0..60 {
        world.put(&[2], &[sequence; 150], true);
    }
    world.write_all();
    assert!(world.log_files() > 3 && world.reclaim.needs_work());
    // The disk has room for what is written in place alone.
    let names = world.disk.list("data/segments".as_ref()).unwrap();
    world.disk.fill_up();
    assert!(matches!(until_error(&mut world), ReclaimError::NoSpace(_)));
    assert_eq!(world.disk.list("data/segments".as_ref()).unwrap(), names);
    while !matches!(world.step().unwrap(), Progress::Done(_)) {
        world.write(100).unwrap();
    }
    assert!(world.segments().is_empty());
    world.disk.heal();
    world.reclaim_all().unwrap();
    world.assert_sound();
    world.assert_restart("after the pass");
}

#[test]
fn a_failed_sync_of_a_segment_ends_it_all() {
    let mut world = full_log();
    world.disk.fail_sync(1);
    let error = until_error(&mut world);
    assert!(matches!(error, ReclaimError::Segment(_)) && error.is_fatal(), "{error}");
    assert!(matches!(world.step(), Err(ReclaimError::FailedBefore)));
    world.assert_restart("after the pass");
}

#[test]
fn a_read_that_fails_frees_nothing_and_it_is_tried_again() {
    let mut world = full_log();
    world.disk.fail_read(1);
    let error = until_error(&mut world);
    assert!(matches!(error, ReclaimError::Read(_)) && !error.is_fatal(), "{error}");
    world.reclaim_all().unwrap();
    world.assert_sound();
}

#[test]
fn a_message_that_has_not_come_to_its_queue_is_waited_for() {
    let mut world = World::new();
    let targets = world.numbers(&[1]);
    let append = Append { puts: vec![(targets.clone(), b"on its way".to_vec())], sync: true, ..Append::default() };
    let place = world.append_alone(&append)[0];
    for _ in 0..25 {
        world.put(&[2], &[7; 1500], true);
    }
    world.write_all();
    assert!(matches!(world.step().unwrap(), Progress::Later));
    assert!(matches!(world.step().unwrap(), Progress::Later));
    world.arrive(&targets, place, false);
    world.reclaim_all().unwrap();
    assert_eq!(world.passes[0].log_files, 1);
    world.assert_sound();
    world.assert_restart("after the pass");
}

#[test]
fn a_count_that_nobody_explains_for_ten_seconds_keeps_no_file() {
    let mut world = World::new();
    let targets = world.numbers(&[1]);
    let append = Append { puts: vec![(targets, b"of a queue that forgot it".to_vec())], ..Append::default() };
    world.append_alone(&append);
    for _ in 0..25 {
        world.put(&[2], &[7; 1500], true);
    }
    world.write_all();
    assert!(matches!(world.step().unwrap(), Progress::Later));
    world.now += Duration::from_millis(9_900);
    assert!(matches!(world.step().unwrap(), Progress::Later));
    world.now += Duration::from_millis(200);
    world.reclaim_all().unwrap();
    assert_eq!(world.passes[0].log_files, 1);
}

#[test]
fn damage_in_a_run_is_copied_as_it_is_and_told() {
    let mut world = World::new();
    for sequence in 0..8 {
        world.put(&[1], &[sequence; 500], true);
    }
    let intact = world.numbers(&[2]);
    let append = Append { puts: vec![(intact, b"behind".to_vec())], sync: true, ..Append::default() };
    world.append(append, true);
    for _ in 0..25 {
        world.put(&[3], &[7; 1500], true);
    }
    world.write_all();
    let run = *world.queues.0.lock()[&QueueKey(1)].runs.values().next().unwrap();
    assert_eq!((run.count, run.location.file), (8, FileNumber(1)));
    // In the payload of the fourth record.
    let file = world
        .disk
        .open("data/log/00.log".as_ref(), false)
        .or_else(|_| world.disk.open("data/log/01.log".as_ref(), false))
        .unwrap();
    file.write_at(u64::from(run.location.offset + run.location.length / 8 * 3 + 100), &[b"damage"]).unwrap();
    world.reclaim_all().unwrap();
    let damaged: Vec<_> = world.passes.iter().flat_map(|pass| &pass.damaged).map(ToString::to_string).collect();
    let offset = run.location.offset + run.location.length / 8 * 3;
    assert_eq!(damaged, [format!("log file 1 at offset {offset}: the record is damaged")]);
    assert!(world.passes.iter().all(|pass| pass.kept.is_empty()));
    let run = *world.queues.0.lock()[&QueueKey(1)].runs.values().next().unwrap();
    assert!(run.location.file.is_segment() && run.count == 8);
    let mut read = Vec::new();
    let result = world.log.read(QueueKey(1), &run, &mut |sequence, _, _| read.push(sequence));
    assert!(result.is_err());
    assert_eq!(read, [1, 2, 3, 5, 6, 7, 8], "all but the damaged one");
}
