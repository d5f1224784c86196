//! Tests of the database: what commits leave, and that a power cut or a failing disk never leaves half of one.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Change, CommitError, Meta, Space};
use crate::store::disk::faulty::{FaultyDisk, Unsynced};
use crate::store::disk::{Disk, MemoryDisk};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn put(key: &str, value: &[u8]) -> Change {
    Change::Put { key: key.as_bytes().to_vec(), value: value.to_vec() }
}

fn remove(key: &str) -> Change {
    Change::Remove { key: key.as_bytes().to_vec() }
}

fn rows(meta: &Meta, space: Space) -> Rows {
    let all = meta.all(space).unwrap();
    assert!(all.is_sorted());
    all.into_iter().collect()
}

fn apply(rows: &mut Rows, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Put { key, value } => rows.insert(key.clone(), value.clone()),
            Change::Remove { key } => rows.remove(key),
        };
    }
}

/// Commits of both spaces: many small rows, rows larger than a page, rows replaced and removed.
fn history() -> Vec<(Space, Vec<Change>)> {
    let many = |from: usize| (from..from + 120).map(|n| put(&format!("row {n:04}"), &[7; 90])).collect::<Vec<_>>();
    vec![
        (Space::Definitions, vec![put("a", b"1"), put("b", b"")]),
        (Space::Definitions, many(0)),
        (Space::Checkpoint, vec![put("a", &[3; 20_000])]),
        (Space::Definitions, vec![remove("a"), put("b", b"2"), remove("never there")]),
        (Space::Checkpoint, [vec![remove("a"), put("first", &[1])], many(50)].concat()),
        (Space::Definitions, (0..120).map(|n| remove(&format!("row {n:04}"))).collect()),
    ]
}

/// The rows of both spaces after each number of commits.
fn states() -> Vec<[Rows; 2]> {
    let mut states = vec![[Rows::new(), Rows::new()]];
    for (space, changes) in history() {
        let mut next = states.last().unwrap().clone();
        apply(&mut next[usize::from(space == Space::Checkpoint)], &changes);
        states.push(next);
    }
    states
}

/// How many commits returned before the disk failed.
fn run(disk: &FaultyDisk) -> usize {
    let Ok(meta) = Meta::open(disk) else { return 0 };
    let history = history();
    history.iter().take_while(|(space, changes)| meta.commit(*space, changes).is_ok()).count()
}

fn check(disk: &FaultyDisk, committed: usize, states: &[[Rows; 2]], what: &str) {
    let meta = Meta::open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = [rows(&meta, Space::Definitions), rows(&meta, Space::Checkpoint)];
    let place = states.iter().position(|state| *state == found);
    let allowed = [Some(committed), Some(committed + 1)];
    assert!(allowed.contains(&place), "{what}: {committed} commits returned, found the state after {place:?}");
    meta.commit(Space::Definitions, &[put("later", b"x")]).unwrap();
}

#[test]
fn what_was_committed_is_there_after_opening_again() {
    let disk = MemoryDisk::new();
    let meta = Meta::open(&disk).unwrap();
    assert_eq!(rows(&meta, Space::Definitions), Rows::new());
    for (space, changes) in history() {
        meta.commit(space, &changes).unwrap();
    }
    drop(meta);
    let meta = Meta::open(&disk).unwrap();
    let expected = states().pop().unwrap();
    assert_eq!([rows(&meta, Space::Definitions), rows(&meta, Space::Checkpoint)], expected);
}

#[test]
fn a_commit_of_nothing_leaves_the_disk_alone() {
    let disk = FaultyDisk::new();
    let meta = Meta::open(&disk).unwrap();
    let before = disk.operations();
    meta.commit(Space::Definitions, &[]).unwrap();
    assert_eq!(disk.operations(), before);
}

#[test]
fn a_power_cut_at_any_operation_leaves_the_state_before_or_after_a_commit() {
    let states = states();
    let whole = FaultyDisk::new();
    assert_eq!(run(&whole), history().len());
    let fates = [Unsynced::Lost, Unsynced::Kept, Unsynced::Chance(1), Unsynced::Chance(2), Unsynced::Chance(3)];
    for cut in 1..=whole.operations() {
        let disk = FaultyDisk::new();
        disk.power_cut_at(cut);
        let committed = run(&disk);
        for fate in fates {
            check(&disk.after_power_cut(fate), committed, &states, &format!("cut at {cut}, {fate:?}"));
        }
    }
}

#[test]
fn a_power_cut_while_opening_again_loses_nothing() {
    let states = states();
    let crashed = FaultyDisk::new();
    crashed.power_cut_at(150);
    let committed = run(&crashed);
    assert!(committed > 1, "{committed}");
    for cut in 1..=40 {
        let again = crashed.after_power_cut(Unsynced::Chance(cut));
        again.power_cut_at(cut);
        let _opened = Meta::open(&again);
        let found = again.after_power_cut(Unsynced::Chance(cut + 1));
        check(&found, committed, &states, &format!("cut at {cut} of the second start"));
    }
}

#[test]
fn after_a_failed_sync_nothing_is_committed_any_more() {
    let states = states();
    for n in 1..30 {
        let disk = FaultyDisk::new();
        disk.fail_sync(n);
        let Ok(meta) = Meta::open(&disk) else { continue };
        let history = history();
        let committed = history.iter().take_while(|(space, changes)| meta.commit(*space, changes).is_ok()).count();
        if committed < history.len() {
            let again = meta.commit(Space::Definitions, &[put("a", b"x")]).unwrap_err().to_string();
            assert!(again.contains("the server has to end"), "{again}");
        }
        drop(meta);
        check(&disk.after_power_cut(Unsynced::Lost), committed, &states, &format!("sync {n} failed"));
    }
}

#[test]
fn a_failing_write_and_a_full_disk_are_final_and_leave_a_whole_state() {
    let states = states();
    for n in 1..80 {
        for full in [false, true] {
            let disk = FaultyDisk::new();
            if full {
                disk.full_from_write(n);
            } else {
                disk.fail_write(n);
            }
            let committed = run(&disk);
            disk.heal();
            let what = format!("write {n} failed, full: {full}");
            check(&disk.after_power_cut(Unsynced::Lost), committed, &states, &what);
            check(&disk.after_power_cut(Unsynced::Kept), committed, &states, &what);
        }
    }
}

#[test]
fn short_reads_are_continued() {
    let disk = FaultyDisk::new();
    assert_eq!(run(&disk), history().len());
    disk.short_reads();
    check(
        &disk,
        history().len(),
        &[vec![[Rows::new(), Rows::new()]; 6], states().split_off(6)].concat(),
        "short reads",
    );
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let disk = MemoryDisk::new();
    let file = disk.open(Path::new("meta.redb"), true).unwrap();
    file.write_at(0, &[&[0x55; 9000]]).unwrap();
    let error = Meta::open(&disk).unwrap_err().to_string();
    assert!(
        error.starts_with("meta.redb, which says what was declared and what the log is of, is damaged ("),
        "{error}"
    );
}

#[test]
fn no_flipped_bit_changes_what_is_read_and_a_file_cut_short_is_refused() {
    let disk = FaultyDisk::new();
    assert_eq!(run(&disk), history().len());
    let expected = states().pop().unwrap();
    let name = Path::new("meta.redb");
    let length = disk.open(name, false).unwrap().len().unwrap();
    let mut refused = 0;
    for offset in (0..length).step_by(61) {
        let copy = disk.after_power_cut(Unsynced::Kept);
        let file = copy.open(name, false).unwrap();
        let mut byte = [0];
        file.read_at(offset, &mut byte).unwrap();
        file.write_at(offset, &[&[byte[0] ^ 0x10]]).unwrap();
        match Meta::open(&copy) {
            Ok(meta) => {
                assert_eq!([rows(&meta, Space::Definitions), rows(&meta, Space::Checkpoint)], expected, "{offset}");
            }
            Err(error) => {
                assert!(error.is_damage(), "{offset}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "{refused}");
    for length in [0, 100, 4096, length / 2, length - 4096] {
        let copy = disk.after_power_cut(Unsynced::Kept);
        copy.open(name, false).unwrap().set_len(length).unwrap();
        assert!(Meta::open(&copy).unwrap_err().is_damage(), "cut off at {length}");
    }
}

#[test]
fn a_failing_disk_is_no_damage() {
    let disk = FaultyDisk::new();
    run(&disk);
    disk.fail_read(1);
    assert!(!Meta::open(&disk).unwrap_err().is_damage());
}

#[test]
fn a_commit_that_finds_no_room_changes_nothing_and_later_ones_go_on() {
    let large = |n: u8| vec![put("large", &vec![n; 3 << 20])];
    for room in [0, 4096, 100_000, 1 << 20, 2 << 20, 5 << 20] {
        let disk = FaultyDisk::new();
        let meta = Meta::open(&disk).unwrap();
        let mut expected = Rows::new();
        for (_, changes) in history().into_iter().filter(|(space, _)| *space == Space::Definitions) {
            meta.commit(Space::Definitions, &changes).unwrap();
            apply(&mut expected, &changes);
        }
        let length = disk.open(Path::new("meta.redb"), false).unwrap().len().unwrap();
        disk.capacity(length + room);
        let mut refused = 0;
        for n in 0..4 {
            match meta.commit(Space::Definitions, &large(n)) {
                Ok(()) => apply(&mut expected, &large(n)),
                Err(CommitError::NoSpace) => refused += 1,
                Err(CommitError::Fatal(error)) => panic!("{room}: {error}"),
            }
            assert_eq!(rows(&meta, Space::Definitions), expected, "{room}");
            for fate in [Unsynced::Lost, Unsynced::Kept, Unsynced::Chance(u64::from(n))] {
                let after = disk.after_power_cut(fate);
                assert_eq!(rows(&Meta::open(&after).unwrap(), Space::Definitions), expected, "{room}, {fate:?}");
            }
            let small = [put("small", &[n])];
            match meta.commit(Space::Definitions, &small) {
                Ok(()) => apply(&mut expected, &small),
                Err(error) => assert!(matches!(error, CommitError::NoSpace), "{room}: {error}"),
            }
        }
        assert!(refused > 0, "{room}");
        disk.heal();
        meta.commit(Space::Definitions, &large(9)).unwrap();
        apply(&mut expected, &large(9));
        drop(meta);
        let after = disk.after_power_cut(Unsynced::Lost);
        assert_eq!(rows(&Meta::open(&after).unwrap(), Space::Definitions), expected);
    }
}
