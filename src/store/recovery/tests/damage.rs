//! Bits that flip in what was durable are refused, with the place; what was not durable is cut.

use super::script::run;
use crate::store::disk::faulty::Unsynced;
use crate::store::disk::{Disk, FaultyDisk};
use crate::store::harness::{FILE_SIZE, Live, Trial, open, options, recover};
use crate::store::{Checkpoint, Damage, DamageKind, FileNumber, OpenError, Position, QueueKey, open_log};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Every so many bytes are tried; odd, so that in frames and records each field has its turn.
const STEP: usize = 7;

/// A disk like that one, with a bit flipped.
fn flipped(disk: &FaultyDisk, path: &Path, offset: u64, bit: u8) -> FaultyDisk {
    let copy = disk.after_power_cut(Unsynced::Kept);
    let file = copy.open(path, false).unwrap();
    let mut byte = [0];
    assert_eq!(file.read_at(offset, &mut byte).unwrap(), 1);
    file.write_at(offset, &[&[byte[0] ^ (1 << bit)]]).unwrap();
    copy
}

fn files(disk: &FaultyDisk) -> Vec<(PathBuf, u64)> {
    let directory = Path::new("data/log");
    let names = disk.list(directory).unwrap();
    names
        .iter()
        .map(|name| (directory.join(name), disk.open(&directory.join(name), false).unwrap().len().unwrap()))
        .collect()
}

#[test]
fn no_flipped_bit_changes_what_is_recovered_and_those_in_durable_frames_are_refused() {
    for seed in [3, 4] {
        let disk = FaultyDisk::new();
        let mut trial = run(&disk, seed, 25).unwrap();
        trial.writer.finish(trial.now).unwrap();
        let clean = recover(&disk.after_power_cut(Unsynced::Kept), &trial.checkpoint, 2).unwrap();
        assert_eq!(clean, trial.expected());
        let mut refused = 0_u64;
        for (path, length) in files(&disk) {
            for offset in (seed..length).step_by(STEP).filter(|offset| *offset < 100 || *offset >= 2000) {
                let damaged = flipped(&disk, &path, offset, (offset % 8) as u8);
                match recover(&damaged, &trial.checkpoint, 2) {
                    Ok(live) => assert_eq!(live, clean, "seed {seed}, {} at {offset}", path.display()),
                    Err(OpenError::Damaged(damage)) => {
                        assert_eq!(damage.path, path, "seed {seed}, at {offset}");
                        assert!(damage.offset <= offset && damage.kind == DamageKind::Frame, "{offset}: {damage:?}");
                        refused += 1;
                    }
                    Err(error) => panic!("seed {seed}, {} at {offset}: {error}", path.display()),
                }
            }
        }
        let all = refused * STEP as u64;
        assert!(all >= durable_bytes(&trial), "seed {seed}: only {refused} refused");
    }
}

/// Bytes of live records, at the least.
fn durable_bytes(trial: &Trial) -> u64 {
    let mut places: Vec<_> = trial.places().values().collect();
    places.sort();
    places.dedup();
    assert!(!places.is_empty());
    places.iter().map(|place| u64::from(place.length)).sum()
}

fn sealed() -> Trial {
    let mut trial = Trial::new(FaultyDisk::new()).unwrap();
    for _ in 0..12 {
        trial.put(1, &[5; 1500], true);
        trial.step(0).unwrap();
    }
    trial.writer.finish(trial.now).unwrap();
    trial
}

#[test]
fn a_torn_last_write_is_cut_whatever_is_left_of_it() {
    let mut trial = sealed();
    let durable = trial.expected();
    trial.put(1, &[6; 700], false);
    let before = trial.disk.operations();
    trial.step(0).unwrap();
    let write = trial.disk.trace().split_off(usize::try_from(before).unwrap()).remove(0);
    let crate::store::disk::faulty::Operation::Write(path, offset, length) = write else { panic!("{write:?}") };
    let whole = trial.expected();
    for at in 0..length {
        let damaged = flipped(&trial.disk, &path, offset + at, 3);
        assert_eq!(recover(&damaged, &trial.checkpoint, 2).unwrap(), durable, "byte {at} of the last frame");
    }
    assert_eq!(recover(&trial.disk.after_power_cut(Unsynced::Kept), &trial.checkpoint, 2).unwrap(), whole);
}

#[test]
fn zeros_where_durable_bytes_were_are_refused() {
    let trial = sealed();
    let (path, _) = files(&trial.disk).remove(0);
    for offset in (4096..FILE_SIZE - 2048).step_by(512) {
        let damaged = trial.disk.after_power_cut(Unsynced::Kept);
        damaged.open(&path, false).unwrap().write_at(u64::from(offset), &[&[0; 512]]).unwrap();
        let error = recover(&damaged, &trial.checkpoint, 2).unwrap_err();
        assert!(matches!(&error, OpenError::Damaged(damage) if damage.path == path), "at {offset}: {error}");
    }
}

#[test]
fn a_log_file_that_is_cut_off_is_refused() {
    let trial = sealed();
    for (path, _) in files(&trial.disk) {
        let damaged = trial.disk.after_power_cut(Unsynced::Kept);
        damaged.open(&path, false).unwrap().set_len(4200).unwrap();
        let outcome = recover(&damaged, &trial.checkpoint, 2);
        // Nothing tells of the last file's end when all frames are gone that would.
        assert!(matches!(&outcome, Err(OpenError::Damaged(_))) || path.ends_with("03.log"), "{outcome:?}");
    }
}

fn is_missing(damage: &Damage) -> bool {
    matches!(damage.kind, DamageKind::Missing(_))
}

#[test]
fn a_log_that_ends_before_where_it_is_known_to_have_come_is_refused() {
    let mut trial = sealed();
    trial.checkpoint.reached = trial.log.durable();
    let (last, _) = files(&trial.disk).pop().unwrap();
    let cut = trial.disk.after_power_cut(Unsynced::Kept);
    cut.open(&last, false).unwrap().set_len(4200).unwrap();
    let error = recover(&cut, &trial.checkpoint, 2).unwrap_err();
    assert!(matches!(&error, OpenError::Damaged(damage) if damage.path == last), "{error}");
    cut.remove(&last).unwrap();
    let error = recover(&cut, &trial.checkpoint, 2).unwrap_err();
    assert!(matches!(&error, OpenError::Damaged(damage) if is_missing(damage)), "{error}");
    let none = recover(&FaultyDisk::new(), &trial.checkpoint, 2).unwrap_err();
    assert_eq!(none.to_string(), error.to_string());
}

/// Opens with salvage, and says what the next start has to know.
fn salvage(trial: &mut Trial, disk: &FaultyDisk, salt: u64) -> (Live, Vec<Damage>) {
    let options = crate::store::Options { salvage: true, ..options(salt) };
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (log, _, recovered) = open_log(&shared, &options, &trial.checkpoint, Vec::new(), &|_| true).unwrap();
    let damage = recovered.report.damage.clone();
    trial.checkpoint.reached = log.durable();
    trial.checkpoint.given_up = damage.iter().filter_map(|damage| damage.position).collect();
    (crate::store::harness::live(&log, &recovered), damage)
}

#[test]
fn salvaging_goes_on_without_a_missing_file_and_is_not_asked_again() {
    let sealed = || {
        let mut trial = sealed();
        trial.checkpoint.reached = trial.log.durable();
        trial
    };
    for missing in 0..files(&sealed().disk).len() {
        let mut trial = sealed();
        let whole = trial.expected();
        let disk = trial.disk.after_power_cut(Unsynced::Kept);
        disk.remove(&files(&disk)[missing].0).unwrap();
        let (live, damage) = salvage(&mut trial, &disk, 2);
        assert!(matches!(damage.as_slice(), [damage] if is_missing(damage)), "file {missing}: {damage:?}");
        assert!(!live.is_empty() && live.len() < whole.len(), "file {missing}: {}", live.len());
        assert!(live.iter().all(|(key, digest)| whole[key] == *digest));
        for salt in 3..6 {
            assert_eq!(recover(&disk, &trial.checkpoint, salt).unwrap(), live, "file {missing}");
        }
    }
}

#[test]
fn salvaging_a_log_that_is_gone_begins_behind_it() {
    let mut trial = sealed();
    trial.checkpoint.reached = trial.log.durable();
    let disk = FaultyDisk::new();
    let reached = trial.checkpoint.reached;
    let (live, damage) = salvage(&mut trial, &disk, 2);
    assert_eq!((live.len(), damage.len()), (0, 1));
    assert!(trial.checkpoint.reached.file() > reached.file(), "no number is used twice");
    assert_eq!(recover(&disk, &trial.checkpoint, 3).unwrap(), Live::new());
}

#[test]
fn what_salvage_passed_over_in_any_file_is_passed_over_at_each_start() {
    let whole = sealed().expected();
    for file in 0..files(&sealed().disk).len() {
        for header in [false, true] {
            let mut trial = sealed();
            let (path, _) = files(&trial.disk).remove(file);
            let disk = match header {
                true => flipped(&flipped(&trial.disk, &path, 20, 1), &path, 2048 + 30, 1),
                false => flipped(&trial.disk, &path, 4096 + 100, 1),
            };
            let before = files(&disk);
            let (live, damage) = salvage(&mut trial, &disk, 2);
            assert!(!damage.is_empty() && live.len() < whole.len(), "{damage:?}");
            for salt in 3..6 {
                assert_eq!(recover(&disk, &trial.checkpoint, salt).unwrap(), live);
            }
            // What cannot be read may still be of use to somebody.
            let names = |names: &[(PathBuf, u64)]| names.iter().filter(|(name, _)| name.starts_with(&path)).count();
            assert_eq!(names(&before), 1);
            let kept = files(&disk).iter().filter(|(name, _)| name.to_string_lossy().contains("damaged")).count();
            assert_eq!(kept, usize::from(header));
        }
    }
}

#[test]
fn a_missing_file_is_refused() {
    let trial = sealed();
    for (path, _) in files(&trial.disk).into_iter().take(2) {
        let damaged = trial.disk.after_power_cut(Unsynced::Kept);
        damaged.remove(&path).unwrap();
        let error = recover(&damaged, &trial.checkpoint, 2).unwrap_err();
        assert!(matches!(&error, OpenError::Damaged(damage) if is_missing(damage)), "{error}");
    }
    let checkpoint = Checkpoint { first_file: FileNumber(9), ..Checkpoint::default() };
    let error = recover(&FaultyDisk::new(), &checkpoint, 2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "data/log: the log's file number 9 is missing, with all that was in it: none of the files there has number 9 in its first page"
    );
}

#[test]
fn a_header_that_cannot_be_read_is_refused_and_not_taken_for_a_free_file() {
    let trial = sealed();
    for (path, _) in files(&trial.disk) {
        let damaged = flipped(&flipped(&trial.disk, &path, 20, 1), &path, 2048 + 30, 1);
        let error = recover(&damaged, &trial.checkpoint, 2).unwrap_err();
        let expected = Damage { path, position: None, offset: 0, kind: DamageKind::Header, lost: None };
        assert!(matches!(&error, OpenError::Damaged(damage) if *damage == expected), "{error}");
        assert!(error.to_string().contains("is damaged at offset 0"), "{error}");
    }
}

#[test]
fn two_files_with_the_same_number_are_refused() {
    let trial = sealed();
    let (path, length) = files(&trial.disk).remove(0);
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    trial.disk.open(&path, false).unwrap().read_at(0, &mut bytes).unwrap();
    trial.disk.open(Path::new("data/log/77.log"), true).unwrap().write_at(0, &[&bytes]).unwrap();
    let error = recover(&trial.disk, &trial.checkpoint, 2).unwrap_err();
    assert!(matches!(&error, OpenError::Damaged(damage) if damage.kind == DamageKind::Order), "{error}");
}

#[test]
fn another_version_of_the_format_is_named_and_refused() {
    let trial = sealed();
    let (path, _) = files(&trial.disk).remove(0);
    let mut header = [0; 48];
    let file = trial.disk.open(&path, false).unwrap();
    file.read_at(0, &mut header).unwrap();
    header[12] = 2;
    let crc = crc32c::crc32c(&header[12..]).to_le_bytes();
    header[8..12].copy_from_slice(&crc);
    for copy in [0, 2048] {
        file.write_at(copy, &[&header]).unwrap();
    }
    let error = recover(&trial.disk, &trial.checkpoint, 2).unwrap_err();
    assert!(matches!(&error, OpenError::Version { version: 2, .. }), "{error}");
}

#[test]
fn salvaging_skips_what_is_damaged_and_says_where() {
    let trial = sealed();
    let (path, _) = files(&trial.disk).remove(0);
    let first = trial.places()[&(1, 1)];
    let damaged = flipped(&trial.disk, &path, u64::from(first.offset) + 20, 0);
    let mut salvage = options(2);
    salvage.salvage = true;
    let disk: Arc<dyn Disk> = Arc::new(damaged);
    let (log, _, recovered) = open_log(&disk, &salvage, &trial.checkpoint, Vec::new(), &|_| true).unwrap();
    let mut expected: Live = trial.expected();
    let missing = |places: &Live, key: &(u64, u64)| !places.contains_key(key);
    let live = crate::store::harness::live(&log, &recovered);
    expected.retain(|key, _| !missing(&live, key));
    assert_eq!(live, expected);
    assert_eq!(trial.expected().len() - live.len(), 1, "one frame, which held one message");
    let frame = u64::from(first.offset) - 48;
    assert_eq!(
        recovered.report.damage,
        [Damage {
            path: path.clone(),
            position: Some(Position::new(FileNumber(1), u32::try_from(frame).unwrap())),
            offset: frame,
            kind: DamageKind::Frame,
            lost: recovered.report.damage[0].lost,
        }]
    );
    let lost = recovered.report.damage[0].lost.unwrap();
    assert_eq!(lost.records, Some(1));
    let text = recovered.report.damage[0].to_string();
    assert!(text.ends_with(&format!("(1 records in {} bytes are lost)", lost.bytes)), "{text}");
    assert!(lost.bytes > 1500 && lost.bytes < 1700, "{text}");
    assert_eq!(recovered.queues[&QueueKey(1)].next_sequence, 13);
}

#[test]
fn salvaging_a_sound_log_skips_nothing() {
    let trial = sealed();
    let (_, _, recovered) = open(&trial.disk, &trial.checkpoint, 2).unwrap();
    assert_eq!(recovered.report.damage, []);
    let disk: Arc<dyn Disk> = Arc::new(trial.disk.clone());
    let mut salvage = options(3);
    salvage.salvage = true;
    let (log, _, recovered) = open_log(&disk, &salvage, &trial.checkpoint, Vec::new(), &|_| true).unwrap();
    assert_eq!(recovered.report.damage, []);
    assert_eq!(crate::store::harness::live(&log, &recovered), trial.expected());
}
