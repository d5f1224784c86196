//! Nothing durable is lost and nothing settled comes back, wherever the power is cut.

use super::world::{World, restart};
use crate::store::disk::faulty::{FaultyDisk, Operation, Unsynced};
use crate::store::harness::{FILE_SIZE, Random, digest};
use crate::store::meta::Meta;
use crate::store::place::{FileNumber, QueueKey};
use crate::store::reclaim::Progress;

/// Random use with a step of reclamation after each few actions; stops when the disk fails.
fn use_it(disk: &FaultyDisk, seed: u64, actions: u64) -> Option<World> {
    let mut world = World::on(disk, FILE_SIZE).ok()?;
    let mut random = Random::new(seed);
    for _ in 0..actions {
        if world.act(&mut random).is_err() {
            break;
        }
        if random.below(3) == 0 {
            match world.step() {
                Ok(Progress::Done(done)) => world.passes.push(done),
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
    Some(world)
}

#[test]
fn random_use_with_passes_keeps_every_message_and_every_count() {
    for seed in 1..=12 {
        let disk = FaultyDisk::new();
        let mut world = use_it(&disk, seed, 700).unwrap();
        world.write_all();
        world.reclaim_all().unwrap();
        world.assert_sound();
        let files: usize = world.passes.iter().map(|pass| pass.log_files).sum();
        let records: u64 = world.passes.iter().map(|pass| pass.records).sum();
        let removed: usize = world.passes.iter().map(|pass| pass.segments_removed).sum();
        assert!(files > 5 && records > 20 && removed > 0, "seed {seed}: {files} files, {records}, {removed}");
        assert!(world.passes.iter().all(|pass| pass.damaged.is_empty() && pass.kept.is_empty()), "seed {seed}");
        assert!(world.log_files() <= 4, "seed {seed}: {} files", world.log_files());
        world.assert_restart(&format!("seed {seed}"));
    }
}

#[test]
fn use_goes_on_after_restarts() {
    for seed in 1..=4 {
        let mut disk = FaultyDisk::new();
        let mut appends = Vec::new();
        for restarts in 0..4 {
            let mut world = World::on(&disk, FILE_SIZE).unwrap();
            world.appends = std::mem::take(&mut appends);
            let mut random = Random::new(seed * 100 + restarts);
            for _ in 0..200 {
                world.act(&mut random).unwrap();
                if random.below(3) == 0 {
                    world.step().unwrap();
                }
            }
            world.write_all();
            world.reclaim_all().unwrap();
            world.assert_sound();
            appends = std::mem::take(&mut world.appends);
            disk = disk.after_power_cut(Unsynced::Chance(seed));
        }
    }
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_durable() {
    let whole = FaultyDisk::new();
    let world = use_it(&whole, 5, 260).unwrap();
    assert!(world.passes.iter().map(|pass| pass.segments_written).sum::<usize>() > 2, "{:?}", world.passes);
    for cut in 1..=whole.operations() {
        let disk = FaultyDisk::new();
        disk.power_cut_at(cut);
        let Some(world) = use_it(&disk, 5, 260) else { continue };
        for fate in [Unsynced::Lost, Unsynced::Kept, Unsynced::Chance(cut)] {
            let context = format!("cut at {cut} ({}), {fate:?}", whole.trace()[usize::try_from(cut).unwrap() - 1]);
            let found = disk.after_power_cut(fate);
            let live = restart(&found, 7).unwrap_or_else(|error| panic!("{context}: {error}"));
            world.assert_prefix(&live, &context);
        }
        let found = disk.after_power_cut(Unsynced::Chance(cut));
        let first = restart(&found, 7).unwrap();
        let second = restart(&found.after_power_cut(Unsynced::Chance(cut + 1)), 8).unwrap();
        assert_eq!(first, second, "cut at {cut}: the second start");
    }
}

#[test]
fn a_failing_disk_stops_reclamation_and_loses_nothing_durable() {
    let whole = FaultyDisk::new();
    use_it(&whole, 5, 260).unwrap();
    let syncs = |operation: &&Operation| matches!(operation, Operation::Sync(_) | Operation::SyncDirectory(_));
    let syncs = whole.trace().iter().filter(syncs).count() as u64;
    for n in 1..=syncs {
        let disk = FaultyDisk::new();
        disk.fail_sync(n);
        let Some(world) = use_it(&disk, 5, 260) else { continue };
        disk.heal();
        let live = restart(&disk.after_power_cut(Unsynced::Lost), 7).unwrap();
        world.assert_prefix(&live, &format!("sync {n} failed"));
    }
}

/// One old message in queue 1 in a full log: reclamation has to copy it.
fn one_old_message() -> World {
    let mut world = World::new();
    world.put(&[1], b"the old message", false);
    while world.log_files() < 5 {
        world.put(&[2], &[7; 1500], false);
        let last = world.queues.0.lock()[&QueueKey(2)].next - 1;
        world.settle(2, last);
        world.write_all();
    }
    world
}

fn first_file(disk: &FaultyDisk) -> FileNumber {
    Meta::open(disk).unwrap().checkpoint().unwrap().first_file
}

#[test]
fn the_checkpoint_waits_for_a_move_to_another_queue_that_is_not_durable() {
    let mut world = one_old_message();
    world.move_to(1, 1, 3);
    let waiting = world.work();
    assert!(matches!(waiting, Progress::Waiting(position) if position == world.log.end()), "{waiting:?}");
    assert!(matches!(world.step().unwrap(), Progress::Waiting(_)), "however often it is asked");
    let cut = world.disk.after_power_cut(Unsynced::Lost);
    assert_eq!(first_file(&cut), FileNumber(1));
    let live = restart(&cut, 2).unwrap();
    assert_eq!(live.get(&(1, 1)), Some(&digest(b"the old message")));

    world.reclaim_all().unwrap();
    let cut = world.disk.after_power_cut(Unsynced::Lost);
    assert!(first_file(&cut) > FileNumber(1));
    assert_eq!(restart(&cut, 2).unwrap(), [((3, 1), digest(b"the old message"))].into());
}

#[test]
fn numbers_of_a_queue_that_is_empty_are_not_given_out_again() {
    let mut world = one_old_message();
    let next = world.queues.0.lock()[&QueueKey(2)].next;
    world.settle(1, 1);
    world.reclaim_all().unwrap();
    assert!(first_file(&world.disk) > FileNumber(3));
    let found = world.disk.after_power_cut(Unsynced::Lost);
    let (_log, _writer, _meta, recovered, _reclaim) = super::world::start(&found, 2, FILE_SIZE).unwrap();
    assert_eq!(recovered.queues[&QueueKey(2)].next_sequence, next);
    assert_eq!(recovered.queues[&QueueKey(1)].next_sequence, 2);
}

#[test]
fn a_queue_that_was_deleted_leaves_the_checkpoint() {
    let mut world = one_old_message();
    world.reclaim_all().unwrap();
    let in_checkpoint = |world: &World| Meta::open(&world.disk).unwrap().checkpoint().unwrap().queues;
    assert_eq!(in_checkpoint(&world).keys().map(|queue| queue.0).collect::<Vec<_>>(), [1, 2]);
    world.queues.0.lock().remove(&QueueKey(1));
    let segment = world.log.usage().pop().unwrap();
    world.log.release(segment.number, 1);
    world.reclaim_all().unwrap();
    assert_eq!(in_checkpoint(&world).keys().map(|queue| queue.0).collect::<Vec<_>>(), [2]);
    assert_eq!(world.segments().len(), 0);
}

#[test]
fn a_file_that_was_opened_and_not_written_to_is_no_beginning_of_the_log() {
    let mut world = World::new();
    world.put(&[1], b"settled", false);
    world.settle(1, 1);
    world.write_all();
    let full = usize::try_from(FILE_SIZE).unwrap() - 4200;
    world.log.append(full, false, |_| ());
    assert_eq!(world.log_files(), 2);
    world.reclaim_all().unwrap();
    world.assert_restart("nothing was appended to the second file");
    world.put(&[1], b"message", false);
    world.write_all();
    world.reclaim_all().unwrap();
    assert_eq!(world.log_files(), 1);
    world.assert_restart("there is a second file");
}
