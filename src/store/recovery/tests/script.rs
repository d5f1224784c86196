//! A run of appends that a seed decides, with settles, fan-out, idle times, several files and their reuse.

use crate::store::disk::FaultyDisk;
use crate::store::harness::{Append, FILE_SIZE, Random, Trial};
use crate::store::{OpenError, QueueKey};

/// The last one has lanes.
const QUEUES: [u64; 3] = [0, 1, 4];

/// Why a run stopped early.
#[derive(Debug)]
#[expect(dead_code, reason = "for the message of a failed assertion")]
pub(super) enum Stopped {
    Open(OpenError),
    Write(crate::store::WriteError),
}

/// The run; `Err` holds what there is when the disk failed.
pub(super) fn run(disk: &FaultyDisk, seed: u64, steps: u64) -> Result<Trial, (Option<Box<Trial>>, Stopped)> {
    let mut trial = Trial::new(disk.clone()).map_err(|error| (None, Stopped::Open(error)))?;
    let mut random = Random::new(seed);
    for _ in 0..steps {
        if let Err(error) = go_on(&mut trial, &mut random) {
            return Err((Some(Box::new(trial)), Stopped::Write(error)));
        }
    }
    Ok(trial)
}

/// One step: some appends, or letting the writer work, or both.
pub(super) fn go_on(trial: &mut Trial, random: &mut Random) -> Result<(), crate::store::WriteError> {
    for _ in 0..random.below(4) {
        let append = append(trial, random);
        trial.append(append);
    }
    if random.below(3) > 0 {
        let pause = [0, 0, 5, 60, 120][usize::try_from(random.below(5)).unwrap()];
        trial.step(pause)?;
    }
    if random.below(4) == 0 {
        trial.step(100)?;
        trial.reclaim();
    }
    if random.below(4) == 0 {
        trial.checkpoint.reached = trial.log.durable();
    }
    Ok(())
}

fn append(trial: &mut Trial, random: &mut Random) -> Append {
    let mut append = Append { sync: random.below(2) == 0, ..Append::default() };
    for _ in 0..random.below(4) {
        let first = usize::try_from(random.below(3)).unwrap();
        let queues =
            if random.below(4) == 0 { vec![QUEUES[first], QUEUES[(first + 1) % 3]] } else { vec![QUEUES[first]] };
        let targets = queues.iter().map(|queue| (QueueKey(*queue), trial.sequence(*queue))).collect();
        append.puts.push((targets, payload(random)));
    }
    let mut ready: Vec<(u64, u64)> = trial.places().keys().copied().collect();
    if !ready.is_empty() && random.below(4) == 0 {
        let (queue, sequence) = ready[usize::try_from(random.below(ready.len() as u64)).unwrap()];
        let count = trial.expected()[&(queue, sequence)].2 + 1 + random.below(2);
        append.requeues.push((QueueKey(queue), sequence, count));
    }
    let settled = random.below(5);
    for _ in 0..settled.min(ready.len() as u64) {
        // Mostly the oldest, sometimes any: runs are then settled in part.
        let any = if random.below(3) == 0 { random.below(ready.len() as u64) } else { 0 };
        let (queue, sequence) = ready.remove(usize::try_from(any).unwrap());
        append.settles.push((QueueKey(queue), vec![sequence..=sequence]));
    }
    append
}

fn payload(random: &mut Random) -> Vec<u8> {
    let limit = match random.below(20) {
        0 => u64::from(FILE_SIZE) * 2,
        1..=4 => 2000,
        _ => 100,
    };
    let byte = u8::try_from(random.below(256)).unwrap();
    (0..random.below(limit)).map(|at| byte.wrapping_add(at.to_le_bytes()[0])).collect()
}
