//! Disks that fail while the power stays on: the process ends and starts again upon what the system still shows.

use super::script::run;
use crate::store::disk::FaultyDisk;
use crate::store::disk::faulty::{Operation, Unsynced};
use crate::store::harness::{Trial, recover};

/// The run with a disk told to fail before it.
fn failing_run(seed: u64, fault: impl FnOnce(&FaultyDisk)) -> (FaultyDisk, Option<Box<Trial>>) {
    let disk = FaultyDisk::new();
    fault(&disk);
    let trial = match run(&disk, seed, 40) {
        Ok(trial) => Some(Box::new(trial)),
        Err((trial, _)) => trial,
    };
    disk.heal();
    (disk, trial)
}

fn syncs_of_a_run(seed: u64) -> u64 {
    let disk = FaultyDisk::new();
    run(&disk, seed, 40).unwrap();
    let sync = |operation: &&Operation| matches!(operation, Operation::Sync(_) | Operation::SyncDirectory(_));
    disk.trace().iter().filter(sync).count() as u64
}

/// Restarts upon the disk as the system shows it; what is recovered then must outlive a power cut.
fn restart_and_cut(disk: &FaultyDisk, trial: &Trial, context: &dyn Fn() -> String) {
    let recovered = recover(disk, &trial.checkpoint, 2).unwrap_or_else(|error| panic!("{}: {error}", context()));
    trial.assert_prefix(&recovered, trial.durable(), context);
    for fate in [Unsynced::Lost, Unsynced::Chance(1), Unsynced::Chance(2)] {
        let after = disk.after_power_cut(fate);
        let again = recover(&after, &trial.checkpoint, 3).unwrap_or_else(|error| panic!("{}: {error}", context()));
        assert_eq!(again, recovered, "{}, then {fate:?}", context());
    }
}

#[test]
fn after_a_failed_sync_the_tail_is_written_again_before_it_is_trusted() {
    for seed in 1..=10 {
        for sync in 1..=syncs_of_a_run(seed) {
            let (disk, trial) = failing_run(seed, |disk| disk.fail_sync(sync));
            let Some(trial) = trial else { continue };
            restart_and_cut(&disk, &trial, &|| format!("seed {seed}, sync {sync} failed"));
        }
    }
}

#[test]
fn a_failed_sync_of_recovery_itself_is_no_loss_either() {
    for seed in 1..=6 {
        for sync in (1..=syncs_of_a_run(seed)).step_by(5) {
            let (disk, trial) = failing_run(seed, |disk| disk.fail_sync(sync));
            let Some(trial) = trial else { continue };
            for again in 1..=8 {
                let disk = disk.clone();
                disk.fail_sync(again);
                let _ = recover(&disk, &trial.checkpoint, 10 + again);
                disk.heal();
            }
            restart_and_cut(&disk, &trial, &|| format!("seed {seed}, sync {sync} failed, and those of recovery"));
        }
    }
}

#[test]
fn a_failed_or_short_write_loses_nothing_durable() {
    for seed in 1..=5 {
        for write in 1..60 {
            let (disk, trial) = failing_run(seed, |disk| disk.fail_write(write));
            if let Some(trial) = trial {
                restart_and_cut(&disk, &trial, &|| format!("seed {seed}, write {write} failed"));
            }
            let (disk, trial) = failing_run(seed, |disk| disk.full_from_write(write));
            if let Some(trial) = trial {
                restart_and_cut(&disk, &trial, &|| format!("seed {seed}, full from write {write}"));
            }
        }
    }
}

#[test]
fn reads_that_stop_short_are_continued() {
    let disk = FaultyDisk::new();
    let trial = run(&disk, 5, 60).unwrap();
    disk.short_reads();
    assert_eq!(recover(&disk, &trial.checkpoint, 2).unwrap(), trial.expected());
}

#[test]
fn a_failed_read_is_an_error_and_no_end_of_the_log() {
    let disk = FaultyDisk::new();
    let trial = run(&disk, 5, 60).unwrap();
    let reads = |disk: &FaultyDisk| disk.trace().iter().filter(|it| matches!(it, Operation::Read(..))).count() as u64;
    let copy = disk.after_power_cut(Unsynced::Kept);
    let (log, writer, _) = crate::store::harness::open(&copy, &trial.checkpoint, 2).unwrap();
    drop((log, writer));
    for read in 1..=reads(&copy) {
        let copy = disk.after_power_cut(Unsynced::Kept);
        copy.fail_read(read);
        assert!(recover(&copy, &trial.checkpoint, 2).is_err(), "read {read}");
        copy.heal();
        assert_eq!(recover(&copy, &trial.checkpoint, 3).unwrap(), trial.expected());
    }
}
