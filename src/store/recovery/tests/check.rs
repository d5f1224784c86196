//! The report over a log that nobody has open.

use std::path::Path;

use super::script::run;
use crate::store::disk::faulty::{Operation, Unsynced};
use crate::store::disk::{Disk, FaultyDisk};
use crate::store::harness::options;
use crate::store::{Checkpoint, DamageKind, check_log};

#[test]
fn a_sound_log_is_counted_and_not_written_to() {
    let disk = FaultyDisk::new();
    let mut trial = run(&disk, 7, 60).unwrap();
    trial.writer.finish(trial.now).unwrap();
    let copy = disk.after_power_cut(Unsynced::Kept);
    let report = check_log(&copy, &options(9), &trial.checkpoint, Vec::new()).unwrap();
    assert_eq!(report.damage, []);
    let numbers: Vec<_> = report.files.iter().map(|file| file.number).collect();
    assert_eq!(numbers, trial.log.usage().iter().map(|file| file.number).collect::<Vec<_>>());
    assert!(report.files.iter().all(|file| file.frames > 0 && file.records > 0 && file.bytes <= file.end));
    let live = trial.expected();
    for (key, queue) in &report.queues {
        let messages = live.keys().filter(|(queue, _)| *queue == key.0).count();
        assert_eq!(queue.messages, messages as u64, "{key:?}");
        assert!(queue.next_sequence > 1 && queue.extents <= queue.messages);
    }
    let written = |operation: &Operation| {
        matches!(
            operation,
            Operation::Write(..) | Operation::SetLength(..) | Operation::Rename(..) | Operation::Remove(_)
        )
    };
    assert!(!copy.trace().iter().any(written));
}

#[test]
fn damage_is_listed_with_its_place_and_the_rest_is_counted() {
    let disk = FaultyDisk::new();
    let mut trial = run(&disk, 7, 60).unwrap();
    trial.writer.finish(trial.now).unwrap();
    let sound = check_log(&disk, &options(9), &trial.checkpoint, Vec::new()).unwrap();
    for file in &sound.files {
        let copy = disk.after_power_cut(Unsynced::Kept);
        copy.open(&file.path, false).unwrap().write_at(4096 + 60, &[b"damage"]).unwrap();
        let report = check_log(&copy, &options(9), &trial.checkpoint, Vec::new()).unwrap();
        let damage = &report.damage[0];
        assert_eq!((&damage.path, damage.offset, damage.kind), (&file.path, 4096, DamageKind::Frame));
        let frames = |report: &crate::store::CheckReport| report.files.iter().map(|file| file.frames).sum::<u64>();
        assert_eq!(frames(&report), frames(&sound) - 1);
    }
}

#[test]
fn an_empty_directory_has_an_empty_log() {
    let report = check_log(&FaultyDisk::new(), &options(1), &Checkpoint::default(), Vec::new()).unwrap();
    assert!(report.files.is_empty() && report.queues.is_empty() && report.damage.is_empty());
    let disk = FaultyDisk::new();
    disk.open(Path::new("data/log/03.log"), true).unwrap();
    let report = check_log(&disk, &options(1), &Checkpoint::default(), Vec::new()).unwrap();
    assert_eq!(report.free, [Path::new("data/log/03.log")]);
}
