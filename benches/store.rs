//! The log: what an append costs, how many confirms a disk gives in groups, how fast a log is recovered.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has to stop")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use leveret::store::disk::{Disk, File, MemoryDisk, RealDisk};
use leveret::store::{Checkpoint, Log, Options, QueueKey, Recovered, Writer, open_log};

const PAYLOAD: [u8; 100] = [7; 100];
const BOUND: usize = PAYLOAD.len() + 64 + 24;
/// The log that is recovered, in bytes.
const RECOVERED: u64 = 256 << 20;

fn open(disk: &Arc<dyn Disk>, salt: u64) -> (Arc<Log>, Writer, Recovered) {
    let options = Options::new(PathBuf::from("log"), salt);
    open_log(disk, &options, &Checkpoint::default(), Vec::new(), &|_| true).unwrap()
}

/// A log with a writer, whose files are used again as if everything in them had been settled.
struct Bench {
    log: Arc<Log>,
    writer: Writer,
    sequence: u64,
}

impl Bench {
    fn new(disk: &Arc<dyn Disk>) -> Self {
        let (log, writer, _) = open(disk, 1);
        while log.prepare().unwrap() {}
        Self { log, writer, sequence: 0 }
    }

    fn append(&mut self, count: u64) {
        for _ in 0..count {
            self.sequence += 1;
            let target = [(QueueKey(1), self.sequence)];
            black_box(self.log.append(BOUND, true, |batch| batch.put(&target, false, &[&PAYLOAD])));
        }
    }

    fn drain(&mut self) {
        while self.writer.step(Duration::from_secs(1)).unwrap() {}
        let last = self.log.end().file();
        for file in self.log.usage().iter().filter(|file| file.number < last) {
            self.log.forget(file.number).unwrap();
        }
    }
}

/// A disk on which writing costs nothing.
#[derive(Debug, Default)]
struct Nothing(MemoryDisk);

#[derive(Debug)]
struct NothingFile;

impl Disk for Nothing {
    fn open(&self, _: &Path, _: bool) -> std::io::Result<Arc<dyn File>> {
        Ok(Arc::new(NothingFile))
    }
    fn list(&self, directory: &Path) -> std::io::Result<Vec<PathBuf>> {
        self.0.list(directory)
    }
    fn rename(&self, _: &Path, _: &Path) -> std::io::Result<()> {
        Ok(())
    }
    fn remove(&self, _: &Path) -> std::io::Result<()> {
        Ok(())
    }
    fn sync_directory(&self, _: &Path) -> std::io::Result<()> {
        Ok(())
    }
    fn free_space(&self) -> std::io::Result<u64> {
        Ok(u64::MAX)
    }
}

impl File for NothingFile {
    fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<usize> {
        Ok(0)
    }
    fn write_at(&self, _: u64, _: &[&[u8]]) -> std::io::Result<()> {
        Ok(())
    }
    fn sync(&self) -> std::io::Result<()> {
        Ok(())
    }
    fn len(&self) -> std::io::Result<u64> {
        Ok(0)
    }
    fn set_len(&self, _: u64) -> std::io::Result<()> {
        Ok(())
    }
    fn allocate(&self, _: u64) -> std::io::Result<()> {
        Ok(())
    }
}

fn append(criterion: &mut Criterion) {
    const COUNT: u64 = 10_000;
    let disk: Arc<dyn Disk> = Arc::new(Nothing::default());
    let bench = std::cell::RefCell::new(Bench::new(&disk));
    let mut group = criterion.benchmark_group("append of 100 B");
    group.throughput(Throughput::Elements(COUNT));
    let drain = || bench.borrow_mut().drain();
    let fill = || {
        drain();
        bench.borrow_mut().append(COUNT);
    };
    group.bench_function("append", |b| {
        b.iter_batched(drain, |()| bench.borrow_mut().append(COUNT), BatchSize::PerIteration);
    });
    group.bench_function("frame of it", |b| b.iter_batched(fill, |()| drain(), BatchSize::PerIteration));
    group.finish();
}

fn group_commit(criterion: &mut Criterion) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(directory.path()).unwrap());
    let mut bench = Bench::new(&disk);
    let mut group = criterion.benchmark_group("group commit of 100 B on the disk");
    group.sample_size(20);
    for window in [1, 100, 1000, 10_000] {
        group.throughput(Throughput::Elements(window));
        group.bench_function(format!("{window} at a time"), |b| {
            b.iter(|| {
                bench.append(window);
                bench.drain();
                while bench.log.prepare().unwrap() {}
            });
        });
    }
    group.finish();
}

fn recovery(criterion: &mut Criterion) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(directory.path()).unwrap());
    let mut group = criterion.benchmark_group("recovery");
    group.sample_size(10).throughput(Throughput::Bytes(RECOVERED));
    let (log, mut writer, _) = open(&disk, 1);
    fill(&log, &mut writer);
    let mut salt = 1;
    group.bench_function("100 B messages of 8 queues, half of them settled", |b| {
        b.iter(|| {
            salt += 1;
            let (_, _, recovered) = open(&disk, salt);
            assert!(recovered.report.bytes >= RECOVERED);
        });
    });
    group.finish();
}

/// Groups of a thousand appends, as publishers in eight queues and consumers of half of them make them.
fn fill(log: &Log, writer: &mut Writer) {
    let mut appended = 0;
    let mut sequence = 0_u64;
    while appended < RECOVERED {
        for _ in 0..125 {
            for queue in 0..8 {
                let target = [(QueueKey(queue), sequence)];
                let (place, _) = log.append(BOUND, false, |batch| batch.put(&target, false, &[&PAYLOAD]));
                appended += u64::from(place.length);
            }
            sequence += 1;
        }
        log.append(256, true, |batch| batch.settle(QueueKey(sequence % 8), &[0..=sequence / 2]));
        while writer.step(Duration::from_secs(1)).unwrap() {}
    }
}

criterion_group!(benches, append, group_commit, recovery);
criterion_main!(benches);
