//! Tests of the faulty disk: what a power cut leaves, and each fault.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{FaultyDisk, Operation, Unsynced};
use crate::store::disk::{Disk, File};

const SECTOR: usize = 512;
const ALL_FATES: [Unsynced; 3] = [Unsynced::Lost, Unsynced::Kept, Unsynced::Chance(7)];

fn open(disk: &FaultyDisk, path: &str) -> Arc<dyn File> {
    disk.open(Path::new(path), true).unwrap()
}

/// A file whose name lasts.
fn lasting(disk: &FaultyDisk, path: &str) -> Arc<dyn File> {
    let file = open(disk, path);
    disk.sync_directory(Path::new(path).parent().unwrap()).unwrap();
    file
}

fn content(file: &dyn File) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    let count = file.read_at(0, &mut bytes).unwrap();
    assert_eq!(count, bytes.len());
    bytes
}

fn found(disk: &FaultyDisk, path: &str, fate: Unsynced) -> Option<Vec<u8>> {
    let file = disk.after_power_cut(fate).open(Path::new(path), false).ok()?;
    Some(content(&*file))
}

fn code(error: &io::Error) -> Option<i32> {
    error.raw_os_error()
}

#[test]
fn what_was_synced_lasts_whatever_becomes_of_the_rest() {
    let disk = FaultyDisk::new();
    let file = lasting(&disk, "a");
    file.write_at(0, &[b"head", b"tail"]).unwrap();
    file.sync().unwrap();
    for fate in ALL_FATES {
        assert_eq!(found(&disk, "a", fate).unwrap(), b"headtail", "{fate:?}");
    }
}

#[test]
fn what_was_not_synced_is_lost_or_kept_as_the_fate_says() {
    let disk = FaultyDisk::new();
    let file = lasting(&disk, "a");
    file.write_at(0, &[&[1; 600]]).unwrap();
    file.sync().unwrap();
    file.write_at(10, &[&[2; 1000]]).unwrap();
    assert_eq!(found(&disk, "a", Unsynced::Lost).unwrap(), [1; 600]);
    assert_eq!(found(&disk, "a", Unsynced::Kept).unwrap(), [vec![1; 10], vec![2; 1000]].concat());
}

#[test]
fn chance_tears_writes_at_sectors_and_nowhere_else() {
    let disk = FaultyDisk::new();
    let file = lasting(&disk, "a");
    file.write_at(0, &[&[1; 4 * SECTOR]]).unwrap();
    file.sync().unwrap();
    file.write_at(0, &[&[2; 4 * SECTOR]]).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..400 {
        let bytes = found(&disk, "a", Unsynced::Chance(seed)).unwrap();
        assert_eq!(bytes, found(&disk, "a", Unsynced::Chance(seed)).unwrap(), "a seed repeats");
        let sectors: Vec<u8> = bytes.chunks(SECTOR).map(|sector| sector[0]).collect();
        assert!(bytes.chunks(SECTOR).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        seen.insert(sectors);
    }
    assert_eq!(seen.len(), 16, "every subset of four sectors occurs");
}

#[test]
fn a_length_that_was_not_synced_may_be_the_old_one() {
    let disk = FaultyDisk::new();
    let file = lasting(&disk, "a");
    file.write_at(0, &[&[1; 3 * SECTOR]]).unwrap();
    file.sync().unwrap();
    file.set_len(SECTOR as u64).unwrap();
    assert_eq!(found(&disk, "a", Unsynced::Lost).unwrap(), [1; 3 * SECTOR]);
    assert_eq!(found(&disk, "a", Unsynced::Kept).unwrap(), [1; SECTOR]);
    let lengths: BTreeSet<_> = (0..50).map(|seed| found(&disk, "a", Unsynced::Chance(seed)).unwrap().len()).collect();
    assert_eq!(lengths, BTreeSet::from([SECTOR, 3 * SECTOR]));
}

#[test]
fn a_name_lasts_after_its_directory_was_synced() {
    let disk = FaultyDisk::new();
    let file = open(&disk, "log/a");
    file.write_at(0, &[b"x"]).unwrap();
    file.sync().unwrap();
    disk.sync_directory(Path::new("")).unwrap();
    assert_eq!(found(&disk, "log/a", Unsynced::Lost), None, "another directory was synced");
    assert_eq!(found(&disk, "log/a", Unsynced::Kept).unwrap(), b"x");
    disk.sync_directory(Path::new("log")).unwrap();
    assert_eq!(found(&disk, "log/a", Unsynced::Lost).unwrap(), b"x");
}

#[test]
fn renames_and_removals_last_in_order() {
    let disk = FaultyDisk::new();
    lasting(&disk, "a").write_at(0, &[b"a"]).unwrap();
    lasting(&disk, "b");
    disk.rename(Path::new("a"), Path::new("b")).unwrap();
    disk.remove(Path::new("b")).unwrap();
    let names = |fate| disk.after_power_cut(fate).list(Path::new("")).unwrap();
    assert_eq!(names(Unsynced::Lost), [PathBuf::from("a"), PathBuf::from("b")]);
    assert!(names(Unsynced::Kept).is_empty());
    let seen: BTreeSet<_> = (0..50).map(|seed| names(Unsynced::Chance(seed))).collect();
    let (a, b) = (PathBuf::from("a"), PathBuf::from("b"));
    assert_eq!(seen, BTreeSet::from([vec![a, b.clone()], vec![b], vec![]]));
}

#[test]
fn the_operation_of_the_cut_fails_and_may_last_and_all_later_ones_fail() {
    let disk = FaultyDisk::new();
    let file = lasting(&disk, "a");
    disk.power_cut_at(disk.operations() + 1);
    assert!(file.write_at(0, &[b"x"]).is_err());
    assert!(file.sync().is_err());
    assert!(disk.open(Path::new("a"), false).is_err());
    assert_eq!(found(&disk, "a", Unsynced::Lost).unwrap(), b"");
    assert_eq!(found(&disk, "a", Unsynced::Kept).unwrap(), b"x");
}

#[test]
fn a_sync_during_which_the_power_goes_has_not_happened() {
    let disk = FaultyDisk::new();
    let file = lasting(&disk, "a");
    file.write_at(0, &[b"x"]).unwrap();
    disk.power_cut_at(disk.operations() + 1);
    assert!(file.sync().is_err());
    assert_eq!(found(&disk, "a", Unsynced::Lost).unwrap(), b"");
}

#[test]
fn writes_after_the_cut_never_last() {
    let disk = FaultyDisk::new();
    let file = lasting(&disk, "a");
    disk.power_cut_at(disk.operations());
    assert!(file.write_at(0, &[b"x"]).is_err());
    assert!(disk.remove(Path::new("a")).is_err());
    assert_eq!(found(&disk, "a", Unsynced::Kept).unwrap(), b"");
}

#[test]
fn a_failed_sync_loses_its_data_though_the_next_one_succeeds() {
    let disk = FaultyDisk::new();
    let file = lasting(&disk, "a");
    file.write_at(0, &[&[1; 2 * SECTOR]]).unwrap();
    file.sync().unwrap();
    file.write_at(0, &[&[2; SECTOR]]).unwrap();
    disk.fail_sync(1);
    assert_eq!(code(&file.sync().unwrap_err()), Some(5));
    file.write_at(SECTOR as u64, &[&[3; SECTOR]]).unwrap();
    file.sync().unwrap();
    assert_eq!(content(&*file), [[2; SECTOR], [3; SECTOR]].concat(), "reads still see it");
    for fate in ALL_FATES {
        assert_eq!(found(&disk, "a", fate).unwrap(), [[1; SECTOR], [3; SECTOR]].concat(), "{fate:?}");
    }
}

#[test]
fn a_failed_sync_of_a_directory_is_told() {
    let disk = FaultyDisk::new();
    open(&disk, "a");
    disk.fail_sync(1);
    assert_eq!(code(&disk.sync_directory(Path::new("")).unwrap_err()), Some(5));
    assert_eq!(found(&disk, "a", Unsynced::Lost), None);
}

#[test]
fn the_nth_read_and_the_nth_write_fail_once() {
    let disk = FaultyDisk::new();
    let file = lasting(&disk, "a");
    disk.fail_write(2);
    disk.fail_read(2);
    file.write_at(0, &[b"abcd"]).unwrap();
    assert_eq!(code(&file.write_at(0, &[b"EF", b"GH"]).unwrap_err()), Some(5));
    assert_eq!(content(&*file), b"EFcd", "half of a failed write is there");
    assert_eq!(code(&file.read_at(0, &mut [0; 4]).unwrap_err()), Some(5));
    file.write_at(0, &[b"efgh"]).unwrap();
    assert_eq!(content(&*file), b"efgh");
}

#[test]
fn a_full_disk_refuses_growth_but_not_rewriting() {
    let disk = FaultyDisk::new();
    let file = lasting(&disk, "a");
    disk.capacity(10);
    assert_eq!(disk.free_space().unwrap(), 10);
    file.write_at(0, &[b"12345678"]).unwrap();
    let other = open(&disk, "b");
    assert_eq!(code(&other.write_at(0, &[b"abc"]).unwrap_err()), Some(28));
    assert_eq!(content(&*other), b"ab", "what fits is written");
    assert_eq!(code(&other.set_len(3).unwrap_err()), Some(28));
    file.write_at(0, &[b"87654321"]).unwrap();
    assert_eq!(disk.free_space().unwrap(), 0);
    disk.heal();
    other.write_at(0, &[b"abc"]).unwrap();
}

#[test]
fn from_the_nth_write_on_the_disk_is_full() {
    let disk = FaultyDisk::new();
    let file = lasting(&disk, "a");
    disk.full_from_write(2);
    file.write_at(0, &[b"a"]).unwrap();
    for _ in 0..3 {
        assert_eq!(file.write_at(0, &[b"b"]).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
    assert_eq!(content(&*file), b"a");
}

#[test]
fn short_reads_bring_at_least_a_byte() {
    let disk = FaultyDisk::new();
    let file = lasting(&disk, "a");
    file.write_at(0, &[&[7; 100]]).unwrap();
    disk.short_reads();
    let counts: BTreeSet<_> = (0..200).map(|_| file.read_at(0, &mut [0; 100]).unwrap()).collect();
    assert!(counts.iter().all(|count| (1..=100).contains(count)));
    assert!(counts.len() > 20);
    assert_eq!(file.read_at(100, &mut [0; 10]).unwrap(), 0);
}

#[test]
fn operations_are_counted_and_traced() {
    let disk = FaultyDisk::new();
    let file = lasting(&disk, "log/a");
    file.write_at(3, &[b"ab", b"c"]).unwrap();
    file.sync().unwrap();
    assert_eq!(disk.operations(), 4);
    let lines: Vec<_> = disk.trace().iter().map(Operation::to_string).collect();
    assert_eq!(lines, ["open log/a", "sync directory 'log'", "write log/a at 3, 3 bytes", "sync log/a"]);
}

#[test]
fn bytes_beyond_the_end_do_not_come_back_when_a_file_grows_again() {
    for seed in 0..50 {
        let disk = FaultyDisk::new();
        let file = lasting(&disk, "a");
        file.write_at(0, &[&[1; 4 * SECTOR]]).unwrap();
        let after = disk.after_power_cut(Unsynced::Chance(seed));
        let file = after.open(Path::new("a"), false).unwrap();
        if file.len().unwrap() == 0 {
            file.write_at(4 * SECTOR as u64, &[b"x"]).unwrap();
            assert_eq!(content(&*file), [vec![0; 4 * SECTOR], b"x".to_vec()].concat(), "seed {seed}");
        }
    }
}
