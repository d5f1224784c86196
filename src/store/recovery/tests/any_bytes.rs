//! Logs with bytes changed at random and checksums that verify nevertheless: recovery opens them or refuses them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::script::run;
use crate::store::disk::{Disk, FaultyDisk, MemoryDisk};
use crate::store::harness::{Random, options};
use crate::store::{Checkpoint, check_log, open_log};

/// The files of a run, as bytes.
fn files(seed: u64) -> Vec<(PathBuf, Vec<u8>)> {
    let disk = FaultyDisk::new();
    run(&disk, seed, 30).unwrap();
    let names = disk.list(Path::new("data/log")).unwrap();
    let read = |name: &PathBuf| {
        let path = Path::new("data/log").join(name);
        let file = disk.open(&path, false).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(0, &mut bytes).unwrap();
        (path, bytes)
    };
    names.iter().map(read).collect()
}

/// Where it matters: in the header, in the first frame's, or anywhere.
fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    let end = bytes.len() as u64;
    let at = match random.below(8) {
        0 => 16 + random.below(32),
        1 => 4096 + random.below(48),
        _ => random.below(end.max(1)),
    };
    let value = [0, 1, 8, 0x7f, 0x80, 0xff][usize::try_from(random.below(6)).unwrap()];
    if let Some(byte) = bytes.get_mut(usize::try_from(at).unwrap()) {
        *byte = value;
    }
    if random.below(30) == 0 {
        bytes.truncate(usize::try_from(random.below(end.max(1))).unwrap());
    }
}

/// Makes the header and the frames verify again.
fn mend(bytes: &mut [u8]) {
    if bytes.len() < 4096 {
        return;
    }
    let (page, mut frames) = bytes.split_at_mut(4096);
    if page[..48].iter().any(|byte| *byte != 0) {
        let crc = crc32c::crc32c(&page[12..48]);
        page[8..12].copy_from_slice(&crc.to_le_bytes());
    }
    while frames.len() >= 48 && frames.starts_with(b"LVFR") {
        let (head, rest) = std::mem::take(&mut frames).split_at_mut(48);
        let length = usize::try_from(u32::from_le_bytes(head[24..28].try_into().unwrap())).unwrap();
        let Some((body, rest)) = rest.split_at_mut_checked(length) else { return };
        head[32..36].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&page[24..32]), &head[8..48]);
        head[4..8].copy_from_slice(&crc.to_le_bytes());
        frames = rest;
    }
}

#[test]
fn what_is_opened_once_opens_again_and_nothing_panics() {
    let (mut opened, mut refused) = (0, 0);
    let runs: Vec<_> = (1..=8).map(files).collect();
    for seed in 1..=3000 {
        let mut random = Random::new(seed);
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let mut files = runs[usize::try_from(random.below(8)).unwrap()].clone();
        for _ in 0..1 + random.below(3) {
            let file = usize::try_from(random.below(files.len() as u64)).unwrap();
            change(&mut files[file].1, &mut random);
        }
        for (path, bytes) in &mut files {
            mend(bytes);
            disk.open(path, true).unwrap().write_at(0, &[bytes]).unwrap();
        }
        let open = |salt, salvage| {
            let options = crate::store::Options { salvage, ..options(salt) };
            open_log(&disk, &options, &Checkpoint::default(), Vec::new(), &|_| true)
        };
        let salvage = seed % 3 == 0;
        let _ = check_log(&*disk, &options(1), &Checkpoint::default(), Vec::new());
        let Ok((_, _, first)) = open(2, salvage) else {
            refused += 1;
            continue;
        };
        opened += 1;
        let (_, _, second) = open(3, salvage).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let counts = |recovered: &crate::store::Recovered| -> Vec<u64> {
            recovered.queues.values().map(|queue| queue.extents.iter().map(|it| u64::from(it.count)).sum()).collect()
        };
        assert_eq!(counts(&first), counts(&second), "seed {seed}");
    }
    assert!(opened > 200 && refused > 200, "{opened} opened, {refused} refused: nothing was tried");
}
