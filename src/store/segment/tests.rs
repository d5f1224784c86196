//! What is written reads back, and whatever is not a whole segment is refused by name and offset.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{SegmentDamage, SegmentError, SegmentWriter, open_listed, path_of};
use crate::store::disk::faulty::{FaultyDisk, Operation, Unsynced};
use crate::store::disk::{Disk, MemoryDisk};
use crate::store::format;
use crate::store::log::{FileTable, StoredFile};
use crate::store::recovery::OpenSegment;
use crate::store::{Extent, FileNumber, Location, QueueKey};

const NUMBER: FileNumber = FileNumber::segment(3);

fn directory() -> PathBuf {
    PathBuf::from("data/segments")
}

fn path() -> PathBuf {
    path_of(&directory(), NUMBER)
}

fn record(queue: u64, sequence: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    format::put(&mut bytes, &[(QueueKey(queue), sequence)], false, &[payload]);
    bytes
}

fn writer(disk: &Arc<dyn Disk>) -> SegmentWriter {
    SegmentWriter::create(disk, directory(), NUMBER).unwrap()
}

/// Queues 1 and 2, with a gap in the numbers of queue 2.
fn write(disk: &Arc<dyn Disk>) -> Result<(), SegmentError> {
    let mut writer = SegmentWriter::create(disk, directory(), NUMBER)?;
    for (queue, sequence) in [(1, 5), (1, 6), (1, 7), (2, 1), (2, 3), (2, 4)] {
        writer.append(QueueKey(queue), sequence, false, &record(queue, sequence, b"payload"))?;
    }
    writer.finish().map(|_| ())
}

fn memory() -> Arc<dyn Disk> {
    Arc::new(MemoryDisk::new())
}

fn open(disk: &dyn Disk) -> Result<OpenSegment, SegmentError> {
    open_listed(disk, &directory(), &[NUMBER], &mut |_, error| Err(error)).map(|mut segments| segments.remove(0))
}

fn error(disk: &dyn Disk) -> SegmentError {
    open(disk).unwrap_err()
}

fn payloads(segment: OpenSegment) -> Vec<(u64, u64, Vec<u8>)> {
    let files = FileTable::default();
    files.insert(StoredFile::segment(segment.number, segment.file, 0));
    let mut found = Vec::new();
    for (queue, extent) in segment.extents {
        let read = files.read(queue, &extent, &mut |sequence, _, payload| {
            found.push((queue.0, sequence, payload.to_vec()));
        });
        read.unwrap();
    }
    found
}

fn content(disk: &dyn Disk) -> Vec<u8> {
    let file = disk.open(&path(), false).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn what_is_written_is_in_the_directory_and_reads_back() {
    let disk = memory();
    write(&disk).unwrap();
    let segment = open(&*disk).unwrap();
    let length = u32::try_from(record(1, 5, b"payload").len()).unwrap();
    let extent = |queue, first, count, before: u32| {
        let location = Location { file: NUMBER, offset: 32 + before * length, length: count * length };
        (QueueKey(queue), Extent { first, count, location })
    };
    assert_eq!(segment.extents, [extent(1, 5, 3, 0), extent(2, 1, 1, 3), extent(2, 3, 2, 4)]);
    let all = [(1, 5), (1, 6), (1, 7), (2, 1), (2, 3), (2, 4)];
    assert_eq!(payloads(segment), all.map(|(queue, sequence)| (queue, sequence, b"payload".to_vec())));
}

#[test]
fn extents_are_a_megabyte_at_most_unless_a_record_is_larger() {
    let disk = memory();
    let mut segment = writer(&disk);
    for sequence in 1..=5 {
        segment.append(QueueKey(1), sequence, false, &record(1, sequence, &vec![7; 400 << 10])).unwrap();
    }
    segment.append(QueueKey(1), 6, false, &record(1, 6, &vec![8; 3 << 20])).unwrap();
    segment.append(QueueKey(1), 7, false, &record(1, 7, b"small")).unwrap();
    let finished = segment.finish().unwrap();
    assert_eq!((finished.number, finished.records), (NUMBER, 7));
    let segment = open(&*disk).unwrap();
    let extents: Vec<_> = segment.extents.iter().map(|(_, extent)| (extent.first, extent.count)).collect();
    assert_eq!(extents, [(1, 2), (3, 2), (5, 1), (6, 1), (7, 1)]);
    let lengths: Vec<_> = payloads(segment).iter().map(|(_, _, payload)| payload.len()).collect();
    assert_eq!(lengths, [400 << 10, 400 << 10, 400 << 10, 400 << 10, 400 << 10, 3 << 20, 5]);
}

#[test]
fn it_writes_in_large_pieces_and_syncs_once_at_the_end() {
    let faulty = FaultyDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
    let mut segment = writer(&disk);
    for sequence in 1..=4000 {
        segment.append(QueueKey(1), sequence, false, &record(1, sequence, &[7; 1000])).unwrap();
    }
    segment.finish().unwrap();
    let trace = faulty.trace();
    let writes: Vec<u64> = trace
        .iter()
        .filter_map(|operation| match operation {
            Operation::Write(_, _, bytes) => Some(*bytes),
            Operation::Open(_)
            | Operation::List(_)
            | Operation::Rename(..)
            | Operation::Remove(_)
            | Operation::SyncDirectory(_)
            | Operation::FreeSpace
            | Operation::Read(..)
            | Operation::Sync(_)
            | Operation::Length(_)
            | Operation::SetLength(..) => None,
        })
        .collect();
    assert_eq!(writes.len(), 4, "{writes:?}");
    assert!(writes.iter().take(3).all(|bytes| (1 << 20..(1 << 20) + 2000).contains(bytes)), "{writes:?}");
    let unfinished = directory().join("00000003.tmp");
    let last = [
        Operation::Sync(unfinished.clone()),
        Operation::Rename(unfinished, path()),
        Operation::SyncDirectory(directory()),
    ];
    assert_eq!(trace[trace.len() - 3..], last);
}

#[test]
fn records_that_a_restart_forgets_are_kept_apart_and_left_out() {
    let disk = memory();
    let mut segment = writer(&disk);
    for sequence in 1..=6 {
        let transient = (3..=4).contains(&sequence);
        segment.append(QueueKey(1), sequence, transient, &record(1, sequence, b"x")).unwrap();
    }
    assert_eq!(segment.finish().unwrap().records, 6);
    let extents: Vec<_> =
        open(&*disk).unwrap().extents.iter().map(|(_, extent)| (extent.first, extent.count)).collect();
    assert_eq!(extents, [(1, 2), (5, 2)]);
}

#[test]
fn a_segment_is_full_by_bytes_but_takes_any_first_record() {
    let disk = memory();
    let mut segment = writer(&disk);
    assert!(segment.has_room(5000, 1000));
    segment.append(QueueKey(1), 1, false, &record(1, 1, &[7; 500])).unwrap();
    assert!(segment.has_room(100, 1000));
    assert!(!segment.has_room(900, 1000));
}

#[test]
fn a_flipped_bit_anywhere_but_in_records_is_damage_with_file_and_offset() {
    let original = memory();
    write(&original).unwrap();
    let bytes = content(&*original);
    let directory_at = bytes.len() - 40 - 3 * 32;
    for at in (0..32).chain(directory_at..bytes.len()) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let disk = memory();
        disk.open(&path(), true).unwrap().write_at(0, &[&flipped]).unwrap();
        let (offset, damage) = match at {
            0..32 => (0, SegmentDamage::Header),
            _ if at < bytes.len() - 40 => (directory_at, SegmentDamage::Directory),
            _ => (bytes.len() - 40, SegmentDamage::Footer),
        };
        let expected = format!("data/segments/00000003.seg is damaged at offset {offset}: {damage}");
        assert_eq!(error(&*disk).to_string(), expected, "byte {at}");
    }
}

#[test]
fn a_segment_that_is_cut_short_or_grown_is_damage() {
    let original = memory();
    write(&original).unwrap();
    let bytes = content(&*original);
    for length in (0..bytes.len()).chain([bytes.len() + 1]) {
        let disk = memory();
        let file = disk.open(&path(), true).unwrap();
        file.write_at(0, &[&bytes]).unwrap();
        file.set_len(length as u64).unwrap();
        assert!(matches!(error(&*disk), SegmentError::Damaged { .. }), "{length} bytes");
    }
}

#[test]
fn a_segment_under_another_ones_name_is_damage() {
    let disk = memory();
    write(&disk).unwrap();
    disk.rename(&path(), &path_of(&directory(), FileNumber::segment(4))).unwrap();
    let error = open_listed(&*disk, &directory(), &[FileNumber::segment(4)], &mut |_, error| Err(error)).unwrap_err();
    assert!(matches!(error, SegmentError::Damaged { damage: SegmentDamage::Header, .. }), "{error}");
}

#[test]
fn a_listed_segment_that_is_not_there_is_named() {
    assert_eq!(error(&*memory()).to_string(), "the segment data/segments/00000003.seg is missing");
}

#[test]
fn what_is_damaged_or_missing_is_passed_over_when_that_is_asked_for() {
    let disk = memory();
    write(&disk).unwrap();
    disk.open(&path_of(&directory(), FileNumber::segment(5)), true).unwrap();
    let listed = [NUMBER, FileNumber::segment(4), FileNumber::segment(5)];
    let mut told = Vec::new();
    let mut tell = |number: FileNumber, error: SegmentError| {
        told.push((number, error.to_string()));
        Ok(())
    };
    let opened = open_listed(&*disk, &directory(), &listed, &mut tell).unwrap();
    assert_eq!(opened.iter().map(|segment| segment.number).collect::<Vec<_>>(), [NUMBER]);
    let damaged = "data/segments/00000005.seg is damaged at offset 0: the file's header cannot be read";
    let missing = "the segment data/segments/00000004.seg is missing".to_owned();
    assert_eq!(told, [(FileNumber::segment(4), missing), (FileNumber::segment(5), damaged.to_owned())]);
}

#[test]
fn what_no_checkpoint_lists_is_removed_and_other_files_stay() {
    let disk = memory();
    write(&disk).unwrap();
    for name in ["00000007.tmp", "00000008.seg", "notes.txt", "x.seg"] {
        disk.open(&directory().join(name), true).unwrap();
    }
    open(&*disk).unwrap();
    let names: Vec<_> = disk.list(&directory()).unwrap();
    assert_eq!(names, [Path::new("00000003.seg"), Path::new("notes.txt"), Path::new("x.seg")]);
}

#[test]
fn another_version_is_refused_by_name() {
    let disk = memory();
    write(&disk).unwrap();
    let mut covered = [0; 20];
    covered[0] = 9;
    covered[4] = 3;
    let crc = crc32c::crc32c(&covered).to_le_bytes();
    disk.open(&path(), false).unwrap().write_at(0, &[b"LEVERSEG", &crc, &covered]).unwrap();
    let expected = "data/segments/00000003.seg: format 9 of segments is not known to this version";
    assert_eq!(error(&*disk).to_string(), expected);
}

#[test]
fn a_power_cut_leaves_no_segment_or_a_whole_one_and_what_returned_lasts() {
    let whole = FaultyDisk::new();
    write(&(Arc::new(whole.clone()) as Arc<dyn Disk>)).unwrap();
    for cut in 1..=whole.operations() + 1 {
        let faulty = FaultyDisk::new();
        faulty.power_cut_at(cut);
        let written = write(&(Arc::new(faulty.clone()) as Arc<dyn Disk>));
        for fate in [Unsynced::Lost, Unsynced::Kept, Unsynced::Chance(cut), Unsynced::Chance(cut + 100)] {
            let found = faulty.after_power_cut(fate);
            match open(&found) {
                Ok(segment) => assert_eq!(payloads(segment).len(), 6, "cut at {cut}, {fate:?}"),
                Err(SegmentError::Missing(_)) => assert!(written.is_err(), "cut at {cut}, {fate:?}"),
                Err(error) => panic!("cut at {cut}, {fate:?}: {error}"),
            }
        }
    }
}

#[test]
fn no_room_is_told_from_a_failed_sync() {
    let full = FaultyDisk::new();
    full.full_from_write(1);
    assert!(write(&(Arc::new(full) as Arc<dyn Disk>)).unwrap_err().is_no_space());
    for sync in [1, 2] {
        let failing = FaultyDisk::new();
        failing.fail_sync(sync);
        assert!(!write(&(Arc::new(failing) as Arc<dyn Disk>)).unwrap_err().is_no_space());
    }
}

#[test]
fn the_bytes_are_those_that_are_described() {
    let disk = memory();
    let mut segment = writer(&disk);
    let record = record(1, 2, b"ab");
    segment.append(QueueKey(1), 2, true, &record).unwrap();
    segment.finish().unwrap();
    let crc = |bytes: &[u8]| crc32c::crc32c(bytes).to_le_bytes().to_vec();
    let header = [&[1, 0, 0, 0][..], &3_u32.to_le_bytes(), &[0; 12]].concat();
    let length = u32::try_from(record.len()).unwrap();
    let extent = [
        &1_u64.to_le_bytes()[..],
        &2_u64.to_le_bytes(),
        &1_u32.to_le_bytes(),
        &32_u32.to_le_bytes(),
        &length.to_le_bytes(),
        &1_u32.to_le_bytes(),
    ]
    .concat();
    let footer = [
        &[1, 0, 0, 0][..],
        &3_u32.to_le_bytes(),
        &1_u64.to_le_bytes(),
        &1_u32.to_le_bytes(),
        &(32 + length).to_le_bytes(),
        &crc(&extent),
    ]
    .concat();
    let expected =
        [b"LEVERSEG".to_vec(), crc(&header), header, record, extent, b"LEVERDIR".to_vec(), crc(&footer), footer];
    assert_eq!(content(&*disk), expected.concat());
}

#[test]
fn no_more_than_some_megabytes_are_on_their_way_to_the_disk_at_once() {
    const MOST: u64 = 6 << 20;
    let faulty = FaultyDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
    let mut writer = writer(&disk);
    let record = record(1, 1, &[7; 300_000]);
    for sequence in 1..=60 {
        writer.append(QueueKey(1), sequence, false, &record).unwrap();
    }
    writer.finish().unwrap();
    let (mut unsynced, mut most, mut syncs) = (0, 0, 0);
    for operation in faulty.trace() {
        if let Operation::Write(_, _, bytes) = operation {
            unsynced += bytes;
            most = most.max(unsynced);
        }
        if let Operation::Sync(_) = operation {
            (unsynced, syncs) = (0, syncs + 1);
        }
    }
    assert!(most <= MOST && syncs > 3, "{most} bytes, {syncs} syncs");
}
