//! A log of any bytes: recovery refuses it or opens it, never panics, and what it opened it opens again just so.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use leveret::store::disk::{Disk, MemoryDisk};
use leveret::store::{Checkpoint, Options, QueueKey, Recovered, check_log, open_log};
use libfuzzer_sys::fuzz_target;

const FILE_SIZE: u32 = 16 << 10;
/// Slots in the input: each begins with its length in 16 bits, little endian; the last takes what is left.
const SLOTS: usize = 4;

fuzz_target!(|data: &[u8]| {
    let Some((&flags, data)) = data.split_first() else { return };
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    fill(&*disk, data);
    let options = Options {
        file_size: FILE_SIZE,
        files: 4,
        salvage: flags & 1 != 0,
        ..Options::new(PathBuf::from("log"), u64::from(flags >> 1))
    };
    let checkpoint = Checkpoint::default();
    let _ = check_log(&*disk, &options, &checkpoint, Vec::new());
    let Ok((log, mut writer, recovered)) = open_log(&disk, &options, &checkpoint, Vec::new(), &|_| true) else {
        return;
    };
    log.append(100, true, |batch| batch.put(&[(QueueKey(u64::MAX), 1)], false, &[b"message"]));
    writer.finish(Duration::from_secs(1)).expect("memory does not fail");
    let options = Options { salt: u64::MAX, ..options };
    let (_, _, again) =
        open_log(&disk, &options, &checkpoint, Vec::new(), &|_| true).expect("what was opened opens again");
    let kept = sequences(&again);
    assert!(sequences(&recovered).iter().all(|message| kept.contains(message)), "a message is gone");
});

/// Lets bytes become files. Where they do not say otherwise, headers and frames get checksums that verify, since chance
/// does not find those.
fn fill(disk: &dyn Disk, mut data: &[u8]) {
    for slot in 0..SLOTS {
        let Some((length, rest)) = data.split_first_chunk::<2>() else { return };
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (bytes, rest) = if slot + 1 == SLOTS { (rest, &[][..]) } else { rest.split_at(length) };
        let file = disk.open(&Path::new("log").join(format!("{slot:02}.log")), true).expect("memory does not fail");
        file.write_at(0, &[&mended(bytes)]).expect("memory does not fail");
        data = rest;
    }
}

/// The input is a file without the unused parts of its first page: a header of 48 bytes, then frames.
fn mended(bytes: &[u8]) -> Vec<u8> {
    let (header, frames) = bytes.split_at(bytes.len().min(48));
    let mut header = header.to_vec();
    if header.len() == 48 {
        let crc = crc32c::crc32c(&header[12..]).to_le_bytes();
        header[8..12].copy_from_slice(&crc);
    }
    let mut file = header.clone();
    file.resize(4096, 0);
    file.extend_from_slice(frames);
    let salt = header.get(24..32).unwrap_or_default().to_vec();
    let mut at = 4096;
    while let Some(frame) = file.get_mut(at..).filter(|frame| frame.len() >= 48 && frame.starts_with(b"LVFR")) {
        let (head, body) = frame.split_at_mut(48);
        let length = u32::from_le_bytes([head[24], head[25], head[26], head[27]]) as usize;
        let Some(body) = body.get(..length) else { break };
        head[32..36].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&salt), &head[8..48]);
        head[4..8].copy_from_slice(&crc.to_le_bytes());
        at += 48 + length;
    }
    file
}

fn sequences(recovered: &Recovered) -> std::collections::BTreeSet<(QueueKey, u64)> {
    let mut all = std::collections::BTreeSet::new();
    for (key, queue) in &recovered.queues {
        for extent in &queue.extents {
            all.extend((0..u64::from(extent.count)).map(|more| (*key, extent.first.saturating_add(more))));
        }
    }
    all
}
