//! The power goes at every operation of a run, and at every operation of the recovery after it.

use super::script::run;
use crate::store::disk::faulty::Unsynced;
use crate::store::disk::{Disk, FaultyDisk};
use crate::store::harness::{Random, Trial, expected, live, open, recover};

const FATES: [Unsynced; 6] = [
    Unsynced::Lost,
    Unsynced::Kept,
    Unsynced::Chance(1),
    Unsynced::Chance(2),
    Unsynced::Chance(3),
    Unsynced::Chance(4),
];

/// A run whose power goes at that operation.
fn cut_run(seed: u64, steps: u64, operation: u64) -> (FaultyDisk, Option<Box<Trial>>) {
    let disk = FaultyDisk::new();
    disk.power_cut_at(operation);
    let trial = match run(&disk, seed, steps) {
        Ok(trial) => Some(Box::new(trial)),
        Err((trial, _)) => trial,
    };
    (disk, trial)
}

fn operations(seed: u64, steps: u64) -> u64 {
    let disk = FaultyDisk::new();
    run(&disk, seed, steps).unwrap();
    disk.operations()
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_durable_and_invents_nothing() {
    for seed in 1..=12 {
        for operation in 1..=operations(seed, 40) {
            let (disk, trial) = cut_run(seed, 40, operation);
            for fate in FATES {
                let context = || format!("seed {seed}, power cut at {operation}, {fate:?}");
                let after = disk.after_power_cut(fate);
                let Some(trial) = &trial else {
                    assert!(recover(&after, &crate::store::Checkpoint::default(), 2).unwrap().is_empty());
                    continue;
                };
                let recovered = recover(&after, &trial.checkpoint, 2).unwrap_or_else(|e| panic!("{}: {e}", context()));
                trial.assert_prefix(&recovered, trial.durable(), &context);
            }
        }
    }
}

#[test]
fn recovery_cut_short_at_any_operation_begins_again_from_the_same() {
    for seed in 1..=4 {
        for operation in (1..=operations(seed, 30)).step_by(3) {
            let (disk, Some(trial)) = cut_run(seed, 30, operation) else { continue };
            for fate in [Unsynced::Lost, Unsynced::Chance(operation)] {
                let crashed = disk.after_power_cut(fate);
                recover_again_and_again(&crashed, &trial, &format!("seed {seed}, power cut at {operation}, {fate:?}"));
            }
        }
    }
}

fn recover_again_and_again(crashed: &FaultyDisk, trial: &Trial, context: &str) {
    let whole = crashed.after_power_cut(Unsynced::Kept);
    let (log, _writer, recovered) = open(&whole, &trial.checkpoint, 2).unwrap();
    let operations = whole.operations();
    let expected = live(&log, &recovered);
    for cut in 1..=operations {
        for fate in [Unsynced::Lost, Unsynced::Kept, Unsynced::Chance(cut), Unsynced::Chance(cut + 1000)] {
            let first = crashed.after_power_cut(Unsynced::Kept);
            first.power_cut_at(cut);
            let _ = open(&first, &trial.checkpoint, 3);
            let second = first.after_power_cut(fate);
            let again = recover(&second, &trial.checkpoint, 4);
            let again = again.unwrap_or_else(|error| panic!("{context}, then at {cut}, {fate:?}: {error}"));
            assert_eq!(again, expected, "{context}, then at {cut}, {fate:?}");
        }
    }
}

#[test]
fn a_log_that_crashes_again_and_again_keeps_what_was_durable() {
    for seed in 1..=60 {
        let mut random = Random::new(seed);
        let mut trial = Trial::new(FaultyDisk::new()).unwrap();
        for round in 0..12 {
            trial.disk.power_cut_at(trial.disk.operations() + 1 + random.below(40));
            while super::script::go_on(&mut trial, &mut random).is_ok() {}
            let durable = trial.durable();
            let fate = [Unsynced::Lost, Unsynced::Kept, Unsynced::Chance(seed * 100 + round)]
                [usize::try_from(random.below(3)).unwrap()];
            let context = || format!("seed {seed}, round {round}, {fate:?}");
            let recovered = trial.restart(&trial.disk.after_power_cut(fate), seed * 100 + round + 2);
            let recovered = recovered.unwrap_or_else(|error| panic!("{}: {error}", context()));
            trial.assert_prefix(&recovered, durable, &context);
            trial.take_over(&recovered, &context);
        }
    }
}

#[test]
fn frames_whose_header_was_lost_do_not_come_back_behind_what_recovery_writes_there() {
    let mut trial = Trial::new(FaultyDisk::new()).unwrap();
    trial.put(1, &[1; 3000], true);
    trial.step(0).unwrap();
    for length in [3000, 1000] {
        trial.put(1, &vec![2; length], false);
        trial.step(0).unwrap();
    }
    let after = trial.disk.after_power_cut(Unsynced::Kept);
    let second = Disk::open(&after, "data/log/01.log".as_ref(), false).unwrap();
    second.write_at(0, &[&[0; 4096]]).unwrap();
    // The same file takes the same number, and the copy of the first message ends where the frame of the third begins.
    let expected = expected(trial.appends.iter().take(1).map(|(append, _)| append));
    assert_eq!(recover(&after, &trial.checkpoint, 2).unwrap(), expected);
    assert_eq!(recover(&after, &trial.checkpoint, 3).unwrap(), expected);
}
