//! Everything at once, as in a node: publishers, a consumer that loads what is paged out, the writer, reclamation.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::world::{ModelQueue, Queues, World};
use crate::store::disk::faulty::{FaultyDisk, Unsynced};
use crate::store::log::{Log, Writer};
use crate::store::place::{Extent, Location, QueueKey};
use crate::store::reclaim::{Progress, Reclaim, Reclaimed};

const QUEUES: u64 = 3;
const MESSAGES: u64 = 4000;
/// One of so many messages is never settled.
const STUCK: u64 = 40;
const FILE_SIZE: u32 = 64 << 10;

struct Clock(AtomicU64);

impl Clock {
    /// A clock that goes on when it is looked at.
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

fn publish(log: &Log, queues: &Queues, done: &AtomicU64) {
    for number in 0..MESSAGES {
        while log.lag() > 256 << 10 {
            thread::yield_now();
        }
        let queue = QueueKey(1 + number % QUEUES);
        let mut known = queues.0.lock();
        let state = known.entry(queue).or_insert_with(|| ModelQueue { next: 1, ..ModelQueue::default() });
        let sequence = state.next;
        state.next += 1;
        drop(known);
        let payload = [7; 150];
        let (place, _) = log.append(300, true, |batch| batch.put(&[(queue, sequence)], false, &[&payload]));
        if number % 50 == 0 {
            thread::yield_now();
        }
        let mut known = queues.0.lock();
        let state = known.get_mut(&queue).unwrap();
        if number % 3 == 0 {
            state.runs.insert(sequence, Extent { first: sequence, count: 1, location: place });
        } else {
            state.singles.insert(sequence, place);
        }
    }
    done.fetch_add(1, Ordering::Release);
}

/// Settles what can be; true when there was something.
fn consume(log: &Log, queues: &Queues, queue: QueueKey) -> bool {
    let run = queues.0.lock().get(&queue).and_then(|state| {
        let wanted = |run: &&Extent| run.count > 1 || !run.first.is_multiple_of(STUCK);
        state.runs.values().find(wanted).copied()
    });
    if let Some(run) = run {
        load(log, queues, queue, run);
    }
    let mut known = queues.0.lock();
    let Some(state) = known.get_mut(&queue) else { return run.is_some() };
    let settled: Vec<(u64, Location)> = state
        .singles
        .iter()
        .filter(|(sequence, _)| !sequence.is_multiple_of(STUCK))
        .map(|(one, place)| (*one, *place))
        .collect();
    for (sequence, place) in &settled {
        log.append(100, false, |batch| batch.settle(queue, &[*sequence..=*sequence]));
        state.singles.remove(sequence);
        log.release(place.file, 1);
    }
    run.is_some() || !settled.is_empty()
}

/// Reads without the lock; what has moved meanwhile is left for the next time.
fn load(log: &Log, queues: &Queues, queue: QueueKey, run: Extent) {
    let mut loaded = Vec::new();
    let read = log.read(queue, &run, &mut |sequence, place, payload| {
        assert_eq!(payload[..], [7; 150]);
        loaded.push((sequence, place));
    });
    let mut known = queues.0.lock();
    let Some(state) = known.get_mut(&queue) else { return };
    if state.runs.get(&run.first) == Some(&run) {
        read.unwrap();
        state.runs.remove(&run.first);
        state.singles.extend(loaded);
    }
}

fn write(mut writer: Writer, clock: &Clock, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        let _ = writer.wait(Duration::from_millis(1));
        while writer.step(clock.now()).unwrap() {}
    }
    for _ in 0..300 {
        writer.step(clock.now()).unwrap();
    }
}

fn reclaim(
    reclaim: &mut Reclaim,
    world: (&Queues, &crate::store::meta::Meta),
    clock: &Clock,
    stop: &AtomicBool,
) -> Vec<Reclaimed> {
    let mut passes = Vec::new();
    loop {
        // A clock that waits, so that nothing is taken for lost.
        let stopping = stop.load(Ordering::Acquire);
        match reclaim.step(Duration::ZERO, world.0, world.1).unwrap() {
            Progress::Done(done) => passes.push(done),
            Progress::Idle if stopping => return passes,
            Progress::Idle | Progress::Later | Progress::Waiting(_) => thread::yield_now(),
            Progress::Working => {}
        }
        let _ = clock.now();
    }
}

#[test]
fn publishers_consumers_the_writer_and_reclamation_work_at_the_same_time() {
    let disk = FaultyDisk::new();
    let World { log, writer, meta, reclaim: mut reclaiming, queues, .. } = World::on(&disk, FILE_SIZE).unwrap();
    let clock = Clock(AtomicU64::new(1000));
    let (published, drained, reclaimed) = (AtomicU64::new(0), AtomicBool::new(false), AtomicBool::new(false));
    let passes = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| publish(&log, &queues, &published));
        }
        scope.spawn(|| {
            loop {
                let over = published.load(Ordering::Acquire) == 2;
                let worked = (1..=QUEUES).filter(|queue| consume(&log, &queues, QueueKey(*queue))).count();
                if over && worked == 0 {
                    break;
                }
            }
            drained.store(true, Ordering::Release);
        });
        scope.spawn(|| write(writer, &clock, &reclaimed));
        let passes = reclaim(&mut reclaiming, (&queues, &meta), &clock, &drained);
        reclaimed.store(true, Ordering::Release);
        passes
    });
    let copied: u64 = passes.iter().map(|pass| pass.records).sum();
    assert!(passes.len() > 3 && copied > 20, "{} passes, {copied} records copied", passes.len());
    assert!(passes.iter().all(|pass| pass.kept.is_empty() && pass.damaged.is_empty()));
    let world = super::world::restart_of(&disk.after_power_cut(Unsynced::Lost), FILE_SIZE);
    let found: BTreeSet<(u64, u64)> = world.into_keys().collect();
    let stuck = |queue: u64| {
        let next = queues.0.lock()[&QueueKey(queue)].next;
        (1..next).filter(|sequence| sequence.is_multiple_of(STUCK)).map(move |sequence| (queue, sequence))
    };
    assert_eq!(found, (1..=QUEUES).flat_map(stuck).collect());
}
